"""``python -m holly_triton.harness.deformation FOLDER``: pores of one height and of many, with the fit of a deformation.

Two rings of 16 sites, of radius 50 nm and in the mean 60 nm apart, are simulated as particles of 3D localisations: once with a
standard deviation of their distance, and once all alike, as a control. Runs that are done already are not repeated. With
``--data FILE`` those of a file are fitted too, each particle turned at random first.
"""

import argparse
import dataclasses
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
from holly_triton.geometry import random_rotations
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.deformation.train import DeformationTrainer, first_state
from holly_triton.particles.run.held_out import split
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.simulated_stretch import draw_stretch
from holly_triton.particles.spatial.config import Spatial
from holly_triton.particles.spatial.particles import Particles

from .few_labels import APART_NM, RADIUS_NM, SITES, rings

PARTICLES, MISSING, MOST_FLUOROPHORES, PRECISION = 500, 0.2, 4, Precision(5.0, 5.0)
POINTS, STEPS, HELD_OUT = 2 * SITES, 150, 0.1
KEYS = ("sd_nm", "true_sd_nm", "correlation", "rms_nm", "correlation_held_out", "gain", "standard_error", "seconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.deformation", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the figures of each run; continued if it exists")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--heights", type=float, nargs="*", default=[8.0, 0.0], help="standard deviations, nm")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="particles of 3D localisations")
    parser.add_argument("--report", type=Path, default=Path("reports/particles/deformation.md"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed in range(options.seeds):
        for height in options.heights:
            made = pores(height, seed)
            _once(options.folder / f"{height:g}-{seed}.json", made.localisations, seed, made, height)
        for path in options.data:
            _once(options.folder / f"{path.stem}-{seed}.json", turned(path, seed), seed)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def pores(height_sd_nm: float, seed: int) -> Simulation:
    """The particles, whose heights have a standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    stretch = draw_stretch(rings(), PARTICLES, height_sd_nm, generator) if height_sd_nm else None
    return simulate(
        rings(), PARTICLES, missing=MISSING, max_spawn=MOST_FLUOROPHORES, precision=PRECISION, dimensions=3, stretch=stretch,
        generator=generator,
    )  # fmt: skip


def turned(path: Path, seed: int) -> Localisations:
    """The particles of a file, each turned at random about its centre; they keep the lateral precision as that of all axes."""
    data = open_dataset(path)
    assert isinstance(data, Localisations)
    xyz, offsets = data.emitters(torch.arange(len(data)))
    turn = random_rotations(len(data), torch.Generator().manual_seed(seed)).repeat_interleave(offsets.diff(), dim=0)
    return localisations_from_rows(
        (turn @ xyz[:, :, None])[..., 0].numpy(), offsets.diff().numpy(), data.names, source=str(path)
    )


def _once(path: Path, data: Localisations, seed: int, made: Simulation | None = None, height: float = 0.0) -> None:
    if path.exists():
        return
    began, parts = time.process_time(), split(data, HELD_OUT)
    assert isinstance(parts.training, Localisations) and isinstance(parts.held_out, Localisations)
    config = Config(device="cpu", seed=seed, held_out=HELD_OUT)
    if made is not None:
        config = dataclasses.replace(config, points=POINTS, spatial=Spatial(steps=STEPS))
    config = settled(config, parts.training)
    structure = make_spatial_trainer(config, parts.training)
    for _ in structure.run():
        pass
    before = time.process_time()
    state = first_state(structure, config.deforming, torch.Generator().manual_seed(seed))
    trainer = DeformationTrainer(structure, config.deforming, state)
    for _ in trainer.run():
        pass
    held = trainer.score(Particles.of(parts.held_out))
    row: dict[str, Any] = {
        **here(), "name": path.stem.rpartition("-")[0], "seed": seed, "height": height, "simulated": made is not None,
        "particles": len(parts.training), "localisations": float(data.counts.double().mean()), "sd_nm": trainer.spread_nm,
        "gain": held.preferred.difference, "standard_error": held.preferred.error, "held_out": held.preferred.particles,
        "preferred": held.preferred.preferred, "seconds": time.process_time() - before, "seconds_before": before - began,
    }  # fmt: skip
    if made is not None and made.amplitude is not None:
        row.update(_against(trainer, held.mean, made.amplitude.double().numpy(), parts.is_held_out))
    path.write_text(json.dumps(row), encoding="utf-8")
    print(path.read_text(encoding="utf-8"), flush=True)


def _against(trainer: DeformationTrainer, held: torch.Tensor, truth: Any, is_held_out: Any) -> dict[str, float]:
    """The amplitudes against the true ones; those of the training unless named otherwise."""
    own, others = (mean.double().numpy() * trainer.sign * trainer.spread_nm for mean in (trainer.state.mean, held))
    true, true_others = truth[~is_held_out], truth[is_held_out]
    sign = 1.0 if np.corrcoef(own, true)[0, 1] > 0 else -1.0
    return {
        "true_sd_nm": float(true.std()),
        "correlation": float(sign * np.corrcoef(own, true)[0, 1]),
        "correlation_held_out": float(sign * np.corrcoef(others, true_others)[0, 1]),
        "rms_nm": float(np.std(sign * own - true)),
    }


def report(folder: Path) -> str:
    """The tables, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    simulated = [run for run in runs if run["simulated"]]
    lines = [
        "# A deformation, and its amplitude in each particle", "",
        f"`train --deformation`: two rings of {SITES} sites, of radius {RADIUS_NM:g} nm and in the mean {APART_NM:g} nm apart, whose distance has a "
        f"standard deviation; {PARTICLES} particles of 3D localisations, of which a tenth is held out, {MISSING:.0%} of the labels missing, at most "
        f"{MOST_FLUOROPHORES} fluorophores a site, precision {PRECISION.lateral_nm:g} nm along each axis; {POINTS} points, {STEPS} steps before the deformation. An amplitude is the "
        "root-mean-square displacement of the points, half the change of the distance. Gain: of the mean log-likelihood of a "
        "localisation of held-out particles over the rigid structure after the same steps, with its standard error. Medians over seeds, "
        "with the values of all seeds in brackets; one thread of a shared machine.", "",
        *_table(simulated, "sd of the distance (nm)", lambda run: f"{run['height']:g}"),
    ]  # fmt: skip
    if real := [run for run in runs if not run["simulated"]]:
        lines += ["", "## Real particles", "", "Each turned at random first; the settings are those of `train --deformation`, but for the tenth that is held out.", ""]  # fmt: skip
        lines += _table(real, "data", lambda run: run["name"])
    return "\n".join(
        [*lines, "", "`python -m holly_triton.harness.deformation FOLDER` makes this table.", "", origin_of(runs), ""]
    )


def _table(runs: list[dict[str, Any]], of: str, name: Any) -> list[str]:
    keys = [key for key in KEYS if any(key in run for run in runs)]
    words = {
        "sd_nm": "sd of the amplitudes (nm)", "true_sd_nm": "true sd (nm)", "correlation": "correlation with the true ones",
        "rms_nm": "rms error (nm)", "correlation_held_out": "correlation, held out", "gain": "gain", "standard_error": "its standard error",
        "seconds": "CPU (s)",
    }  # fmt: skip
    head = [of, "localisations", *(words[key] for key in keys), "held-out particles prefer it"]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for group in dict.fromkeys(name(run) for run in runs):
        rows = [run for run in runs if name(run) == group]
        cells = [_median([run[key] for run in rows if key in run]) for key in ("localisations", *keys)]
        preferred = f"{sum(run['preferred'] for run in rows)} of {len(rows)}"
        lines.append(f"| {group} | {' | '.join(cells)} | {preferred} |")
    return lines


def _median(values: list[float]) -> str:
    if not values:
        return ""
    shown = ", ".join(f"{value:.3g}" for value in values)
    return f"{statistics.median(values):.3g}" + (f" ({shown})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
