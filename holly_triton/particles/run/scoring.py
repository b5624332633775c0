"""How good a run is: its cloud against the truth, its poses against the true ones, its cloud against new pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import in_parts
from holly_triton.geometry.plane import plane_frame
from holly_triton.io.clouds import read_cloud
from holly_triton.particles.data import Dataset, Localisations, open_dataset
from holly_triton.particles.poses.dense_search import find_poses, share_unexplained
from holly_triton.particles.poses.refine import Poses
from holly_triton.report import write_report
from holly_triton.structures import read_structure
from holly_triton.validation import pose_error
from holly_triton.validation.alignment import align, explain
from holly_triton.validation.group import find_group, find_turns_of

from .results import draw_cloud, write_metrics, write_poses
from .run import open_data, open_particles, resume_run, run_config
from .run_files import PoseTable, read_metrics, read_poses, read_run_cloud
from .study import is_study

Array = NDArray[Any]

TRUE_POSES = "truth_poses.csv"
"""What ``simulate`` leaves beside its data."""
AS_GIVEN = "the particles as they were given, pooled, which means something only if they were registered"
POOLED = 1500
"""Localisations that stand for all of the pooled particles, which alignment would take minutes over."""


def score_cloud(folder: Path, truth: Path | None, unit_nm: float | None) -> dict[str, Any]:
    """Score a run's cloud against the truth, and show it in the run's figures, pictures and report.

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
        begin(f"aligning {len(cloud)} points with {len(target)} of the truth")
        fit = align(cloud, target)
        figures = fit.figures(unit_nm)
        if plane_frame(cloud) is not None:
            figures["flat"] = True
        if given is not None and given.notes:
            figures["truth_notes"] = given.notes
        if truth is None and run_config(folder).views == "random":
            figures["truth"] = AS_GIVEN
        begin("scoring the poses")
        # The poses of random views are relative to the particles as they were given, not to another truth.
        poses = None if truth is not None and run_config(folder).views == "random" else _score_poses(folder, target)
        if poses is not None:
            figures["poses"] = poses
        if (folder / "metrics.json").is_file():
            write_metrics(folder, {**read_metrics(folder), "evaluation": figures})
            begin("drawing the structure over the truth")
            draw_cloud(folder / "pictures" / "truth.png", fit.aligned, target)
            begin("writing the report")
            write_report(folder)
    return figures


def known_structure(folder: Path) -> Array:
    """What a run may be compared with though nobody gives the truth ``[M, 3]``, nm.

    For random views of 3D particles that is the particles themselves, pooled as they lie in the file, which holds if
    they were registered there; else the ``truth.ply`` in the folder, as ``demo`` leaves it.

    Raises:
        HollyError: The run knows no such structure.
    """
    config = run_config(folder)
    if config.views == "random":
        particles = open_particles(config)
        assert isinstance(particles, Localisations)
        pooled = particles.pooled()
        return pooled[np.random.default_rng(0).permutation(len(pooled))[:POOLED]]
    if not (folder / "truth.ply").is_file():
        raise HollyError(f"{folder}: knows no truth of its own; give --truth CLOUD, the structure to compare with")
    return read_cloud(folder / "truth.ply").points


def explain_cloud(figures: dict[str, Any]) -> str:
    """What ``score_cloud`` found, in a few plain lines for a terminal."""
    poses = figures.get("poses")
    known = f"\nThe truth here is {figures['truth']}." if "truth" in figures else ""
    known += "".join(f"\n{note}" for note in figures.get("truth_notes", ()))
    return explain(figures) + known + ("" if poses is None else "\n" + pose_error.explain(poses))


def score_pictures(folder: Path, data: Path, **options: Any) -> dict[str, Any]:
    """How well a run's cloud explains pictures that it never saw, each in the best pose that can be found for it.

    Writes these poses to ``poses_<data's name>.csv`` in the run's folder.

    Returns:
        ``pictures``, the masked L1 as ``loss``, and ``unexplained``, the share of the intensity that is in the wrong
        place, from 0 to 1; both with ``_training``, the same of the pictures that the run was made from.

    Raises:
        HollyError: The run or its data are gone, it is not finished, or the new data can't be read.
    """
    if is_study(run_config(folder)):
        raise HollyError(f"{folder}: holds several runs; pass the folder of one of them, such as {folder / 'repeat-1'}")
    run = resume_run(folder)
    if not run.finished:
        raise HollyError(f"{folder}: is not finished; go on with: holly-triton train --resume {folder}")
    trainer, state = run.trainer, run.trainer.state
    device = state.points.device
    with in_parts(2) as begin:
        begin(f"reading {data}")
        dataset = open_dataset(data, **options).to(device)
        begin(f"seeking the poses of {len(dataset)} pictures")
        poses = find_poses(trainer.plan, state, dataset, torch.Generator(device).manual_seed(run.config.seed))
    write_poses(folder / f"poses_{data.stem}.csv", trainer, dataset.names, poses)
    own = Poses(state.rotation, state.shift, state.loss)
    return {
        "pictures": len(dataset),
        "loss": float(poses.loss.mean()),
        "loss_training": float(own.loss.mean()),
        "unexplained": share_unexplained(trainer.plan, state, dataset, poses),
        "unexplained_training": share_unexplained(trainer.plan, state, trainer.dataset, own),
    }


def explain_pictures(figures: dict[str, Any]) -> str:
    """What ``score_pictures`` found, in a sentence."""
    return (
        "{pictures} new pictures leave {unexplained:.1%} of their intensity unexplained; those that the structure was "
        "made from, {unexplained_training:.1%}. If the new ones leave much more, the structure follows the noise."
    ).format(**figures)


def _score_poses(folder: Path, truth: Array) -> dict[str, Any] | None:
    """Figures of the pose error, or None where the true poses are not known."""
    if not all((folder / name).is_file() for name in ("config.toml", "poses.csv")):
        return None
    config = run_config(folder)
    data = Path(config.data)
    known = (data if data.is_dir() else data.parent) / TRUE_POSES
    found = read_poses(folder / "poses.csv")
    try:
        dataset = open_data(config)
    except HollyError:  # the data are gone; the cloud can still be scored
        return None
    if isinstance(dataset, Localisations) and dataset.view_rotation is not None:
        turns = Rotation.from_matrix(dataset.view_rotation.numpy()).as_rotvec()
        # Each particle was turned about its own centroid, which stands for the structure's centre.
        group = find_turns_of(truth)
        true = PoseTable(dataset.names, turns, np.zeros((len(turns), 2)), np.full(len(turns), np.nan))
    elif known.is_file():
        true, group = read_poses(known), find_group(truth)
    else:
        return None
    row = {name: number for number, name in enumerate(true.names)}
    if found.names != dataset.names or not {*found.names} <= row.keys():
        return None
    same = [row[name] for name in found.names]
    # A run's shifts are from each particle's centroid, the true ones from where the structure's own centre fell.
    shift = found.shift + _centres(dataset)
    turn, true_turn = (Rotation.from_rotvec(turns).as_matrix() for turns in (found.axis_angle, true.axis_angle[same]))
    return pose_error.find_pose_error(turn, shift, true_turn, true.shift[same], group).figures()


def _centres(dataset: Dataset) -> Array:
    return np.asarray(dataset.centres[:, :2].cpu(), dtype=np.float64)
