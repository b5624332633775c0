"""The content of the folder of a run or a study that the report shows."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from holly_triton.core.files import foreign
from holly_triton.core.types import Array, Figures
from holly_triton.io.channels import PointChannels
from holly_triton.io.metrics import METRICS, Metrics, read_metrics
from holly_triton.io.run_files import (
    AmplitudeTable,
    read_amplitudes,
    read_poses,
    read_run_channels,
    read_run_cloud,
    read_spread,
)
from holly_triton.view.orientation import upright


@dataclass(frozen=True)
class Reprojections:
    """K input pictures and their reprojections: ``[K, S, S]``, any intensity."""

    inputs: Array
    reprojections: Array
    names: list[str]
    pixel_nm: float

    @property
    def width_nm(self) -> float:
        """Side of one picture, nm."""
        return float(self.inputs.shape[2] * self.pixel_nm)


@dataclass(frozen=True)
class Contents:
    """A run, or a study by the member in whose frame its cloud lies; None or empty where a file is missing.

    Attributes:
        metrics: The metrics of the run or the study; without any record where there is no file of them.
        member: The metrics of the run that poses, pictures and curves are of: the run itself, or one of the study.
        member_name: That run's folder, where it is not the study's own.
        points: The cloud ``[N, 3]``, nm, in the canonical orientation of its pictures.
        channels: The channel of each of its points, where there are several.
        spread_nm: Positional error of each of its points between a study's runs ``[N]``; NaN for points of one run only.
        rotation: Rotation of each picture, ``[P, 3, 3]``, from that cloud.
        symmetry: Figures of ``validation.symmetry`` of the cloud, with each axis in the same orientation.
        loss: Loss of each picture by its name.
        amplitudes: Of each particle, where a deformation was fitted.
        config: The text of config.toml, and
        settings: what it says.
    """

    metrics: Metrics
    member: Metrics
    member_name: str | None
    points: Array | None
    channels: PointChannels | None
    spread_nm: Array | None
    rotation: Array | None
    symmetry: list[Figures]
    loss: dict[str, float]
    reprojections: Reprojections | None
    amplitudes: AmplitudeTable | None
    config: str | None
    settings: Figures

    @property
    def one_side(self) -> bool:
        """Whether all particles were taken to show the same side, so that the structure is flat."""
        return self.settings.get("tilt") == 0

    @property
    def alone(self) -> bool:
        """Whether the cloud is that of one run, of several of which no two agree."""
        return self.metrics.consensus is not None and len(self.metrics.consensus["agree"]) < 2

    @property
    def pictures(self) -> int | None:
        """How many pictures or particles the cloud is from."""
        return (self.member if self.alone else self.metrics).pictures

    @property
    def noun(self) -> str:
        """What one of the data is called."""
        return "particle" if self.in_space else "picture"

    @property
    def seen(self) -> str:
        """What likelihoods of 3D particles are of."""
        return "localisation" if self.member.labels is None else "label"

    @property
    def in_space(self) -> bool:
        """Whether the structure is from 3D localisations, which determine its handedness and its extent along every axis."""
        return self.member.dimensions == 3


def read_folder(run: Path) -> Contents:
    """Everything that the page shows except the drawn pictures.

    Raises:
        HollyError: A file is damaged.
    """
    metrics = _metrics(run)
    member = _member(run, metrics)
    poses = read_poses(member / "poses.csv") if (member / "poses.csv").is_file() else None
    points = read_run_cloud(run) if (run / "cloud.ply").is_file() else None
    frame = np.eye(3) if points is None else upright(points).frame
    figures = metrics if member == run else _metrics(member)
    config, settings = _read_config(run / "config.toml")
    return Contents(
        metrics=metrics,
        member=figures,
        member_name=None if member == run else member.name,
        points=None if points is None else points @ frame,
        channels=read_run_channels(run),
        spread_nm=None if points is None else read_spread(run, len(points)),
        rotation=Rotation.from_rotvec(poses.axis_angle).as_matrix() @ frame if poses and poses.names else None,
        symmetry=[{**one, "axis": one["axis"] @ frame} for one in figures.symmetry or ()],
        loss={} if poses is None else dict(zip(poses.names, poses.loss.tolist(), strict=True)),
        reprojections=_read_reprojections(member / "pictures" / "reprojections.npz"),
        amplitudes=read_amplitudes(run),
        config=config,
        settings=settings,
    )


def _metrics(run: Path) -> Metrics:
    return read_metrics(run) if (run / METRICS).is_file() else Metrics()


def _member(run: Path, metrics: Metrics) -> Path:
    reference = None if metrics.consensus is None else metrics.consensus.get("reference")
    if type(reference) is not int:  # a text could lead out of the folder
        return run
    found = (run / f"{kind}-{reference}" for kind in ("repeat", "half"))
    return next((folder for folder in found if folder.is_dir()), run)


def _read_config(path: Path) -> tuple[str | None, Figures]:
    if not path.is_file():
        return None, {}
    with foreign(path, "the settings of a run"):
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)


def _read_reprojections(path: Path) -> Reprojections | None:
    if not path.is_file():
        return None
    with foreign(path, "input pictures and reprojections"), np.load(path) as held:
        inputs, drawn = np.asarray(held["inputs"], float), np.asarray(held["reprojections"], float)
        names = [str(name) for name in held["names"]]
        if inputs.ndim != 3 or inputs.shape != drawn.shape or len(names) != len(inputs):
            raise ValueError(f"inputs {inputs.shape}, reprojections {drawn.shape}, {len(names)} names")
        return Reprojections(inputs, drawn, names, float(held["pixel_nm"]))
