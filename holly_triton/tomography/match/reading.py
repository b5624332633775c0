"""Templates from files and names."""

from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.io.volumes.masks import as_mask
from holly_triton.io.volumes.reading import format_of, read_raw, read_volume, stated_voxel
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.simulation import RESOLUTION_VOXELS
from holly_triton.tomography.structures import Density, draw_map, read_density

from .template import Template


def read_template(
    source: str, voxel: float, own_voxel: float | None = None, *, symmetry: str | None = None, mask: Path | None = None
) -> Template:
    """A template from a map, at the map's own voxel size, which may be given, or from a structure's file or name, drawn at a voxel size.

    Raises:
        HollyError: It can't be read, or the mask does not fit it.
    """
    path = Path(source)
    inside = None
    if mask is not None:
        inside = torch.from_numpy(as_mask(mask, read_volume(mask, voxel).values)).float()
    if format_of(path) is None:
        return from_density(read_density(source, symmetry=symmetry or "C1"), voxel, symmetry, inside)
    volume = _read_map(path, own_voxel)
    for remark in volume.remarks:
        LOG.info("%s: %s", path, remark)
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    values = torch.from_numpy(np.array(volume.values, dtype=np.float32))
    return Template.of(stem, values, volume.voxel, symmetry=symmetry or "C1", mask=inside)


def from_density(density: Density, voxel: float, symmetry: str | None = None, mask: torch.Tensor | None = None) -> Template:  # fmt: skip
    """A density drawn at a voxel size, with the finest detail that its voxels hold."""
    resolution = RESOLUTION_VOXELS * voxel
    radius = density.radius + resolution / 2
    values = draw_map(density, 2 * int(np.ceil(radius / voxel)) + 3, voxel, resolution)
    return Template.of(density.name, values, voxel, radius=radius, symmetry=symmetry or density.symmetry, mask=mask)


def _read_map(path: Path, voxel: float | None) -> Volume:
    """A map; where it states no voxel size the message names the option for templates."""
    if voxel is None and stated_voxel(read_raw(path)) is None:
        raise HollyError(f"{path}: does not state its voxel size; give it with --template-voxel-size A")
    return read_volume(path, voxel)
