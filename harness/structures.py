"""``python -m holly_triton.harness.structures FOLDER``: pores of two heights in one data set, classified into K structures.

Two rings of 16 sites, of radius 50 nm: 60 nm apart in three of five particles and 40 nm apart in the others. The consensus and the
classification are those of ``train --structures K``; the run of each structure that follows there is left out. Runs that are done
already are not repeated.
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
from scipy.optimize import linear_sum_assignment

from holly_triton.core.origin import here, origin_of
from holly_triton.particles.classes.split import divide
from holly_triton.particles.classes.state import ClassState
from holly_triton.particles.classes.train import ClassTrainer
from holly_triton.particles.config import Config
from holly_triton.particles.run.held_out import split
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.particles.simulated_mixture import mixed, shares_of_images
from holly_triton.particles.spatial.config import Spatial
from holly_triton.particles.spatial.particles import Particles

from .deformation import HELD_OUT, MISSING, MOST_FLUOROPHORES, PARTICLES, POINTS, PRECISION, STEPS
from .few_labels import APART_NM, RADIUS_NM, SITES, rings

LOWER_NM, SHARE = 40.0, 0.4
"""Distance of the rings of the second structure, and its share."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.structures", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the figures of each run; continued if it exists")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--structures", type=int, nargs="+", default=[2])
    parser.add_argument("--symmetry", help="imposed on the structures, such as C8")
    parser.add_argument("--report", type=Path, default=Path("reports/particles/structures.md"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed in options.seeds:
        for structures in options.structures:
            path = options.folder / f"{structures}-{options.symmetry or 'C1'}-{seed}.json"
            if not path.exists():
                found = {**here(), **_figures(structures, seed, options.symmetry)}
                path.write_text(json.dumps(found), encoding="utf-8")
                print(path.read_text(encoding="utf-8"), flush=True)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def pores(seed: int) -> Simulation:
    """Particles of both heights in one random order."""
    generator = torch.Generator().manual_seed(seed)
    both = [rings(), rings() * [1, 1, LOWER_NM / APART_NM]]
    parts = [
        simulate(
            sites, count, missing=MISSING, max_spawn=MOST_FLUOROPHORES, precision=PRECISION, dimensions=3, generator=generator
        )
        for sites, count in zip(both, shares_of_images(PARTICLES, [SHARE]), strict=True)
    ]  # fmt: skip
    return mixed(parts, generator)


def _figures(structures: int, seed: int, symmetry: str | None) -> dict[str, Any]:
    made, began = pores(seed), time.process_time()
    assert made.structure is not None
    parts = split(made.localisations, HELD_OUT)
    config = settled(
        Config(
            device="cpu", seed=seed, points=POINTS, symmetry=symmetry, held_out=HELD_OUT, spatial=Spatial(steps=STEPS)
        ),
        parts.training,
    )
    consensus = make_spatial_trainer(config, parts.training)  # type: ignore[arg-type]
    for _ in consensus.run():
        pass
    generator = torch.Generator().manual_seed(seed)
    weight = divide(consensus, structures, config.classes, generator)
    state = ClassState.fresh(consensus.state, weight, generator)
    trainer = ClassTrainer(consensus.plan, consensus.particles, state, torch.device("cpu"))
    for _ in trainer.run():
        pass
    others, held = trainer.score(Particles.of(parts.held_out))  # type: ignore[arg-type]
    found = parts.join(state.weight, others).argmax(dim=1).numpy()
    true = made.structure.numpy()
    counts = np.zeros((structures, 2), dtype=int)
    np.add.at(counts, (found, true), 1)
    own, matched = linear_sum_assignment(-counts)
    return {
        "structures": structures, "symmetry": symmetry or "none", "seed": seed, "particles": PARTICLES, "shares": sorted(state.share.tolist(), reverse=True),
        "counts": counts.tolist(), "right": float(counts[own, matched].sum() / PARTICLES), "gain": held.difference,
        "standard_error": held.error, "preferred": held.preferred, "held_out": held.particles, "seconds": time.process_time() - began,
    }  # fmt: skip


def imposed(run: dict[str, Any]) -> str:
    """The symmetry of a run; earlier records have none."""
    return str(run.get("symmetry", "none"))


def report(folder: Path) -> str:
    """The table, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    lines = [
        "# Several structures in one data set", "",
        f"The consensus and the classification of `train --structures K`: two rings of {SITES} sites, of radius {RADIUS_NM:g} nm, "
        f"{APART_NM:g} nm apart in {1 - SHARE:.0%} of {PARTICLES} particles of 3D localisations and {LOWER_NM:g} nm apart in the others; a tenth is held out, "
        f"{MISSING:.0%} of the labels are missing, at most {MOST_FLUOROPHORES} fluorophores a site, precision {PRECISION.lateral_nm:g} nm along each axis; {POINTS} points, {STEPS} steps of "
        "the consensus. Right: share of the particles in the structure that is matched with theirs, where each true structure is matched with one. "
        "Gain: of the mean log-likelihood of a localisation of held-out particles over one structure, with its standard error. One thread of a shared machine.", "",
        "| K | symmetry imposed | seed | shares | right | gain | its standard error | held-out particles prefer K | CPU (s) |", "|" + " --- |" * 9,
    ]  # fmt: skip
    for run in sorted(runs, key=lambda run: (run["structures"], imposed(run), run["seed"])):
        shares = ", ".join(f"{share:.2f}" for share in run["shares"])
        verdict = "yes" if run["preferred"] else "no"
        lines.append(
            f"| {run['structures']} | {imposed(run)} | {run['seed']} | {shares} | {run['right']:.1%} | {run['gain']:.3f} | {run['standard_error']:.3f} | {verdict} | "
            f"{run['seconds']:.0f} |"
        )
    for symmetry in sorted({imposed(run) for run in runs}):
        right = [run["right"] for run in runs if run["structures"] == 2 and imposed(run) == symmetry]
        if right:
            lines += [
                "",
                f"With K = 2 and the symmetry {symmetry}, right in the median: {statistics.median(right):.1%}.",
            ]
    return "\n".join(
        [*lines, "", "`python -m holly_triton.harness.structures FOLDER` makes this table.", "", origin_of(runs), ""]
    )


if __name__ == "__main__":
    sys.exit(main())
