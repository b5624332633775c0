"""What a run leaves behind: the cloud in both hands, poses, figures, pictures and the report."""

import csv
import json
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import holly_triton
from holly_triton.cloud import read_cloud, write_cloud
from holly_triton.errors import HollyError
from holly_triton.evaluate import align, score
from holly_triton.files import foreign, replacing
from holly_triton.geometry import axis_angle_from_rotation, mirror
from holly_triton.reconstruct.train import Trainer
from holly_triton.report import write_report
from holly_triton.run import Run

SHOWN = 12
"""Pictures that the report shows beside their reprojections."""


def write_results(run: Run, *, pictures: bool = True) -> None:
    """Write the structure, the poses and the figures and, if asked, the pictures and the report of them.

    Raises:
        HollyError: A file can't be written.
    """
    points = run.trainer.state.points.detach().cpu().numpy().astype(np.float64)
    write_cloud(run.folder / "cloud.ply", points)
    write_cloud(run.folder / "cloud_mirror.ply", mirror(points))
    _write_poses(run.folder / "poses.csv", run.trainer)
    _write_metrics(run.folder, _metrics(run))
    _write_reprojections(run.folder / "pictures" / "reprojections.npz", run.trainer)
    if pictures:
        _draw(run.folder / "pictures" / "cloud.png", points)
        write_report(run.folder)


def record_evaluation(folder: Path, truth: Path, unit_nm: float | None) -> dict[str, Any]:
    """Score a run's cloud against the truth, and show it in the run's figures, pictures and report.

    Returns:
        The figures that ``evaluate --json`` prints.

    Raises:
        HollyError: There is no cloud yet, or the truth can't be read.
    """
    cloud, target = read_run_cloud(folder), read_cloud(truth, unit_nm)
    figures = score(cloud, target.points, unit_nm)
    if (folder / "metrics.json").is_file():
        _write_metrics(folder, {**_read_metrics(folder), "evaluation": figures})
        _draw(folder / "pictures" / "truth.png", align(cloud, target.points).aligned, target.points)
        write_report(folder)
    return figures


def read_run_cloud(folder: Path) -> Any:
    """Points ``[N, 3]``, nm, of a run.

    Raises:
        HollyError: The folder holds no cloud.
    """
    if not (folder / "cloud.ply").is_file():
        raise HollyError(f"{folder}: holds no cloud.ply; pass the folder of a run that train has finished or saved")
    return read_cloud(folder / "cloud.ply").points


def _metrics(run: Run) -> dict[str, Any]:
    state, trainer = run.trainer.state, run.trainer
    drawn = trainer.pictures_drawn()
    return {
        "finished": run.finished,
        "step": state.step,
        "steps": trainer.plan.total_steps,
        "seconds": state.seconds,
        "pictures_per_second": drawn / state.seconds if state.seconds else None,
        "device": str(state.points.device),
        "threads": torch.get_num_threads(),
        "seed": run.config.seed,
        "points": len(state.points),
        "pictures": len(run.dataset),
        "loss": state.history[-1]["loss"] if state.history else None,
        "sigma_nm": state.history[-1]["sigma_nm"] if state.history else None,
        "blur_nm": state.blur_nm(),
        "data": run.dataset.summary(),
        "notes": run.dataset.notes,
        "command": _command(run),
        "versions": {
            "holly-triton": holly_triton.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "history": state.history,
    }
