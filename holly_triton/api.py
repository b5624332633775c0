"""From data to structure in a few functions, for notebooks and programs; all of them are in ``holly_triton``.

>>> from holly_triton import evaluate, open_dataset, reconstruct, render
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.checkpoint import versions
from holly_triton.core.config import write_config
from holly_triton.core.folder import check_free, make_folder
from holly_triton.core.types import Array, Figures
from holly_triton.geometry import mirror as mirror_points
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import write_cloud
from holly_triton.io.metrics import HeldOut, Metrics, write_metrics
from holly_triton.io.tables.reading import Axis, Background, Contrast, Weights
from holly_triton.io.units import UNIT_NM
from holly_triton.particles import data
from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.config import Config, Device
from holly_triton.particles.data import Dataset
from holly_triton.particles.poses.refine import Poses
from holly_triton.particles.run.held_out import score_held_out, split
from holly_triton.particles.run.results import point_sigma_nm, write_poses
from holly_triton.particles.run.run import WRITTEN
from holly_triton.particles.run.trainers import notes_of, settled, trainer_for
from holly_triton.particles.spatial.poses import Chosen
from holly_triton.validation.alignment import align
from holly_triton.validation.comparison import Alignment
from holly_triton.view.orientation import upright

__all__ = ["Evaluation", "Reconstruction", "evaluate", "open_dataset", "reconstruct", "render"]


def open_dataset(
    path: str | Path,
    *,
    unit: str | None = None,
    pixel_size_nm: float | None = None,
    columns: str | None = None,
    channel: str | None = None,
    where: str | None = None,
    axis: Axis = "z",
    weights: Weights = "equal",
    crop: int | None = None,
    background: Background = "subtract",
    contrast: Contrast | None = None,
) -> data.Localisations | data.Pictures:
    """Open a data set of any known format.

    Args:
        path: A file, a folder of such files, or a folder that ``holly-triton simulate`` wrote.
        unit: Unit of the positions in a file that does not state it: nm, um, mm, m, A or px, in any spelling.
        pixel_size_nm: Side of an input pixel, nm.
        columns: Which column holds what, as ``"x=...,y=...[px],particle=..."``, for tables with unknown column names.
        channel: Name or number of the channel whose localisations are read; None reads all.
        where: Which rows of a table count, as ``"valid = 1 and uncertainty < 20"``; None counts all.
        axis: Viewing axis for localisations in 3D.
        weights: ``"photons"`` weighs each localisation by its photons; ``"equal"`` counts it as one.
        crop: Pixels a side to which pictures are cropped about their centre; None leaves them whole.
        background: ``"subtract"`` removes the background of pictures, ``"keep"`` leaves it.
        contrast: ``"dark"`` inverts pictures of dark particles, ``"bright"`` leaves pictures unchanged; None leaves them
            unchanged too, but refuses those that appear dark.

    Raises:
        HollyError: There is nothing at the path, the format is unknown, or the data can't be used.
    """
    return data.open_dataset(
        path, unit=unit, pixel_size_nm=pixel_size_nm, columns=columns, channel=channel, where=where, axis=axis,
        weights=weights, crop=crop, background=background, contrast=contrast,
    )  # fmt: skip


@dataclass(frozen=True)
class Reconstruction:
    """A structure and the poses of its pictures, or of its particles of 3D localisations.

    The mirror image, in mirrored poses, fits pictures as well; 3D localisations determine the handedness.

    Attributes:
        points: ``[N, 3]`` float64, nm, about their centroid.
        names: The ids ``[P]`` of the pictures or particles, the held-out ones included unless the run was stopped.
        rotation: Rotation of each ``[P, 3, 3]``: a point x of the structure is at ``rotation @ x`` plus ``shift``, in a
            picture at the first two components of it.
        shift: ``[P, 2]``, of 3D localisations ``[P, 3]``, nm, from the centroid of the picture or particle.
        loss: Final loss of each ``[P]``. Of a picture it is the masked L1: 0 where it is reproduced exactly, 100 where the
            structure has no intensity in the bright pixels, at most 200. Of a particle of 3D localisations it is ``exp`` of
            the mean negative log-likelihood of a localisation, nm^3.
        sigma_nm: Sigma of the Gaussian that each point stands for, nm.
        blur_nm: Label scatter (standard deviation about a point), nm.
        seconds: Duration of the training, s.
        finished: Whether the training was completed; otherwise the callback stopped it.
        held_out: How well the structure fits pictures that were not used in its training; None where there were none.
        history: Step, seconds, sigma, size, loss and blur over the run.
        config: The settings, with the number of points.
        notes: What was skipped and assumed.
        channels: The channel of each point, where there are several.
        entropy: Of the weights of each particle's orientations ``[P]``, natural logarithm; None but of 3D localisations.
    """

    points: Array
    names: list[str]
    rotation: Array
    shift: Array
    loss: Array
    sigma_nm: float
    blur_nm: float
    seconds: float
    finished: bool
    held_out: HeldOut | None
    history: list[dict[str, float]]
    config: Config
    notes: list[str]
    channels: PointChannels | None = None
    entropy: Array | None = None

    def mirror(self) -> "Reconstruction":
        """The reconstruction with the opposite handedness: z of points and shifts negated, and rotations (-rx, -ry, rz).

        The pictures are the same. Of 3D localisations it is the reconstruction from the same data with z negated.
        """
        flip = np.diag([1.0, 1.0, -1.0]).astype(self.rotation.dtype)
        shift = self.shift * np.diag(flip)[: self.shift.shape[1]]
        return dataclasses.replace(
            self, points=mirror_points(self.points), rotation=flip @ self.rotation @ flip, shift=shift
        )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write cloud.ply, cloud_mirror.ply, poses.csv, metrics.json and config.toml, as ``holly-triton train`` does.

        The commands ``measure``, ``render`` and ``export`` take the folder.

        Raises:
            HollyError: The folder exists and ``overwrite`` is not set, or can't be written.
        """
        folder = Path(folder)
        check_free(folder, overwrite)
        make_folder(folder, overwrite, WRITTEN)
        write_config(folder / "config.toml", self.config)
        write_cloud(folder / "cloud.ply", self.points, self.channels)
        write_cloud(folder / "cloud_mirror.ply", mirror_points(self.points), self.channels)
        rotation, shift, loss = (torch.from_numpy(rows) for rows in (self.rotation, self.shift, self.loss))
        poses: Poses | Chosen = Poses(rotation, shift, loss)
        if self.entropy is not None:
            poses = Chosen(rotation, shift, loss, torch.from_numpy(self.entropy))
        write_poses(folder / "poses.csv", self.names, poses, self.sigma_nm)
        last = self.history[-1] if self.history else {}
        held_out = self.held_out.pictures if self.held_out else 0
        write_metrics(folder, Metrics(
            finished=self.finished, seconds=self.seconds, seed=self.config.seed, points=len(self.points),
            dimensions=self.config.dimensions, pictures=len(self.names) - held_out, held_out=self.held_out, loss=last.get("loss"),
            sigma_nm=last.get("sigma_nm"), blur_nm=self.blur_nm, notes=self.notes, versions=versions(), history=self.history,
        ))  # fmt: skip
        return folder


def reconstruct(
    dataset: Dataset,
    config: Config | None = None,
    *,
    points: int | None = None,
    device: Device | None = None,
    seed: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Reconstruction:
    """Find the structure in a data set's pictures.

    Args:
        dataset: From ``open_dataset``.
        config: Settings; the defaults if not given. The settings about the data file are not used.
        points: Number of points of the cloud; by default that of the settings, or else the number of labels of a typical
            particle.
        device: Where to compute; by default that of the settings.
        seed: Seed of every random choice; by default that of the settings.
        callback: Called after each step. It may raise ``StopIteration`` to end the run with the structure so far.

    Raises:
        HollyError: The device is missing, a setting is out of bounds, or a picture holds unusable values.

    Example:
        >>> import torch
        >>> from holly_triton import Config, read_structure, simulate
        >>> sites, generator = read_structure("nuclear-pore").points, torch.Generator().manual_seed(0)
        >>> dataset = simulate(sites, 50, generator=generator).localisations
        >>> found = reconstruct(dataset, Config().quick(), points=32, seed=1)
        >>> found.points.shape, found.rotation.shape
        ((32, 3), (50, 3, 3))
    """
    config = config or Config()
    config = dataclasses.replace(
        config,
        points=config.points if points is None else points,
        device=device or config.device,
        seed=config.seed if seed is None else seed,
    )
    pictures = split(dataset, config.held_out)
    config = settled(config, pictures.training)
    trainer = trainer_for(config, pictures.training)
    state, steps = trainer.state, trainer.plan.total_steps
    try:
        for progress in trainer.run():
            if callback is not None:
                callback(progress)
    except StopIteration:
        pass
    finished = state.step >= steps
    scored = score_held_out(pictures, trainer) if finished else None
    notes = [*dataset.notes, *pictures.notes, *notes_of(trainer)]
    if state.starts:
        notes.append("The run ended among its random starts, before one was chosen: the points are a random cloud.")
    names, poses = pictures.training.names, trainer.poses
    if scored is not None:
        names, poses = pictures.names, pictures.join_poses(poses, scored[1])
    cloud, rotation, shift, loss, *entropy = (tensor.detach().cpu().numpy() for tensor in (state.points, *poses))
    return Reconstruction(
        cloud.astype(np.float64), names, rotation, shift, loss, sigma_nm=point_sigma_nm(trainer), blur_nm=state.blur_nm(),
        seconds=state.seconds, finished=finished, held_out=scored and scored[0], history=state.history, config=config,
        notes=notes, channels=trainer.channels,
        entropy=entropy[0] if entropy else None,
    )  # fmt: skip


class Evaluation(Figures):
    """The figures that ``holly-triton evaluate --json`` prints, such as ``["rmsd"]`` in nm, and the alignment used for them.

    Attributes:
        alignment: The rotation, shift and handedness that align the points with the truth, and the aligned points.
    """

    def __init__(self, alignment: Alignment) -> None:
        super().__init__(alignment.figures(UNIT_NM))
        self.alignment = alignment


def evaluate(points: Array, truth: Array) -> Evaluation:
    """Compare a structure with the truth after the best rotation and shift of the better handedness.

    Args:
        points: ``[N, 3]``, nm.
        truth: ``[M, 3]``, nm.

    Example:
        >>> import numpy as np
        >>> from holly_triton import read_structure
        >>> truth = read_structure("tripod").points
        >>> found = evaluate(truth * [1, 1, -1] + 5, truth)
        >>> round(found["rmsd"], 3), bool(np.allclose(found.alignment.aligned, truth, atol=0.01))
        (0.0, True)
    """
    return Evaluation(align(points, truth))


def render(points: Array, path: str | Path, truth: Array | None = None) -> Path:
    """Draw four views of a structure into a PNG; needs pyvista.

    Args:
        points: ``[N, 3]``, nm, blue; in the canonical orientation where there is no truth.
        path: Name of the file, which ends in .png.
        truth: ``[M, 3]``, nm, orange; the points are rotated into its frame.

    Raises:
        HollyError: The name does not end in .png, or the file can't be written.

    Example:
        >>> import tempfile
        >>> from holly_triton import read_structure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     render(read_structure("torus").points, folder + "/torus.png").name
        'torus.png'
    """
    from .view import render_cloud

    path = Path(path)
    if truth is not None:
        render_cloud(align(points, truth).aligned, path, truth=truth)
    else:
        frame, front = upright(points)
        render_cloud(points @ frame, path, front=front)
    return path
