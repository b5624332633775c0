"""A simulated bead stack, from which ``frames calibrate`` measures the PSF."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array

from .camera import Camera
from .config.simulation import BEAD_PHOTONS, BEAD_ROOM_PX, BEAD_SPREAD, MovieSettings
from .emitters import Emitters
from .psf import Psf
from .simulate import emission
from .tiff_writer import write_tiff


def write_beads(
    path: Path,
    beads: int,
    step_nm: float,
    psf: Psf,
    camera: Camera,
    settings: MovieSettings,
    generator: torch.Generator,
) -> tuple[int, int, int]:
    """Write a stack of beads on a coverslip: plane k shows them at depth ``psf.z_range_nm[0] + k step_nm``.

    Args:
        path: The TIFF.
        beads: Their number, each alone in a square of ``BEAD_ROOM_PX`` pixels.
        step_nm: From plane to plane.
        psf: How their light spreads.
        camera: What records it; one with maps, at a part of its chip.
        settings: Of the movie: its background is that of the beads.
        generator: Of all random numbers.

    Returns:
        Planes, height and width of the stack.

    Raises:
        HollyError: The step is longer than half of the range of depths, or the camera's maps are too small.
    """
    least, most = psf.z_range_nm
    planes = math.floor((most - least) / step_nm + 1e-6) + 1
    if planes < 3:
        raise HollyError(
            f"--step {step_nm:g} leaves {planes} planes between {least:g} and {most:g} nm; give a smaller one"
        )
    rows = math.ceil(math.sqrt(beads))
    shape = (rows * BEAD_ROOM_PX, math.ceil(beads / rows) * BEAD_ROOM_PX)
    camera = camera.seeing(1, shape, generator)
    room = BEAD_ROOM_PX * psf.pixel_nm
    place = torch.arange(beads)
    cell = torch.stack([place // rows, place % rows], dim=1)
    # In the inner half of its square: neighbours are at least half a square apart.
    xy = (cell + 0.25 + 0.5 * torch.rand((beads, 2), generator=generator)) * room
    photons = emission(torch.full((beads,), BEAD_PHOTONS), torch.full((beads,), BEAD_SPREAD), generator)

    def frames() -> Iterator[Array]:
        for plane in range(planes):
            xyz = torch.cat([xy, torch.full((beads, 1), least + plane * step_nm)], dim=1)
            expected = psf.draw(Emitters.of(xyz, photons, torch.tensor([beads])), shape) + settings.background
            yield camera.record(expected, generator)[0].numpy().astype(np.uint16)

    with replacing(path) as partial:
        write_tiff(partial, frames(), (planes, *shape), psf.pixel_nm)
    return planes, *shape
