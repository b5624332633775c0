"""``python -m holly_triton.harness.pores FILE FOLDER``: real nuclear pores, each turned at random, reconstructed over seeds.

A seed determines how the particles are turned and the run, which is that of ``holly-triton train`` with its defaults; flat
particles are turned in their plane and reconstructed with ``--tilt 0``. Runs that are done already are not repeated.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import machine, short_commit
from holly_triton.core.types import Array
from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.io.metrics import read_metrics
from holly_triton.io.run_files import read_run_cloud
from holly_triton.validation.angular_order import find_order, standing_order
from holly_triton.validation.measure import measure_run

from .particles_peers.averages import in_poses, read_registered, reconstructed, turned
from .particles_peers.figures import about_axis, ring_figures

INSIDE = 0.6
"""Of the radius: points nearer to the axis lie in the hole of the ring."""
HEAD = (
    "# Real nuclear pores, over seeds\n\n"
    "Every particle is turned at random first, flat ones in their plane, others in space; a seed determines the turns and the run, "
    "which is that of `holly-triton train` with its defaults, and `--tilt 0` for flat particles. Radius, layers and hole are of the points about the axis "
    "about which their distances vary least: median distance from it, distance of the layers' medians along it, and the share of the points "
    f"within {INSIDE:g} of the radius. Orders: those of rotation that are strongest in each layer. Shape and order are those "
    "that `measure` states; the order stands out where a run says so, for which its chance has to be at most 0.01. In poses: of the localisations of "
    "all particles in the poses found, as in [peers.md](peers.md). Held out and training: the mean log-likelihood of a localisation (density in nm^-3, "
    "natural logarithm) of particles that were held out, and of as many of the training with their poses searched in the same way; "
    "for flat particles the loss of their pictures.\n"
)
TAIL = "`python -m holly_triton.harness.pores FILE FOLDER` makes these tables.\n"
COLUMNS = {
    "radius": ("radius (nm)", "{:.1f}"),
    "layers": ("layers apart (nm)", "{:.1f}"),
    "inside": ("in the hole", "{:.1%}"),
    "orders": ("orders", ""),
    "model": ("shape", ""),
    "order": ("order", "{:.0f}"),
    "amplitude": ("amplitude", "{:.2f}"),
    "stands_out": ("stands out", ""),
    "points": ("points", "{:.0f}"),
    "placed_radius": ("radius in poses (nm)", "{:.1f}"),
    "placed_layers": ("layers in poses (nm)", "{:.1f}"),
    "placed_amplitude": ("amplitude in poses", "{:.3f}"),
    "held_out": ("held out", "{:.2f}"),
    "training": ("training", "{:.2f}"),
    "seconds": ("CPU (s)", "{:.0f}"),
}
"""Heading of each figure, and its format where it has a median."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.pores", description=__doc__)
    parser.add_argument("file", type=Path, help="registered particles")
    parser.add_argument("folder", type=Path, help="of the runs and their figures; continued if it exists")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--report", type=Path, default=Path("reports/particles/pores.md"))
    options = parser.parse_args(arguments)
    try:
        for seed in options.seeds:
            _once(options.file, options.folder, seed)
        parts = [_section(name, runs) for name, runs in _runs(options.folder)]
    except (HollyError, UnavailableError) as error:
        print(error, file=sys.stderr)
        return 1
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text("\n".join([HEAD, *parts, TAIL]), encoding="utf-8")
    print(options.report)
    return 0


def _once(file: Path, folder: Path, seed: int) -> None:
    """The figures of one seed, written beside its run."""
    place = folder / f"{file.stem}-{seed}"
    if (place / "figures.json").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    given = turned(read_registered(file, file.stem), seed)
    run, seconds = reconstructed(given, place)
    placed = ring_figures(in_poses(given, run / "poses.csv"))
    figures = {
        "seed": seed, "commit": short_commit(), "particles": int(given.particle.max()) + 1,
        "localisations": float(np.median(np.bincount(given.particle))), "seconds": seconds, **_of_points(read_run_cloud(run)[:, : given.xyz.shape[1]]),
        **_of_run(run), "placed_radius": placed.radius_nm, "placed_layers": placed.layers_nm,
        "placed_amplitude": placed.amplitude,
    }  # fmt: skip
    (place / "figures.json").write_text(json.dumps(figures), encoding="utf-8")
    print(json.dumps(figures), flush=True)


def _of_points(points: Array) -> dict[str, Any]:
    """Figures of the points of a cloud about the axis of its ring or rings."""
    found = about_axis(points)
    radius = statistics.median(found.distance.tolist())
    orders = [find_order(found.angle[ring]).order for ring in found.rings]
    return {
        "radius": radius, "layers": found.layers_nm, "inside": float((found.distance < INSIDE * radius).mean()),
        "orders": ", ".join(map(str, orders)), "points": len(points),
    }  # fmt: skip


def _of_run(run: Path) -> dict[str, Any]:
    """What a run states of itself: its shape, the order about its axis, and how well held-out particles fit."""
    measured, metrics = measure_run(run), read_metrics(run)
    turns, held = measured["turns"] or {}, metrics.held_out
    fits = (math.nan, math.nan) if held is None else (held.loss, held.loss_training)
    if metrics.dimensions == 3:  # a loss of 3D localisations is exp of the mean negative log-likelihood
        fits = (-math.log(fits[0]), -math.log(fits[1]))
    return {
        "model": measured["model"] or "none", "order": turns.get("order", math.nan), "amplitude": turns.get("amplitude", math.nan),
        "stands_out": "yes" if standing_order(read_run_cloud(run)) else "no", "held_out": fits[0], "training": fits[1],
    }  # fmt: skip


def _runs(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The name of each file of particles, and its runs by seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in folder.glob("*/figures.json"):
        name, _, _ = path.parent.name.rpartition("-")
        found.setdefault(name, []).append(json.loads(path.read_text(encoding="utf-8")))
    for name in sorted(found):
        yield name, sorted(found[name], key=lambda run: int(run["seed"]))


def _section(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """The table of one file of particles, in Markdown, with the medians over its runs."""
    columns = [(key, *shown) for key, shown in COLUMNS.items() if not _is_missing(runs[0][key])]
    lines = [
        f"## {name}", "", f"{runs[0]['particles']} particles, about {runs[0]['localisations']:g} localisations each. Commit "
        f"{', '.join(sorted({run['commit'] for run in runs}))}; {machine()} of a shared machine.", "",
        "| seed | " + " | ".join(title for _, title, _ in columns) + " |", "|" + " --- |" * (len(columns) + 1),
    ]  # fmt: skip
    for run in runs:
        cells = [(form or "{}").format(run[key]) for key, _, form in columns]
        lines.append(f"| {run['seed']} | {' | '.join(cells)} |")
    middle = [form.format(statistics.median(run[key] for run in runs)) if form else "" for key, _, form in columns]
    return "\n".join([*lines, f"| median | {' | '.join(middle)} |", ""])


def _is_missing(value: object) -> bool:
    """NaN, as the distance of the layers of flat particles is."""
    return isinstance(value, float) and math.isnan(value)


if __name__ == "__main__":
    sys.exit(main())
