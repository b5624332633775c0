"""``python -m holly_triton.harness.few_labels FOLDER``: particles of few labels, with each of the ways to their poses.

Two rings of 16 sites, of radius 50 nm and 60 nm apart, are simulated as particles of which a part of the labels is missing, and
reconstructed from the same seed. In 2D: with poses drawn by the likelihood of each localisation, as ``train`` does where
there are few, and with poses found by pictures, as it does elsewhere. In 3D: with poses drawn by the likelihood of each
localisation, with the best poses, weighed by it, as ``train`` does where there are more, and with the best pose of each particle
alone. Runs that are done already are not repeated.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from holly_triton.core.origin import here, origin_of
from holly_triton.core.types import Array
from holly_triton.particles.config import Config
from holly_triton.particles.run.trainers import trainer_for
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.sparse.config import Sparse
from holly_triton.particles.spatial.config import Spatial
from holly_triton.validation.alignment import align

RADIUS_NM, APART_NM, SITES = 50.0, 60.0, 16
SCATTER_NM = 5.0
WAYS: dict[int, dict[str, Config]] = {
    2: {"each localisation": Config(), "pictures": Config(sparse=Sparse(most=0))},
    3: {
        "each localisation": Config(),
        "the best poses, weighed": Config(sparse=Sparse(most=0)),
        "the best pose": Config(sparse=Sparse(most=0), spatial=Spatial(least_weight=1)),
    },
}
"""What differs between the ways, by the dimensions of the localisations."""
COLUMNS = (
    "dimensions",
    "particles",
    "missing",
    "localisations",
    "points",
    "poses by",
    "RMSD (nm)",
    "layers (nm)",
    "radius (nm)",
    "scatter (nm)",
    "CPU (s)",
    "seeds",
)


class Case(NamedTuple):
    """What is simulated, and with how many points it is reconstructed."""

    dimensions: int
    particles: int
    missing: float
    fluorophores: int
    """Of a site that has a label."""
    points: int = 2 * SITES

    def simulation(self, seed: int) -> Simulation:
        """The particles. In 3D their scatter is the precision that is stated of each localisation."""
        generator = torch.Generator().manual_seed(seed)
        error = Precision(SCATTER_NM, SCATTER_NM) if self.dimensions == 3 else None
        return simulate(
            rings(), self.particles, scatter_nm=0.0 if error else SCATTER_NM, missing=self.missing, max_spawn=self.fluorophores,
            precision=error, dimensions=self.dimensions, generator=generator,
        )  # fmt: skip


CASES = (
    *(Case(2, 2000, missing, 1) for missing in (0.75, 0.5, 0.3)),
    Case(2, 1000, 0.7, 4),
    Case(3, 1000, 0.7, 4),
    Case(3, 400, 0.7, 10),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.few_labels", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the figures of each run; continued if it exists")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dimensions", type=int, choices=tuple(WAYS), nargs="+", default=list(WAYS))
    parser.add_argument("--report", type=Path, default=Path("reports/particles/few_labels.md"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed in range(options.seeds):
        for case in CASES:
            for way in WAYS[case.dimensions] if case.dimensions in options.dimensions else ():
                _once(options.folder, case, way, seed)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def rings() -> Array:
    """The sites ``[32, 3]``, nm."""
    angle = 2 * np.pi * np.arange(SITES) / SITES
    ring = np.stack([RADIUS_NM * np.cos(angle), RADIUS_NM * np.sin(angle), np.full(SITES, APART_NM / 2)], axis=1)
    return np.concatenate([ring, ring * [1, 1, -1]])


def _once(folder: Path, case: Case, way: str, seed: int) -> None:
    path = folder / ("-".join(f"{value:g}" for value in case) + f"-{way.replace(' ', '-')}-{seed}.json")
    if path.exists():
        return
    data = case.simulation(seed).localisations
    config = dataclasses.replace(WAYS[case.dimensions][way], points=case.points, seed=seed, device="cpu")
    began = time.process_time()
    trainer = trainer_for(config, data)
    for _ in trainer.run():
        pass
    cloud = trainer.state.points.detach().double().numpy()
    row = {
        **here(), **case._asdict(), "localisations": float(data.counts.median()), "way": way, "seed": seed,
        "cpu": time.process_time() - began, **_figures(cloud), "scatter": trainer.state.blur_nm(),
    }  # fmt: skip
    path.write_text(json.dumps(row), encoding="utf-8")
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


def report(folder: Path) -> str:
    """The table, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in sorted(runs, key=lambda run: int(run["seed"])):
        key = (-run["dimensions"], run["particles"], run["missing"], run["fluorophores"], run["points"], run["way"])
        groups.setdefault(key, []).append(run)
    lines = [
        "# Particles of few labels", "",
        f"Two rings of {SITES} sites, of radius {RADIUS_NM:g} nm and {APART_NM:g} nm apart; particles, each with its own part of the labels. Labels scatter by "
        f"{SCATTER_NM:g} nm along each axis in 2D; in 3D, where a scatter is fitted besides, each localisation states that as its precision, by which those of a label are merged where poses are drawn. Localisations: of a particle, in the median. Medians over seeds, with "
        "the values of all seeds in brackets; one thread. RMSD: root-mean-square distance of nearest neighbours, both ways, in the better handedness.", "",
        f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}",
    ]  # fmt: skip
    for (_, particles, missing, _, points, way), rows in sorted(groups.items(), reverse=True):
        cells = [_median([row[key] for row in rows]) for key in ("rmsd", "layers", "radius", "scatter", "cpu")]
        first = f"{rows[0]['dimensions']} | {particles} | {missing:g} | {rows[0]['localisations']:g} | {points} | {way}"
        lines.append(f"| {first} | {' | '.join(cells)} | {len(rows)} |")
    return "\n".join(
        [*lines, "", "`python -m holly_triton.harness.few_labels FOLDER` makes this table.", "", origin_of(runs), ""]
    )


def _median(values: list[float]) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values)
    return f"{statistics.median(values):.3g}" + (f" ({shown})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
