"""``python -m holly_triton.harness.channels FOLDER``: two channels in one data set, beside each of them alone.

The sites of a nuclear pore and, within it, of a tetrahedron of half its size are simulated as particles of 3D localisations, in
which half of the labels are missing. They are reconstructed together, each channel with a cloud of its own, and each from
its own localisations alone. Runs that are done already are not repeated.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.core.origin import here, origin_of
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.spatial.config import Spatial
from holly_triton.structures import nuclear_pore, tetrahedron
from holly_triton.validation.alignment import align

PARTICLES, MISSING, SCATTER_NM, PRECISION = 240, 0.5, 2.0, Precision(4.0, 8.0)
POINTS = 55
"""Of each channel."""
NAMES = ("pore", "plug")
WAYS = ("together", *NAMES)
SETTINGS = Spatial(batch=32)
ICP_STEPS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.channels", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the figures of each run; continued if it exists")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", type=Path, default=Path("reports/particles/channels.md"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for way in WAYS:
            path = options.folder / f"{way}-{seed}.json"
            if not path.exists():
                path.write_text(json.dumps({**here(), **_figures(seed, way)}), encoding="utf-8")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def structure() -> tuple[Array, PointChannels]:
    """The sites of both ``[N, 3]``, nm, and the channel of each."""
    pore, plug = nuclear_pore(), tetrahedron() * 0.5
    turn = Rotation.from_euler("xyz", [20, 35, 10], degrees=True).as_matrix()
    plug = (plug - plug.mean(axis=0)) @ turn.T + [0, 0, 15]
    return np.concatenate([pore - pore.mean(axis=0), plug]), PointChannels.of_sizes([len(pore), len(plug)], NAMES)


def alone(made: Simulation, name: str) -> Localisations:
    """The localisations of one channel as a data set of its own."""
    assert made.channels is not None
    own = made.channels.named(name)[made.site.numpy()]
    ends = np.concatenate([[0], np.cumsum(own)])[made.offsets.numpy()]
    names = [str(particle) for particle in range(len(ends) - 1)]
    lateral, axial = (np.full(own.sum(), error) for error in PRECISION)
    xyz = made.positions.numpy()[own]
    return localisations_from_rows(xyz, np.diff(ends), names, source="simulation", precision=lateral, precision_z=axial)


def _figures(seed: int, way: str) -> dict[str, Any]:
    sites, channels = structure()
    made = simulate(
        sites, PARTICLES, scatter_nm=SCATTER_NM, missing=MISSING, precision=PRECISION, dimensions=3, channels=channels,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    together = way == "together"
    data = made.localisations if together else alone(made, way)
    points = POINTS * len(NAMES) if together else POINTS
    config = settled(Config(device="cpu", seed=seed, points=points, spatial=SETTINGS), data)
    trainer, began = make_spatial_trainer(config, data), time.process_time()
    for _ in trainer.run():
        pass
    seconds, truth = time.process_time() - began, [made.points[channels.named(name)] for name in NAMES]
    cloud = trainer.state.points.numpy().astype(np.float64)
    if not together:
        fit = align(cloud, truth[NAMES.index(way)], handed=True)
        return {"seed": seed, "way": way, "rmsd": {way: fit.rmsd}, "seconds": seconds}
    fit, found = align(cloud, made.points, handed=True), trainer.channels
    assert found is not None
    rmsd = {name: fit.rmsd_of(found.named(name), channels.named(name)) for name in NAMES}
    offsets = [offset(fit.aligned[found.named(name)], true) for name, true in zip(NAMES, truth, strict=True)]
    between = float(np.linalg.norm(offsets[0] - offsets[1]))
    return {"seed": seed, "way": way, "rmsd": rmsd, "offset": between, "seconds": seconds}


def offset(cloud: Array, truth: Array) -> Array:
    """The shift ``[3]`` by which a cloud, turned as it is, fits the truth best: nearest neighbours, both ways."""
    moved = np.zeros(3)
    for _ in range(ICP_STEPS):
        there = cloud + moved
        to_truth = truth[cKDTree(truth).query(there)[1]] - there
        to_cloud = truth - there[cKDTree(there).query(truth)[1]]
        moved += (to_truth.mean(axis=0) + to_cloud.mean(axis=0)) / 2
    return moved


def report(folder: Path) -> str:
    """The table, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    joint = [run for run in runs if run["way"] == "together"]
    lines = [
        "# Two channels in one frame", "",
        f"The sites of a nuclear pore and, within it, of a tetrahedron of half its size (the channel `plug`); {PARTICLES} particles of 3D localisations, "
        f"in which {MISSING:.0%} of the labels are missing, scatter by {SCATTER_NM:g} nm, and have a precision of {PRECISION.lateral_nm:g} nm, along z "
        f"{PRECISION.axial_nm:g} nm; {POINTS} points of each channel, {SETTINGS.batch} particles a step. Medians over seeds, with the values of all seeds "
        "in brackets; one thread. RMSD: root-mean-square distance of nearest neighbours, both ways; together, of each channel in the alignment of both.", "",
        "| channel | RMSD together (nm) | RMSD alone (nm) | CPU alone (s) |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name in NAMES:
        own = [run for run in runs if run["way"] == name]
        cells = [_median([run["rmsd"][name] for run in some]) for some in (joint, own)] + [
            _median([run["seconds"] for run in own])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([
        *lines, "",
        f"Together: {_median([run['seconds'] for run in joint])} s; the channels lie {_median([run['offset'] for run in joint])} nm from their true place relative to each other.", "",
        "`python -m holly_triton.harness.channels FOLDER` makes this table.", "", origin_of(runs), "",
    ])  # fmt: skip


def _median(values: list[float]) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values)
    return f"{statistics.median(values):.3g}" + (f" ({shown})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
