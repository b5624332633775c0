"""SMAP's calibrations ``_3dcal.mat`` (Li et al. 2018, Nature Methods 15, 367): a polynomial in each voxel.

The struct ``SXY`` holds ``cspline.coeff`` ``[rows, columns, planes, 64]``. With fractions r, c and p within a voxel, term
16 k + 4 j + i is the factor of r^i c^j p^k. ``z0`` is the plane of depth 0, ``dz`` the distance of planes in nm, ``x0`` the
pixel of the emitter counted from 1. Depth and planes run against each other: z = -(plane - z0) dz.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.psf import SMAP_JUMP
from holly_triton.io.tables.matlab_values import variables
from holly_triton.kernels import psf_table

from .spline import SplinePsf

TERMS = 64


def read_smap(path: Path, pixel_nm: float | None, z_sign: int) -> SplinePsf:
    """The PSF of a calibration of one channel.

    Args:
        path: A MATLAB file of version 5 to 7.3.
        pixel_nm: Side of a camera pixel, nm, which the file does not state.
        z_sign: -1 reverses its depths.

    Raises:
        HollyError: The file is damaged, has no such struct, several channels, or no pixel size is given.
    """
    if pixel_nm is None:
        raise HollyError(f"{path}: a calibration of SMAP does not state the pixel size; give it with --pixel-size NM")
    with variables(path) as found:
        named = {variable.name: variable for variable in found}
        start = next((name for name in ("SXY", "cspline") if name in named), None)
        if start is None:
            raise HollyError(f"{path}: has no struct SXY, as SMAP's _3dcal.mat has; found {', '.join([*named][:12])}")
        struct = _alone(path, named[start].load())
        spline = _alone(path, struct["cspline"] if start == "SXY" and "cspline" in struct else struct)
        coefficients = _coefficients(path, spline.get("coeff"))
        middle = np.array(coefficients.shape[0] // 2 + 1)  # older files leave it out
        dz, z0, x0 = (_number(path, {"x0": middle, **spline}, name) for name in ("dz", "z0", "x0"))
    values = _centred(path, _nodes(path, coefficients), x0)
    depths = -z_sign * (np.arange(len(values)) - z0) * dz
    order = np.argsort(depths)
    table = psf_table(torch.from_numpy(values[order].astype(np.float32)), float(depths.min()), abs(dz))
    return SplinePsf(table, pixel_nm, (float(depths.min()), float(depths.max())))


def _alone(path: Path, value: Any) -> Mapping[str, Any]:
    """A struct, or the only one of an array."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list):
        raise HollyError(
            f"{path}: holds {len(value)} calibrations, of channels or of parts of the field; save one of them"
        )
    if not isinstance(value, Mapping):
        raise HollyError(f"{path}: SXY.cspline is not a struct; give the _3dcal.mat that SMAP's calibration writes")
    return value


def _coefficients(path: Path, value: Any) -> Array:
    """The factors ``[rows, columns, planes, 64]``."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list):
        raise HollyError(f"{path}: holds the PSFs of {len(value)} channels; save the calibration of one channel")
    shape: tuple[int, ...] = value.shape if isinstance(value, np.ndarray) else ()
    if len(shape) != 4 or shape[3] != TERMS or min(shape) < 3 or not np.isfinite(value).all():
        raise HollyError(f"{path}: cspline.coeff must be finite numbers, rows x columns x planes x 64; found {shape}")
    return np.asarray(value, dtype=np.float64)


def _number(path: Path, struct: Mapping[str, Any], name: str) -> float:
    value = struct.get(name)
    number = float(value.flat[0]) if isinstance(value, np.ndarray) and value.size else float("nan")
    if not np.isfinite(number) or (name == "dz" and number == 0):
        raise HollyError(f"{path}: cspline.{name} is missing or not a number; save the calibration again in SMAP")
    return number


def _nodes(path: Path, coefficients: Array) -> Array:
    """Values at the corners of the voxels, ``[planes + 1, rows + 1, columns + 1]``, from which the splines follow.

    Raises:
        HollyError: Neighbouring voxels give a corner different values: the terms are in another order.
    """
    factors = coefficients.reshape(*coefficients.shape[:3], 4, 4, 4, order="C")  # [row, column, plane, k, j, i]
    corners = {}
    for which in np.ndindex(2, 2, 2):  # at row, column, plane: fraction 0 or 1
        row, column, plane = (slice(None) if one else slice(0, 1) for one in which)
        corners[which] = factors[:, :, :, plane, column, row].sum(axis=(3, 4, 5))
    nodes = np.zeros(tuple(n + 1 for n in coefficients.shape[:3]))
    places = {
        which: tuple(slice(one, one + n) for one, n in zip(which, values.shape, strict=True))
        for which, values in corners.items()
    }
    for which in reversed(corners):  # the corner at which all fractions are 0 last
        nodes[places[which]] = corners[which]
    jump = max(np.abs(values - nodes[places[which]]).max() for which, values in corners.items())
    if jump > SMAP_JUMP * np.abs(nodes).max():
        raise HollyError(
            f"{path}: its polynomials do not join at the corners of the voxels; it is not a calibration of SMAP"
        )
    return nodes.transpose(2, 0, 1)


def _centred(path: Path, nodes: Array, x0: float) -> Array:
    """Slices ``[planes, S, S]`` whose middle is the emitter, at pixel ``x0`` counted from 1; 0 where there is nothing."""
    centre = round(x0) - 1
    rows, columns = nodes.shape[1:]
    reach = max(centre, rows - 1 - centre, columns - 1 - centre)
    if abs(x0 - round(x0)) > 1e-6 or not 0 < centre < min(rows, columns):
        raise HollyError(f"{path}: cspline.x0 is {x0:g}; it must be a pixel within the {rows} x {columns} of the PSF")
    out = np.zeros((len(nodes), 2 * reach + 1, 2 * reach + 1))
    out[:, reach - centre : reach - centre + rows, reach - centre : reach - centre + columns] = nodes
    return out
