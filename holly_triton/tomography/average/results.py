"""What an average leaves in its folder."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.files import as_json, replacing
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.averaging import ANGLE_PER_DETAIL, COARSEST_ANGLE_DEG, TRUTH_CRITERION
from holly_triton.tomography.pictures.averages import draw_averages
from holly_triton.tomography.pictures.curves import Shells, draw_fsc
from holly_triton.tomography.structures import Density, draw_map

from .fsc import Fsc, shell_correlation
from .gathering import Gathered
from .particles import Particles
from .reconstruction import expected_agreement, volume_of
from .refinement import Plan, State, half_sums, kept_shells, register, turned_volume

PROGRESS = "progress.pt"
"""What is kept after each iteration, so that an average can be resumed; gone at the end."""
VOLUMES, PICTURES = ("average", "half1", "half2", "control"), ("fsc.png", "slices.png")
SUMMARY = "summary.json"
WRITTEN = (*(f"{name}.mrc" for name in VOLUMES), *PICTURES, "aligned.star", "fsc.csv", SUMMARY, PROGRESS)
"""All that an average leaves in its folder."""


class Average(NamedTuple):
    """An average with its halves, and how fine it is."""

    average: Tensor
    """``[n, n, n]``, protein positive, filtered by what its halves agree on."""
    halves: tuple[Tensor, Tensor]
    """Not filtered."""
    raw: Tensor
    """The average, not filtered."""
    curve: Fsc
    """Of the halves."""


class Result(NamedTuple):
    """An average of picks, compared with what is known."""

    average: Tensor
    halves: tuple[Tensor, Tensor]
    curve: Fsc
    against: Fsc | None
    """Of the unfiltered average and the truth."""
    aligned: ParticleList
    figures: dict[str, Any]
    """For the summary: resolutions in Å, infinite where there is none."""


def average_of(particles: Particles, plan: Plan, state: State) -> Average:
    """The average of particles where the loop stands.

    Args:
        particles: As in the loop.
        plan: Likewise.
        state: After its last iteration.
    """
    sums = half_sums(particles, state.poses, plan, state.half)
    halves = volume_of(sums[0]), volume_of(sums[1])
    curve = shell_correlation(*halves, plan.imaging, plan.mask)
    detail, whole = curve.resolution(), sums[0].plus(sums[1])
    kept = kept_shells(curve.correlation, plan.voxel / detail, particles.size)
    return Average(volume_of(whole, expected_agreement(kept, halves=2)), halves, volume_of(whole), curve)


def resulting(gathered: Gathered, plan: Plan, state: State, truth: Density | None) -> Result:
    """The average of picks where the loop stands.

    Args:
        gathered: The particles.
        plan: As in the loop.
        state: After its last iteration.
        truth: A structure to compare with, wherever its axes point.
    """
    average, halves, raw, curve = average_of(gathered.particles, plan, state)
    against = None if truth is None else against_truth(raw, truth, plan)
    biased = None if plan.start is None else shell_correlation(raw, plan.start, plan.imaging, plan.mask)
    figures = {
        "resolution_angstrom": curve.resolution(),
        "finest_angstrom": curve.finest,
        "truth_angstrom": None if against is None else against.resolution(TRUTH_CRITERION),
        "reference_angstrom": None if biased is None else biased.resolution(TRUTH_CRITERION),
        "median_score": float(state.poses.score.median()),
        "halves": [int((state.half == half).sum()) for half in (0, 1)],
    }
    aligned = gathered.placed(state.poses.rotation, state.poses.shift, state.poses.score)
    return Result(average, halves, curve, against, aligned, figures)


def against_truth(average: Tensor, truth: Density, plan: Plan) -> Fsc:
    """FSC with a structure, on which the average is laid first."""
    size = len(average)
    density = draw_map(truth, size, plan.voxel, 2 * plan.voxel).to(average.device)
    angle = min(COARSEST_ANGLE_DEG, ANGLE_PER_DETAIL * plan.crowther(plan.first_highest))
    lies = register(average, density, plan.mask, plan.first_highest, angle)
    return shell_correlation(turned_volume(average, lies), density, plan.imaging, plan.mask)


def write_results(out: Path, results: list[Result], plan: Plan, summary: dict[str, Any]) -> None:
    """Write volumes, curves, poses, pictures and the summary; a second result is the control.

    Raises:
        HollyError: A file can't be written.
    """
    main = results[0]
    volumes = dict(
        zip(VOLUMES, (main.average, *main.halves, *(control.average for control in results[1:])), strict=False)
    )
    for name, volume in volumes.items():
        write_volume(out / f"{name}.mrc", volume.cpu().numpy(), plan.voxel)
    write_particles(out / "aligned.star", main.aligned)
    curves = {"fsc": main.curve}
    for control in results[1:]:
        curves["fsc_control"] = control.curve
    if main.against is not None:
        curves["fsc_truth"] = main.against
    write_curves(out / "fsc.csv", curves)
    names = {"fsc": "half averages", "fsc_control": "control, half averages", "fsc_truth": "average and truth, 0.5"}
    drawn = {
        names[name]: Shells(
            curve.frequency.cpu().numpy(), curve.correlation.cpu().numpy(),
            curve.resolution(TRUTH_CRITERION) if name == "fsc_truth" else curve.resolution(),
        )
        for name, curve in curves.items()
    }  # fmt: skip
    draw_fsc(out / PICTURES[0], drawn)
    draw_averages(out / PICTURES[1], {name: volume.cpu().numpy() for name, volume in volumes.items()}, plan.voxel)
    with replacing(out / SUMMARY) as partial:
        partial.write_text(as_json(summary) + "\n", encoding="utf-8")


def write_curves(path: Path, curves: dict[str, Fsc]) -> None:
    """A row a shell: frequency in 1/Å, its inverse in Å, and the correlations."""
    frequency = next(iter(curves.values())).frequency.cpu()
    table = torch.stack([frequency, 1 / frequency, *(curve.correlation.cpu() for curve in curves.values())], 1)
    with replacing(path) as partial:
        header = ",".join(["frequency_per_angstrom", "angstrom", *curves])
        np.savetxt(partial, table.numpy(), fmt="%.6g", delimiter=",", header=header, comments="")
