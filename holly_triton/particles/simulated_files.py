"""The files of a simulation: its data, which ``open_dataset`` reads, and the truth."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.geometry import Grid, axis_angle_from_rotation
from holly_triton.io.clouds import write_cloud
from holly_triton.kernels import splat_emitters
from holly_triton.particles.data.dataset import TRUE_POSES, TRUE_STRUCTURE, TRUTH
from holly_triton.particles.data.ragged import runs

from .simulate import PICTURE_SIGMA_PX, Simulation

CHUNK_PICTURES = 256
"""Pictures drawn at a time."""
LARGEST_TIFF = 2**32 - 2**20
"""Bytes that an ImageJ TIFF can hold in addition to its header."""


def write_simulation(folder: str | Path, simulation: Simulation, *, tiff: bool = False) -> Path:
    """Write the data, for ``open_dataset``, and the truth into a folder, which is made if it does not exist.

    ``localisations.csv`` (or ``pictures.tif``), ``truth.ply`` (the structure; of a mixture ``truth-1.ply``, ``truth-2.ply`` and
    so on) and ``truth_poses.csv`` (a row for every picture, of a mixture with the number of its structure, of
    stretched particles with the amplitude). There are no
    columns for photons, which are not simulated; the channels of the structure are in the column ``channel``, or channels of the
    pictures.

    Args:
        folder: Output folder.
        simulation: The simulated particles.
        tiff: Write pictures, 128 pixels a side, in place of a table of localisations. They are not centred.

    Returns:
        The folder.

    Raises:
        HollyError: The folder or a file in it cannot be written.
    """
    folder = Path(folder)
    table, pictures = folder / "localisations.csv", folder / "pictures.tif"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A folder is read by its content, so that data of an earlier simulation must not be found first.
        (table if tiff else pictures).unlink(missing_ok=True)
        for truth in filter(Path.is_file, folder.glob("truth*.ply")):
            truth.unlink()
    except OSError as error:
        raise HollyError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    if tiff:
        _write_pictures(pictures, simulation)
    else:
        _write_table(table, simulation)
    for name, points in zip(_truths(len(simulation.structures)), simulation.structures, strict=True):
        write_cloud(folder / name, points, simulation.channels)
    _write_poses(folder / TRUE_POSES, simulation)
    return folder


def _truths(structures: int) -> list[str]:
    """Names of the files of the structures that were simulated."""
    return [TRUTH] if structures == 1 else [TRUE_STRUCTURE.format(number + 1) for number in range(structures)]


def _write_table(path: Path, simulation: Simulation) -> None:
    counts = simulation.offsets.diff().numpy()
    particle = np.repeat(np.arange(len(counts)), counts)
    dimensions = simulation.positions.shape[1]
    columns = ["x [nm]", "y [nm]", "z [nm]"][:dimensions]
    values, formats = [_fixed(simulation.positions)], ["%.4f"] * dimensions
    if simulation.precision is not None:
        stated = ("uncertainty_xy [nm]", "uncertainty_z [nm]")[: dimensions - 1]
        columns += stated
        values.append(np.tile(simulation.precision[: dimensions - 1], (len(particle), 1)))
        formats += ["%.4g"] * len(stated)
    rows = np.column_stack([np.arange(1, len(particle) + 1), *values, particle])
    columns, formats = ["id", *columns, "particle"], ["%d", *formats, "%d"]
    if simulation.channels is not None:
        columns, formats = [*columns, "channel"], [*formats, "%s"]
        rows = np.column_stack([rows.astype(object), simulation.channels.cells[simulation.site]])
    header = ",".join(f'"{name}"' for name in columns)
    with replacing(path) as partial:
        np.savetxt(partial, rows, fmt=",".join(formats), header=header, comments="", encoding="utf-8")


def _write_pictures(path: Path, simulation: Simulation) -> None:
    """Write pictures, as ImageJ does, or as OME-TIFF where channels have names."""
    grid, pictures, channels = simulation.grid, len(simulation.rotation), simulation.channels
    names = () if channels is None else channels.names
    shape = (pictures, *([len(names)] if names else []), *grid.shape)
    if math.prod(shape) * 4 > LARGEST_TIFF:
        raise HollyError(
            f"{path}: {pictures} pictures exceed the 4 GiB of a TIFF; write localisations, or fewer pictures"
        )
    if names:
        pixel = {
            f"PhysicalSize{axis}{what}": value for axis in "XY" for what, value in (("", grid.pixel_nm), ("Unit", "nm"))
        }
        layout: dict[str, Any] = {"ome": True, "metadata": {"axes": "TCYX", "Channel": {"Name": [*names]}, **pixel}}
    else:
        resolution = (1000 / grid.pixel_nm, 1000 / grid.pixel_nm)
        layout = {"imagej": True, "resolution": resolution, "metadata": {"axes": "TYX", "unit": "micron"}}
    with replacing(path) as partial:
        tifffile.imwrite(partial, _draw(simulation, grid), shape=shape, dtype=np.float32, **layout)


def _draw(simulation: Simulation, grid: Grid) -> Iterator[Array]:
    """The pictures one by one, of several channels one channel after the other, drawn a chunk at a time.

    Every emitter has integral 1, since photons are not simulated.
    """
    channels = simulation.channels
    own = torch.zeros(1) if channels is None else torch.from_numpy(channels.of)[simulation.site]
    for start in range(0, len(simulation.rotation), CHUNK_PICTURES):
        index = torch.arange(start, min(start + CHUNK_PICTURES, len(simulation.rotation)))
        emitters, offsets, _ = runs(simulation.offsets[index], simulation.offsets.diff()[index])
        xy = grid.to_pixels(simulation.positions[emitters, :2])
        weights = (
            [None]
            if channels is None
            else [(own[emitters] == place).to(xy.dtype) for place in range(len(channels.names))]
        )
        drawn = [splat_emitters(xy, offsets, PICTURE_SIGMA_PX, grid.shape, weights=one).numpy() for one in weights]
        yield from np.stack(drawn, axis=1).reshape(-1, *grid.shape)


def _fixed(lengths_nm: Tensor) -> Array:
    """Lengths with the four decimals with which they are written, none of them minus zero."""
    return np.round(lengths_nm.numpy().astype(np.float64), 4) + 0.0


def _write_poses(path: Path, simulation: Simulation) -> None:
    axis_angle = axis_angle_from_rotation(simulation.rotation.numpy())
    rows = [np.arange(len(axis_angle)), axis_angle, _fixed(simulation.shift)]
    columns = ["picture,rx,ry,rz", *("tx_nm", "ty_nm", "tz_nm")[: simulation.shift.shape[1]]]
    form = "%d,%.8f,%.8f,%.8f" + ",%.4f" * simulation.shift.shape[1]
    if simulation.structure is not None:
        rows, columns, form = [*rows, simulation.structure.numpy() + 1], [*columns, "structure"], form + ",%d"
    if simulation.amplitude is not None:
        rows, columns, form = [*rows, simulation.amplitude.numpy()], [*columns, "amplitude_nm"], form + ",%.4f"
    with replacing(path) as partial:
        np.savetxt(partial, np.column_stack(rows), fmt=form, header=",".join(columns), comments="")
