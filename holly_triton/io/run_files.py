"""Reading of the files of a run or a study."""

import csv
import warnings
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .channels import PointChannels
from .clouds import read_cloud
from .metrics import METRICS, read_metrics
from .ply import read_ply

AMPLITUDES = "amplitudes.csv"
DISPLACED = "deformation.ply"
"""The structure at amplitude 0, with the displacement of each point for an amplitude of 1 nm."""


class PoseTable(NamedTuple):
    """Poses as a file holds them."""

    names: list[str]
    """The pictures' ids ``[P]``."""
    axis_angle: Array
    """``[P, 3]``."""
    shift: Array
    """``[P, 2]``, nm; of 3D localisations ``[P, 3]``."""
    loss: Array
    """``[P]``; NaN where the file states none, as that of true poses."""


class AmplitudeTable(NamedTuple):
    """The amplitude of the deformation of each of P particles."""

    names: list[str]
    """Their ids."""
    amplitude_nm: Array
    """``[P]``: root-mean-square displacement of the points, with its sign."""
    error_nm: Array
    """Standard deviation of each, given the structure and its displacements ``[P]``."""
    held_out: Array
    """Whether these were found without the particle ``[P]``."""


def read_amplitudes(folder: Path) -> AmplitudeTable | None:
    """The amplitudes of a run with a deformation; None where there are none.

    Raises:
        HollyError: The file is damaged.
    """
    path = folder / AMPLITUDES
    if not path.is_file():
        return None
    with foreign(path, "the amplitudes of a deformation"), path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        amplitude, error = (np.array([float(row[name]) for row in rows]) for name in ("amplitude_nm", "error_nm"))
        held_out = np.array([row["held_out"] == "yes" for row in rows])
        return AmplitudeTable([row["particle"] for row in rows], amplitude, error, held_out)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is that of a run or a study that was stopped, or that is being worked on."""
    if (
        not (folder / "config.toml").is_file() or not (folder / "pictures").is_dir()
    ):  # the latter tells it from a network's
        return False
    if not (folder / METRICS).is_file():
        return True
    with suppress(HollyError):  # a damaged file is reported where it is read
        return read_metrics(folder).finished is False
    return False


def unfinished(folder: Path) -> HollyError:
    """The error on such a folder."""
    return HollyError(f"{folder}: is not finished; go on with: holly-triton train --resume {quote(str(folder))}")


def read_run_cloud(folder: Path) -> Array:
    """Points ``[N, 3]``, nm, of a run.

    Raises:
        HollyError: The folder holds no cloud.
    """
    if not folder.is_dir():
        raise HollyError(
            f"{folder}: there is no such folder" if not folder.exists() else f"{folder}: is not the folder of a run"
        )
    if (folder / "structure-1").is_dir():
        raise HollyError(
            f"{folder}: holds several structures; pass the folder of one, such as {folder / 'structure-1'}"
        )
    if not (folder / "cloud.ply").is_file():
        if is_unfinished(folder):
            raise unfinished(folder)
        raise HollyError(f"{folder}: holds no cloud.ply; pass the folder of a run that train has finished or saved")
    return read_cloud(folder / "cloud.ply").points


def read_run_points(folder: Path, amplitude: float | None) -> Array:
    """Points ``[N, 3]``, nm, of a run or, where an amplitude is given, of its deformed structure.

    Args:
        folder: Of the run.
        amplitude: Of the deformation, in standard deviations of the amplitudes of the particles; None for the cloud of the run.

    Raises:
        HollyError: The folder holds no cloud or, where an amplitude is given, no deformation.
    """
    points = read_run_cloud(folder)
    if amplitude is None:
        return points
    found = read_metrics(folder).deformation if (folder / METRICS).is_file() else None
    if found is None or not (folder / DISPLACED).is_file():
        raise HollyError(
            f"{folder}: holds no deformation, which --amplitude is of; leave that out, or fit one: train --deformation"
        )
    with foreign(folder / DISPLACED, "a deformation"):
        points, _, further = read_ply(folder / DISPLACED)
        displacement = np.stack([further[name] for name in ("dx", "dy", "dz")], axis=1)
        moved: Array = points + amplitude * found["sd_nm"] * displacement
        return moved


def read_run_channels(folder: Path) -> PointChannels | None:
    """The channel of each point of a run's cloud; None where it has no channels, or there is no cloud."""
    path = folder / "cloud.ply"
    return read_cloud(path).channels if path.is_file() else None


def read_doubts(folder: Path) -> list[str]:
    """Defects of the data that cast doubt on every result of a run; none where there are no figures yet."""
    return (read_metrics(folder).doubts or []) if (folder / METRICS).is_file() else []


def read_poses(path: Path) -> PoseTable:
    """Poses that ``train``, ``evaluate --pictures`` or ``simulate`` wrote.

    Raises:
        HollyError: There is no such file, or it is damaged.
    """
    with foreign(path, "poses"), path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        columns = ["rx", "ry", "rz", "tx_nm", "ty_nm"]
        if rows and "tz_nm" in rows[0]:
            columns.append("tz_nm")
        numbers = np.array([[float(row[name]) for name in columns] for row in rows]).reshape(-1, len(columns))
        loss = np.array([float(row.get("loss", "nan")) for row in rows])
        return PoseTable([row["picture"] for row in rows], numbers[:, :3], numbers[:, 3:], loss)


def read_spread(folder: Path, points: int) -> Array | None:
    """Positional error of each point of a study's cloud between its runs ``[N]``, nm; None where no two runs agree.

    NaN for points that only one run has.

    Raises:
        HollyError: The file is damaged, or belongs to another cloud.
    """
    path = folder / "spread.csv"
    if not path.is_file():
        return None
    with foreign(path, "the spread of a study's runs"):
        with warnings.catch_warnings(action="ignore"):  # of a table without rows, which is refused below
            spread: Array = np.loadtxt(path, delimiter=",", skiprows=1, usecols=3, ndmin=1)
    if len(spread) != points:
        raise HollyError(
            f"{path}: holds {len(spread)} values for the {points} points of cloud.ply; train the study again"
        )
    return spread if np.isfinite(spread).any() else None
