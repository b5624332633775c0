"""Packages that not every use needs: imported where they are needed, named where they are missing."""

from functools import cache
from importlib import import_module
from typing import Any

from .errors import HollyError

EXTRAS = {
    "astropy": "formats",
    "gemmi": "structures",
    "imageio_ffmpeg": "movie",
    "nd2": "nikon",
    "pyvista": "view",
    "sklearn": "pick",
    "submitit": "cluster",
    "tensorboardX": "board",
}
"""The extra of ``pyproject.toml`` that brings each package."""
PURPOSES = {
    "view": "pictures of clouds in 3D, GIFs, render --interactive",
    "movie": "movies as MP4",
    "formats": "FITS pictures",
    "nikon": "movies of Nikon, .nd2",
    "pick": "pick, which finds particles in a field",
    "structures": "atomic models, PDB and mmCIF",
    "cluster": "--cluster, jobs of Slurm",
    "board": "curves for TensorBoard",
}
"""What each extra is for."""


class MissingExtraError(HollyError):
    """A requested function needs a package that is not installed, or one that cannot be loaded."""


@cache
def import_if_there(module: str) -> Any:
    """A module of a package that only makes something faster; None where it can't be imported."""
    try:
        return import_module(module)
    except ImportError:
        return None


def require(module: str, purpose: str) -> Any:
    """Import a module of one of the packages in ``EXTRAS``, or of a dependency that an environment may lack all the same.

    Args:
        module: Its full name, such as ``astropy.io.fits``.
        purpose: What needs it; the message begins with this.

    Raises:
        MissingExtraError: It is not installed, or a library that it needs is missing.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        reason = "" if absent else f", which cannot be loaded ({error})"
        name = {"sklearn": "scikit-learn"}.get(package, package.replace("_", "-"))
        wanted = f"'holly-triton[{EXTRAS[package]}]'" if package in EXTRAS else name
        raise MissingExtraError(f"{purpose} needs {name}{reason}: pip install {wanted}") from error
