"""``python -m holly_triton.harness.few_labels FOLDER``: particles of few labels, with each of the two ways to their poses.

Two rings of 16 sites, of radius 50 nm and 60 nm apart, are simulated as 2000 pictures of which a part of the labels is missing,
and reconstructed twice from the same seed: with poses drawn by the likelihood of each localisation, as ``train`` does where
there are few, and with poses found by pictures, as it does elsewhere. Runs that are done already are not repeated.
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

from holly_triton.core.origin import here, origin_of
from holly_triton.core.types import Array
from holly_triton.particles.config import Config
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.particles.sparse.config import Sparse
from holly_triton.validation.alignment import align

RADIUS_NM, APART_NM, SITES = 50.0, 60.0, 16
PICTURES, SCATTER_NM = 2000, 5.0
WAYS = {"each localisation": Sparse(), "pictures": Sparse(most=0)}
COLUMNS = (
    "missing",
    "points",
    "poses by",
    "RMSD (nm)",
    "layers (nm)",
    "radius (nm)",
    "scatter (nm)",
    "CPU (s)",
    "seeds",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.few_labels", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the figures of each run; continued if it exists")
    parser.add_argument("--missing", type=float, nargs="+", default=[0.75, 0.5, 0.3], help="shares of the labels")
    parser.add_argument("--points", type=int, nargs="+", default=[2 * SITES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", type=Path, default=Path("reports/particles/few_labels.md"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for missing in options.missing:
            for points in options.points:
                for way in WAYS:
                    _once(options.folder, missing, points, way, seed)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(_report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def rings() -> Array:
    """The sites ``[32, 3]``, nm."""
    angle = 2 * np.pi * np.arange(SITES) / SITES
    ring = np.stack([RADIUS_NM * np.cos(angle), RADIUS_NM * np.sin(angle), np.full(SITES, APART_NM / 2)], axis=1)
    return np.concatenate([ring, ring * [1, 1, -1]])


def _once(folder: Path, missing: float, points: int, way: str, seed: int) -> None:
    path = folder / f"{missing:g}-{points}-{way.replace(' ', '-')}-{seed}.json"
    if path.exists():
        return
    torch.set_num_threads(1)
    made = simulate(
        rings(), PICTURES, scatter_nm=SCATTER_NM, missing=missing, generator=torch.Generator().manual_seed(seed)
    )
    config = Config(points=points, seed=seed, device="cpu", sparse=WAYS[way])
    began = time.process_time()
    trainer = make_trainer(config, made.localisations)
    for _ in trainer.run():
        pass
    row = {**here(), "missing": missing, "points": points, "way": way, "seed": seed, "cpu": time.process_time() - began}
    cloud = trainer.state.points.detach().double().numpy()
    path.write_text(json.dumps({**row, **_figures(cloud), "scatter": trainer.state.blur_nm()}), encoding="utf-8")
    print(path.read_text(encoding="utf-8"), flush=True)


def _figures(cloud: Array) -> dict[str, float]:
    """RMSD, and the extent in the cloud's own frame: its axis is the principal one that differs most from the others."""
    centred = cloud - cloud.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(centred.T))
    axis = axes[:, 0 if spread[1] - spread[0] > spread[2] - spread[1] else 2]
    height = centred @ axis
    across = np.linalg.norm(centred - np.outer(height, axis), axis=1)
    return {
        "rmsd": align(cloud, rings()).figures(1.0)["rmsd"],
        "layers": float(np.median(height[height > 0]) - np.median(height[height < 0])),
        "radius": float(np.median(across)),
    }


def _report(folder: Path) -> str:
    """The table, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    groups: dict[tuple[float, int, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["missing"], run["points"], run["way"]), []).append(run)
    lines = [
        "# Particles of few labels", "",
        f"Two rings of {SITES} sites, of radius {RADIUS_NM:g} nm and {APART_NM:g} nm apart; {PICTURES} pictures, each with its own part of "
        f"the labels, which scatter by {SCATTER_NM:g} nm along each axis. Medians over seeds, with the values of all seeds in brackets; "
        "one thread. RMSD: root-mean-square distance of nearest neighbours, both ways, in the better handedness.", "",
        f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}",
    ]  # fmt: skip
    for (missing, points, way), rows in sorted(groups.items(), reverse=True):
        cells = [_median([row[key] for row in rows]) for key in ("rmsd", "layers", "radius", "scatter", "cpu")]
        lines.append(f"| {missing:g} | {points} | {way} | {' | '.join(cells)} | {len(rows)} |")
    return "\n".join(
        [*lines, "", "`python -m holly_triton.harness.few_labels FOLDER` makes this table.", "", origin_of(runs), ""]
    )


def _median(values: list[float]) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values)
    return f"{statistics.median(values):.3g}" + (f" ({shown})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
