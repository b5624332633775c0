"""Files of PSFs: our own, which is HDF5 with a version, and the calibrations of other programs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, replacing
from holly_triton.io.tables.hdf5_check import check_size
from holly_triton.kernels import PsfTable

from .gaussian import GaussianPsf
from .model import Psf
from .smap import read_smap
from .spline import SplinePsf
from .yaml_files import read_yaml

FORMAT, VERSION = "holly-triton PSF", 1
GAUSSIAN, SPLINE = "gaussian", "spline"
SUFFIXES = (".h5", ".hdf5")
KNOWN = "a PSF of holly-triton (.h5), of SMAP (_3dcal.mat), or of Picasso or ThunderSTORM (.yaml)"


def write_psf(path: Path, psf: Psf) -> None:
    """Write a PSF to an HDF5 file.

    Its attributes are ``format``, ``version`` and ``kind``. A Gaussian is kept as its settings in attributes of the root
    and of groups ``x`` and ``y``; a spline as the data set ``coefficients`` ``[D + 2, S, S]`` (z, y, x), with ``pixel_nm``,
    ``z_first_nm``, ``z_step_nm``, ``z_min_nm`` and ``z_max_nm``.

    Raises:
        HollyError: The file can't be written, or its name ends in something else than .h5 or .hdf5.
    """
    import h5py

    if path.suffix.lower() not in SUFFIXES:
        raise HollyError(f"{path}: a PSF is written as HDF5; give a name that ends in {' or '.join(SUFFIXES)}")
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION})
        if isinstance(psf, GaussianPsf):
            file.attrs["kind"] = GAUSSIAN
            for name, value in psf.table().items():
                place = file.create_group(name).attrs if isinstance(value, dict) else file.attrs
                place.update(value if isinstance(value, dict) else {name: value})
        elif isinstance(psf, SplinePsf):
            table = psf.table
            file.attrs.update({"kind": SPLINE, "pixel_nm": psf.pixel_nm, "z_first_nm": table.z_first})
            file.attrs["z_step_nm"] = table.z_step
            file.attrs["z_min_nm"], file.attrs["z_max_nm"] = psf.z_range_nm
            file.create_dataset("coefficients", data=table.coefficients.cpu().numpy(), compression="gzip")
        else:
            raise TypeError(f"psf must be a GaussianPsf or a SplinePsf, got {type(psf).__name__}")


def read_psf(path: Path, *, pixel_nm: float | None = None, z_sign: int = 1) -> Psf:
    """Read a PSF, of this program or of others.

    Args:
        path: A file of holly-triton, SMAP, Picasso or ThunderSTORM.
        pixel_nm: Side of a camera pixel, nm, for the files of others, which do not state it.
        z_sign: -1 reverses the depths of the files of others, where their stage ran the other way.

    Raises:
        HollyError: The file is damaged, none of these, of a newer version, or needs a pixel size.
    """
    import h5py

    if not path.is_file():
        raise HollyError(f"{path}: there is no such file; give {KNOWN}")
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return read_yaml(path, pixel_nm, z_sign)
    if suffix == ".mat":
        return read_smap(path, pixel_nm, z_sign)
    if not h5py.is_hdf5(path):
        raise HollyError(f"{path}: is not a PSF; give {KNOWN}")
    with foreign(path, "a PSF"), h5py.File(path) as file:
        return _read_own(path, file)


def _read_own(path: Path, file: Any) -> Psf:
    if str(file.attrs.get("format", "")) != FORMAT:
        raise HollyError(f"{path}: is an HDF5 file, but not a PSF; give {KNOWN}")
    version, kind = int(file.attrs["version"]), str(file.attrs["kind"])
    if version > VERSION or kind not in (GAUSSIAN, SPLINE):
        raise HollyError(
            f"{path}: is a PSF of kind {kind} and version {version}; this program reads versions up to {VERSION} of "
            f"{GAUSSIAN} and {SPLINE}: update holly-triton"
        )
    if kind == GAUSSIAN:
        names = [name for name in file.attrs if name not in ("format", "version", "kind")]
        table: dict[str, Any] = {name: float(file.attrs[name]) for name in names}
        table |= {name: {key: float(value) for key, value in file[name].attrs.items()} for name in file}
        return GaussianPsf.of(table, str(path))
    return _spline(path, file)


def _spline(path: Path, file: Any) -> SplinePsf:
    stored = file["coefficients"]
    check_size(path, stored)
    coefficients = np.asarray(stored[()], dtype=np.float32)
    names = ("pixel_nm", "z_first_nm", "z_step_nm", "z_min_nm", "z_max_nm")
    numbers = {name: float(file.attrs[name]) for name in names}
    square = coefficients.ndim == 3 and coefficients.shape[1] == coefficients.shape[2] and coefficients.shape[1] % 2
    if not square or len(coefficients) < 6 or not np.isfinite(coefficients).all():
        raise HollyError(f"{path}: its coefficients must be finite, [D, S, S] with S odd; found {coefficients.shape}")
    if not all(map(np.isfinite, numbers.values())) or min(numbers["pixel_nm"], numbers["z_step_nm"]) <= 0:
        raise HollyError(f"{path}: pixel_nm and z_step_nm must be above 0, and all depths finite; export it again")
    table = PsfTable(torch.from_numpy(coefficients), numbers["z_first_nm"], numbers["z_step_nm"])
    psf = SplinePsf(table, numbers["pixel_nm"], (numbers["z_min_nm"], numbers["z_max_nm"]))
    first, last = psf.depths_nm
    if not first - 1e-3 <= psf.z_range_nm[0] < psf.z_range_nm[1] <= last + 1e-3:
        raise HollyError(f"{path}: its depths {psf.z_range_nm} lie outside of its table, {first:g} to {last:g} nm")
    return psf
