"""The widget that picks the particles in a tomogram, as ``holly-triton tomo pick`` does, and shows them as points."""

from pathlib import Path
from typing import TYPE_CHECKING

from holly_triton.core.errors import HollyError
from holly_triton.tomography.segment.command import Options
from holly_triton.tomography.segment.command import pick_particles as pick_in_file
from holly_triton.tomography.segment.model import DEFAULT

from .layers import LayerData, points_of_particles

if TYPE_CHECKING:
    import napari.layers
    import napari.qt.threading
    import napari.types


def pick_particles(
    tomogram: "napari.layers.Image",
    model: Path = Path(DEFAULT),
    threshold: float = 0.0,
    averaged: bool = False,
) -> "napari.qt.threading.FunctionWorker[napari.types.LayerDataTuple]":
    """Pick the particles of a tomogram by a trained network, in a thread of its own, and show them as points.

    Args:
        tomogram: A layer that was opened from a file.
        model: What ``holly-triton tomo train`` has written, or ``default``: the model that ships.
        threshold: Least score of a particle of any class; 0 takes the model's own, for each class.
        averaged: Average the answers for the tomogram turned by 180 degrees about x, y and z; four times the work.

    Raises:
        HollyError: The layer was not opened from a file.
    """
    from napari.qt.threading import thread_worker

    path = tomogram.source.path
    if path is None:
        raise HollyError(f"{tomogram.name}: was not opened from a file; open the tomogram from its file")
    options = Options(threshold=threshold or None, averaged=averaged)
    return thread_worker(picks_of, progress={"desc": "picking"}, start_thread=True)(Path(path), model, options)


def picks_of(path: Path, model: Path, options: Options) -> LayerData:
    """The picks of a tomogram's file as a layer.

    Raises:
        HollyError: A file can't be read, or the model is of another voxel size.
    """
    found = pick_in_file(path, model, options)
    return points_of_particles(found.particles, f"picks in {path.name}", found.volume.voxel)
