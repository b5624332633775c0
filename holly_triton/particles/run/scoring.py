"""Evaluation of a run: its cloud against the truth, its poses against the true ones, its cloud against new pictures."""

import dataclasses
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array, Figures
from holly_triton.core.words import counted
from holly_triton.geometry.plane import plane_frame
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import Cloud, read_cloud
from holly_triton.io.metrics import METRICS, Fit, read_metrics, write_metrics
from holly_triton.io.run_files import PoseTable, read_poses, read_run_channels, read_run_cloud
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.data import Dataset, Localisations, open_dataset
from holly_triton.particles.data.dataset import TRUE_POSES, truths_beside
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.report.evaluation import explain_alignment, explain_poses
from holly_triton.structures import read_structure
from holly_triton.validation import pose_error
from holly_triton.validation.alignment import align
from holly_triton.validation.group import find_group, find_turns_of

from .deformation_results import explain_amplitudes, score_amplitudes
from .held_out import Found, compare_in_space, evenly, explain_fit, fit_of, search
from .results import draw_cloud, point_sigma_nm, report_run, write_poses
from .run import open_data, open_particles, run_config
from .study import finished_run

AS_GIVEN = "the particles in their input frame, pooled (meaningful only if they were registered)"
POOLED = 1500
"""Number of localisations that represent all pooled particles, whose alignment would take minutes."""
COMPARED = 256
"""Largest number of training pictures with which new ones are compared."""


def score_cloud(folder: Path, truth: Path | None, unit_nm: float | None) -> Figures:
    """Score a run's cloud against the truth, and add the score to the run's figures, pictures and report.

    Where the poses are known, of simulated data and of random views, they are scored too.

    Args:
        folder: The run.
        truth: A cloud's file, or the name of a structure; None for the one that the run knows (``known_structure``).
        unit_nm: nm per unit of a cloud that states none; nm if not given.

    Returns:
        The figures that ``evaluate --json`` prints; ``truth_notes`` says which unit was assumed.

    Raises:
        HollyError: There is no cloud yet, or the truth can't be read.
    """
    cloud = read_run_cloud(folder)
    with in_parts(5) as begin:
        begin("reading the truth")
        given = None if truth is None else read_structure(truth, unit_nm)
        target = known_structure(folder) if given is None else given.points
        begin(f"aligning {counted(len(cloud), 'point')} with {len(target)} of the truth")
        handed = is_of_3d(folder)
        fit = align(cloud, target, handed=handed)
        figures = fit.figures(unit_nm)
        if handed:
            figures["handed"] = True
        if plane_frame(cloud) is not None:
            figures["flat"] = True
        if given is not None and given.notes:
            figures["truth_notes"] = given.notes
        if truth is None and run_config(folder).views == "random":
            figures["truth"] = AS_GIVEN
        own, known = read_run_channels(folder), _true_channels(folder, given)
        if own is not None and known is not None and (both := [name for name in own.names if name in known.names]):
            figures["channels"] = {name: fit.rmsd_of(own.named(name), known.named(name)) for name in both}
        begin("scoring the poses")
        # The poses of random views are relative to the particles as they were given, not to another truth.
        poses = None if truth is not None and run_config(folder).views == "random" else _score_poses(folder, target)
        if poses is not None:
            figures["poses"] = poses
        deformation = score_amplitudes(folder)
        if deformation is not None:
            figures["deformation"] = deformation
        if (folder / METRICS).is_file():
            write_metrics(folder, dataclasses.replace(read_metrics(folder), evaluation=figures))
            begin("drawing the structure over the truth")
            draw_cloud(folder / "pictures" / "truth.png", fit.aligned, target)
            begin("writing the report")
            report_run(folder)
    return figures


def _true_channels(folder: Path, given: Cloud | None) -> PointChannels | None:
    """The channel of each point of the truth, where it states them: that which was given, or that of the folder."""
    if given is not None:
        return given.channels
    known = folder / "truth.ply"
    return read_cloud(known).channels if known.is_file() else None


def is_of_3d(folder: Path) -> bool:
    """Whether a run is of 3D localisations, which determine the handedness."""
    return (folder / "config.toml").is_file() and run_config(folder).dimensions == 3


def known_structure(folder: Path) -> Array:
    """The structure to compare a run with where no truth is given ``[M, 3]``, nm.

    For random views of 3D particles it is the particles themselves, pooled in their input frame, which is valid if they
    were registered; else it is the ``truth.ply`` in the folder, as written by ``demo``.

    Raises:
        HollyError: The run has no such structure.
    """
    config = run_config(folder)
    if config.views == "random":
        particles = open_particles(config)
        assert isinstance(particles, Localisations)
        pooled = particles.pooled()
        return pooled[np.random.default_rng(0).permutation(len(pooled))[:POOLED]]
    if not (folder / "truth.ply").is_file():
        beside = [quote(str(truth)) for truth in truths_beside(Path(config.data))]
        such = f", such as --truth {' or '.join(beside)}, beside its data" if beside else ""
        raise HollyError(f"{folder}: holds no truth; give --truth CLOUD, the structure to compare with{such}")
    return read_cloud(folder / "truth.ply").points


def explain_cloud(figures: Figures) -> str:
    """The result of ``score_cloud`` in a few plain lines for a terminal."""
    poses = figures.get("poses")
    known = f"\nThe truth here is {figures['truth']}." if "truth" in figures else ""
    for name, rmsd in figures.get("channels", {}).items():
        known += f"\nChannel {name}, in that alignment of all channels: nearest-neighbour RMSD {rmsd:.3g} nm, both directions."
    known += "".join(f"\n{note}" for note in figures.get("truth_notes", ()))
    if "deformation" in figures:
        known += explain_amplitudes(figures["deformation"])
    return explain_alignment(figures) + known + ("" if poses is None else "\n" + explain_poses(poses))


def score_pictures(folder: Path, data: Path, **options: Any) -> Figures:
    """How well a run's cloud fits pictures that were not used for it, each in its best pose.

    Writes these poses to ``poses_<data's name>.csv`` in the run's folder.

    Args:
        folder: The run.
        data: The new pictures.
        **options: Options of ``open_dataset``: what their file may not state itself.

    Returns:
        ``pictures``, ``loss`` and ``unexplained``, the share of the intensity that is in the wrong place; and the same with
        ``_training``, of training pictures, whose poses are searched again in the same way. ``by_label``: whether they are of labels
        in place of localisations.

    Raises:
        HollyError: The run or its data are missing, it is not finished, or the new data can't be read.
    """
    with in_parts(4) as begin:
        begin("reading the data of the run")
        trainer = finished_run(folder).trainer
        begin(f"reading {data}")
        dataset = open_dataset(data, **options).to(trainer.state.points.device)
        begin(f"searching the poses of {counted(len(dataset), dataset.noun)}")
        if isinstance(trainer, SpatialTrainer):
            found, again = compare_in_space(trainer, dataset, COMPARED)
        else:
            found = _search(trainer, dataset, len(dataset))
            begin(f"searching the poses of training {dataset.noun}s, to compare with")
            again = _search(trainer, trainer.dataset, min(len(dataset), len(trainer.dataset), COMPARED))
    write_poses(folder / f"poses_{data.stem}.csv", dataset.names, found.poses, point_sigma_nm(trainer))
    space = trainer if isinstance(trainer, SpatialTrainer) else None
    said = {
        "dimensions": 2 if space is None else 3,
        "by_label": space is not None and space.particles.blinks is not None,
        "doubts": dataset.doubts,
    }
    return {**dataclasses.asdict(fit_of(found, again)), **said}


def _search(trainer: Trainer, dataset: Dataset, count: int) -> Found:
    """Poses of some pictures, evenly spaced over a data set, from a search without initial poses."""
    index = torch.from_numpy(evenly(len(dataset), count)).to(trainer.state.points.device)
    return search(trainer, dataset, index, passes=trainer.plan.config.schedule.rescue_passes)


def explain_pictures(figures: Figures) -> str:
    """The result of ``score_pictures`` in a sentence."""
    fit = Fit(**{name: figures[name] for name in figures.keys() - {"doubts", "dimensions", "by_label"}})
    return explain_fit(fit, "new", figures["dimensions"], by_label=figures["by_label"]) + "".join(
        f"\nWarning: {doubt}" for doubt in figures["doubts"]
    )


def _score_poses(folder: Path, truth: Array) -> Figures | None:
    """Figures of the pose error, or None where the true poses are not known."""
    if not all((folder / name).is_file() for name in ("config.toml", "poses.csv")):
        return None
    config = run_config(folder)
    data = Path(config.data)
    known = (data if data.is_dir() else data.parent) / TRUE_POSES
    found = read_poses(folder / "poses.csv")
    try:
        dataset = open_data(config)
    except HollyError:  # the data are missing; the cloud can still be scored
        return None
    if isinstance(dataset, Localisations) and dataset.view_rotation is not None:
        turns = Rotation.from_matrix(dataset.view_rotation.numpy()).as_rotvec()
        # Each particle was rotated about its own centroid, which is taken for the structure's centre.
        group = find_turns_of(truth)
        true = PoseTable(dataset.names, turns, np.zeros((len(turns), 2)), np.full(len(turns), np.nan))
    elif known.is_file():
        true, group = read_poses(known), find_group(truth)
    else:
        return None
    row = {name: number for number, name in enumerate(true.names)}
    # Where a run was stopped, held-out pictures have no pose yet.
    place = {name: number for number, name in enumerate(dataset.names)}
    if not {*found.names} <= row.keys() & place.keys():
        return None
    same = [row[name] for name in found.names]
    # A run's shifts are from each particle's centroid, the true ones from the projection of the structure's centre.
    shown = min(found.shift.shape[1], true.shift.shape[1])
    shift = (found.shift + _centres(dataset)[[place[name] for name in found.names], : found.shift.shape[1]])[:, :shown]
    turn, true_turn = (Rotation.from_rotvec(turns).as_matrix() for turns in (found.axis_angle, true.axis_angle[same]))
    return pose_error.find_pose_error(turn, shift, true_turn, true.shift[same, :shown], group).figures()


def _centres(dataset: Dataset) -> Array:
    return np.asarray(dataset.centres.cpu(), dtype=np.float64)
