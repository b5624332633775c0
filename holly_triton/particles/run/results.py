"""Results of a run: the cloud and its mirror image, poses, figures, pictures and the report."""

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.checkpoint import versions
from holly_triton.core.distributed import size
from holly_triton.core.files import replacing
from holly_triton.core.log import LOG
from holly_triton.core.optional import MissingExtraError
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array, Figures
from holly_triton.geometry import axis_angle_from_rotation, mirror
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import write_cloud
from holly_triton.io.metrics import HeldOut, Imposed, Metrics, write_metrics
from holly_triton.particles.config import Config
from holly_triton.particles.data import Dataset
from holly_triton.particles.data.dataset import FEWEST_EMITTERS
from holly_triton.particles.sparse.choice import are_few
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.report import REPORT, write_report
from holly_triton.report.symmetry import explain_imposed, explain_standing, explain_symmetries
from holly_triton.validation.angular_order import standing_order
from holly_triton.validation.symmetry import Symmetry
from holly_triton.view import render_cloud
from holly_triton.view.orientation import upright

from .held_out import AnyPoses, AnyTrainer
from .run import Run
from .symmetries import symmetries_of
from .trainers import AnyState

SHOWN = 12
"""Pictures that the report shows beside their reprojections."""
BALL_POINTS = 4000
"""Least number of points of the structureless control, so that it is smooth: with the few points that a structure may have,
it would be grainy and have a higher loss for that reason alone."""


def write_results(
    run: Run, held_out: tuple[HeldOut, AnyPoses] | None = None, imposed: Imposed | None = None,
    deformation: Figures | None = None,
) -> None:  # fmt: skip
    """Write the structure, the poses, the figures and the report of them.

    Of a run that is not finished neither the symmetry nor a drawing is made, which take long; its report says so.

    Args:
        run: The run in its current state.
        held_out: How well the structure fits pictures that were held out, and their poses; None where there are none,
            or where none are known yet.
        imposed: The symmetry that was imposed on a finished run, and what they gain by it; None without one.
        deformation: Figures of the deformation of a finished run; None without one.

    Raises:
        HollyError: A file can't be written.
    """
    complete = run.finished and run.config.deformation == (deformation is not None)
    state = run.trainer.state
    points = state.points.detach().cpu().numpy().astype(np.float64)
    # A report of an earlier stop must not be taken for that of the finished run if this one is killed before its own.
    (run.folder / REPORT).unlink(missing_ok=True)
    with in_parts(4 if complete else 2) as begin:
        begin("writing the structure and its figures")
        channels = run.trainer.channels
        write_cloud(run.folder / "cloud.ply", points, channels)
        write_cloud(run.folder / "cloud_mirror.ply", mirror(points), channels)
        names, poses = run.dataset.names, run.trainer.poses
        if held_out is not None:
            names, poses = run.pictures.names, run.pictures.join_poses(poses, held_out[1])
        write_poses(run.folder / "poses.csv", names, poses, point_sigma_nm(run.trainer))
        _write_growth(run.folder / "growth.npz", run.trainer)
        _write_reprojections(run.folder / "pictures" / "reprojections.npz", run.trainer)
        metrics = dataclasses.replace(
            _metrics(run, held_out and held_out[0]), finished=complete, deformation=deformation
        )
        if complete:
            begin("looking for symmetry")
            found = symmetries_of(run, points, point_sigma_nm(run.trainer))
            symmetries, findings = [one.figures() for one in found], _findings(points, found, imposed)
            metrics = dataclasses.replace(metrics, symmetry=symmetries, findings=findings, imposed=imposed)
        write_metrics(run.folder, metrics)
        if complete:
            begin("drawing the structure")
            draw_cloud(run.folder / "pictures" / "cloud.png", points, channels=channels)
        begin("writing the report")
        report_run(run.folder)


def _findings(points: Array, found: list[Symmetry], imposed: Imposed | None) -> list[str]:
    """Sentences about the symmetry of a cloud: that was imposed, or that it has."""
    if imposed is not None:
        return [explain_imposed(imposed)]
    findings = [explain_symmetries(found)]
    held = any(one.verdict != "not" and one.supported is not False for one in found)
    turns = None if held else standing_order(points)
    return findings if turns is None else [*findings, explain_standing(turns)]


def report_run(folder: Path) -> None:
    """Write the report of a run or a study, which names the settings that are not the defaults of this family.

    Raises:
        HollyError: A file is damaged or can't be written.
    """
    write_report(folder, Config().table())


def _metrics(run: Run, held_out: HeldOut | None) -> Metrics:
    state, trainer = run.trainer.state, run.trainer
    points = state.points.detach()
    blinks = trainer.particles.blinks if isinstance(trainer, SpatialTrainer) else None
    return Metrics(
        step=state.step,
        steps=trainer.plan.total_steps,
        seconds=state.seconds,
        energy_wh=state.joules / 3600 or None,  # 0 where nothing counts it
        pictures_per_second=state.seen / max(state.seconds, 1e-9),
        device=str(state.points.device),
        processes=size(),
        threads=torch.get_num_threads(),
        seed=run.config.seed,
        points=len(state.points),
        points_tried=state.number.get("tried") if isinstance(state, SpatialState) else None,
        channels=_channels(trainer),
        dimensions=run.config.dimensions,
        labels=None if blinks is None else blinks.labels,
        localisations_a_label=None if blinks is None else blinks.localisations,
        pose_entropy=_entropy(run.dataset, state),
        points_outside=int((state.points.norm(dim=1) > trainer.final_stage.grid.field_nm / 2).sum()),
        pictures=len(run.dataset),
        held_out=held_out,
        loss=state.history[-1]["loss"] if state.history else None,
        loss_of_structure=trainer.losses_of(points)[1],
        loss_of_ball=trainer.losses_of(_ball(points))[1],
        few_labels=_shows_few(run),
        sigma_nm=state.history[-1]["sigma_nm"] if state.history else None,
        blur_nm=state.blur_nm(),
        axial_blur_nm=_axial_blur(trainer),
        data=run.dataset.summary(),
        data_path=run.provenance.path,
        data_files=run.provenance.files,
        localisations=None if run.dataset.counts is None else int(run.dataset.counts.sum()),
        notes=run.notes,
        doubts=run.dataset.doubts,
        versions=versions(),
        history=state.history,
    )


def _axial_blur(trainer: AnyTrainer) -> float | None:
    """Label scatter along the microscope's z, nm, where it is fitted by itself."""
    fits = isinstance(trainer, SpatialTrainer) and trainer.particles.axial_unknown
    return trainer.state.axial_blur_nm() if fits and isinstance(trainer.state, SpatialState) else None


def _shows_few(run: Run) -> bool | None:
    """Whether particles of 2D localisations have few: most of a picture's intensity is then where these happen to be; None in 3D."""
    counts = run.dataset.counts
    return None if run.config.dimensions == 3 else counts is not None and are_few(counts, run.config.sparse)


def _entropy(dataset: Dataset, state: AnyState) -> float | None:
    """Median entropy of the poses; None in 2D, and where particles of so few localisations determine no orientation."""
    if not isinstance(state, SpatialState) or dataset.counts is None or dataset.counts.median() < FEWEST_EMITTERS:
        return None
    return float(state.entropy.nanmedian())


def _channels(trainer: AnyTrainer) -> list[dict[str, Any]] | None:
    """Of each channel that has a cloud of its own: its name, and its points."""
    found = trainer.channels
    if found is None:
        return None
    return [{"name": name, "points": int(found.named(name).sum())} for name in found.names]


def _ball(points: Tensor) -> Tensor:
    """A structureless control of points ``[N, 3]``: each is placed in random directions at its distance from the centroid."""
    middle = points.mean(0)
    direction = torch.randn(BALL_POINTS, 3, generator=torch.Generator().manual_seed(0)).to(points)
    some = points[torch.arange(BALL_POINTS, device=points.device) * len(points) // BALL_POINTS]
    distance = (some - middle).norm(dim=1)
    ball: Tensor = middle + torch.nn.functional.normalize(direction, dim=1) * distance[:, None]
    return ball


def point_sigma_nm(trainer: AnyTrainer) -> float:
    """Sigma of the Gaussian that each point stands for at the end: that of the last pictures, widened by the label scatter.

    Of 3D localisations it is the label scatter alone.
    """
    if isinstance(trainer, SpatialTrainer):
        return float(trainer.final_model.variance.sqrt())
    return math.hypot(trainer.final_stage.sigma_nm, trainer.state.blur_nm())


def write_poses(path: Path, names: Sequence[str], poses: AnyPoses, sigma_nm: float) -> None:
    """Write the poses of some pictures under a cloud whose points are Gaussians of one width, and what is known of each.

    That is the loss; of 3D localisations there are ``tz_nm`` and, last, the entropy of the weights of each particle's poses.

    Raises:
        HollyError: The file can't be written.
    """
    axis_angle = axis_angle_from_rotation(poses.rotation.cpu().numpy())
    known = poses._asdict()
    shift = known.pop("shift").cpu().numpy()
    del known["rotation"]
    rows = np.column_stack(
        [axis_angle, shift, np.full(len(names), sigma_nm), *(column.cpu().numpy() for column in known.values())]
    )
    columns = ["rx", "ry", "rz", *("tx_nm", "ty_nm", "tz_nm")[: shift.shape[1]], "sigma_nm", *known]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["picture", *columns])
        for name, numbers in zip(names, rows.tolist(), strict=True):
            writer.writerow([name, *(f"{number:.6g}" for number in numbers)])


def _write_growth(path: Path, trainer: AnyTrainer) -> None:
    """The cloud at several steps of the run, for the movie of its trajectory."""
    growth = trainer.state.growth
    if growth:
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                step=np.array([frame["step"] for frame in growth]),
                sigma_nm=np.array([frame["sigma_nm"] for frame in growth]),
                points=np.stack([frame["points"].numpy() for frame in growth]),
            )


def _write_reprojections(path: Path, trainer: AnyTrainer) -> None:
    """Some pictures, evenly spaced over the data, and their reprojections."""
    count = len(trainer.dataset)
    chosen = torch.linspace(0, count - 1, min(SHOWN, count)).long()
    inputs, drawn = (images.cpu().numpy() for images in trainer.reproject(chosen.to(trainer.state.points.device)))
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            inputs=inputs,
            reprojections=drawn,
            names=np.array([trainer.dataset.names[int(picture)] for picture in chosen]),
            pixel_nm=trainer.final_stage.grid.pixel_nm,
        )


def draw_cloud(path: Path, points: Array, truth: Array | None = None, channels: PointChannels | None = None) -> None:
    """A picture of the cloud, in canonical orientation or over the truth; one line of log where pyvista is not installed."""
    try:
        if truth is not None:
            render_cloud(points, path, truth=truth)
        else:
            frame, front = upright(points)
            render_cloud(points @ frame, path, front=front, channels=channels)
    except MissingExtraError as error:
        LOG.warning("%s: not drawn; %s, then: holly-triton render", path, error)
