"""The model that ships: which movies it is taken for, and why it is refused for others."""

from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.frames.camera import Camera
from holly_triton.frames.config.shipped import MOST_NOISE, OTHER_PSF, SHIPPED_DEPTHS
from holly_triton.frames.psf import Psf, read_psf
from holly_triton.io.movies.movie import Movie
from holly_triton.io.movies.opening import KNOWN

from .doubts import ranges_of
from .model import Model

NAME = Path("default")
"""As ``--model`` names it."""
SHIPPED = Path(__file__).parents[1] / "weights" / "default.pt"
PSF_FILE = "psf.h5"
"""What ``frames simulate`` writes beside a movie."""
FOR_WHAT = "an astigmatic Gaussian PSF, foci at z = -300 and 300 nm, width 130 nm, pixels of 100 nm (the default of frames simulate)"  # fmt: skip
TRAIN = "train one with frames calibrate and frames train --psf"


def model_path(given: Path | None, movie: Path) -> Path:
    """The file of the model that a person asks for: the shipped one by its name, or where a simulated movie states no other.

    Args:
        given: A file, or ``NAME``; None where nothing was given.
        movie: The movie.

    Raises:
        HollyError: Nothing was given, and there is no movie, or nothing beside it that states its PSF.
    """
    if given is not None:
        return SHIPPED if given == NAME and not given.is_file() else given
    if not movie.exists():
        raise missing(movie, f"a movie: {KNOWN}")
    if not (movie.parent / PSF_FILE).is_file():
        raise HollyError(
            f"{movie}: a model must be of this microscope's PSF; give --model with what frames train wrote, or --model "
            f"{NAME} if it is {FOR_WHAT}"
        )
    return SHIPPED


def check_suits(model: Model, movie: Movie, pixel_nm: float | None, camera: Camera) -> None:
    """Refuse a movie for which the shipped model was not made.

    Args:
        model: The shipped one.
        movie: The movie; a ``psf.h5`` beside it states its PSF.
        pixel_nm: Side of a pixel, if a person gave it.
        camera: Of the movie.

    Raises:
        HollyError: The pixel is not known, or the PSF or the camera's noise differ from those of the training.
    """
    if pixel_nm is None and movie.stated is None:
        raise HollyError(
            f"{movie.path}: does not state its pixel size, and the model that ships is for pixels of {model.psf.pixel_nm:g} nm; "
            "give --pixel-size NM"
        )
    beside = movie.path.parent / PSF_FILE
    if beside.is_file() and (reason := other_psf(model.psf, read_psf(beside))):
        raise HollyError(f"{movie.path}: {beside} {reason}, and the model that ships is for {FOR_WHAT}; {TRAIN}")
    factor = _noise(model, camera)
    if factor > MOST_NOISE:
        raise HollyError(
            f"{movie.path}: the camera's noise has {factor:.1f} times the variance of that in the training of the model that "
            "ships; train one with frames train --camera"
        )


def other_psf(own: Psf, other: Psf) -> str | None:
    """How a PSF differs from a model's, in words; None if it does not."""
    least, most = other.z_range_nm
    shift = (own.z_range_nm[0] - least, most - own.z_range_nm[1])
    if max(shift) > OTHER_PSF * (own.z_range_nm[1] - own.z_range_nm[0]):
        return f"reaches from z = {least:.0f} to {most:.0f} nm"
    if abs(own.pixel_nm - other.pixel_nm) > OTHER_PSF * own.pixel_nm:
        return f"has pixels of {other.pixel_nm:g} nm"
    size = max(own.size, other.size)
    xyz = torch.full((SHIPPED_DEPTHS, 3), size * own.pixel_nm / 2)
    xyz[:, 2] = torch.linspace(max(least, own.z_range_nm[0]), min(most, own.z_range_nm[1]), SHIPPED_DEPTHS)
    differing = 0.5 * (own.patches(xyz, size)[0] - other.patches(xyz, size)[0]).abs().sum(dim=(1, 2))
    share = float(differing.median())
    return f"puts {share:.0%} of the light elsewhere" if share > OTHER_PSF else None


def _noise(model: Model, camera: Camera) -> float:
    """Variance that a camera gives, over that of the model's, at the background in the middle of the training's."""
    level = torch.tensor(float(np.sqrt(np.prod(ranges_of(model).background))))
    own, other = (
        float(one.variance(level).median()) for one in (model.camera, camera)
    )  # of all pixels, where they differ
    return other / own
