"""What a person should know of a movie before its localisations are used: where it differs from what a model was trained for."""

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera
from holly_triton.frames.camera.estimate import FEWEST, SMALLEST_PX, mean_variance
from holly_triton.frames.camera.estimate import compare as compare_camera
from holly_triton.frames.config.likeness import CROWDED_PER_UM2, GAIN_FRAMES, GAIN_SIDE_PX
from holly_triton.frames.likeness import Ranges, compare, look_at, widths_of
from holly_triton.io.movies.movie import Movie

from .model import Model


def ranges_of(model: Model) -> Ranges:
    """What the frames were like that a model was trained on."""
    frames = model.training.frames
    shares = frames.background_unit == "share"
    least = frames.background_least * (frames.photons_least if shares else 1)
    most = frames.background_most * (frames.photons_most if shares else 1)
    return Ranges((least, most), widths_of(model.psf), model.psf.pixel_nm)


def doubts_about(movie: Movie, camera: Camera, model: Model) -> list[str]:
    """Sentences on the camera that was entered and its noise, background, width of spots, pixels, saturation and size.

    Some frames of the movie are read; none of the sentences is there where all is as in the training.
    """
    contradictions = _of_camera(movie, camera)
    unlike = compare(look_at(movie, camera), ranges_of(model), wrong_camera=bool(contradictions))
    return [*contradictions, *unlike, *_of_size(movie, model.training.crop_px)]


def crowded(found: int, frames: int, field_um2: float) -> list[str]:
    """A sentence where so many localisations in frames of this area mean that most emitters can't be resolved."""
    density = found / max(1, frames) / field_um2
    if density <= CROWDED_PER_UM2:
        return []
    return [
        f"There are {density:.1f} localisations per square micrometre and frame; at more than {CROWDED_PER_UM2:g} most emitters "
        "can't be resolved from their neighbours. Record fewer emitters at once."
    ]


def _of_size(movie: Movie, trained_px: int) -> list[str]:
    height, width = movie.shape[1:]
    if min(height, width) >= trained_px:
        return []
    return [
        f"Its frames are {width} x {height} px, smaller than the {trained_px} x {trained_px} px of the training: the network sees "
        "edges on all sides, so that results are less certain. Record a larger field."
    ]


def _of_camera(movie: Movie, camera: Camera) -> list[str]:
    """Where mean and variance of the middle of a movie contradict its camera; nothing is said of too few or too small frames."""
    if len(movie) < FEWEST or min(movie.shape[1:]) < SMALLEST_PX:
        return []
    return compare_camera(mean_variance(_middle(movie)), camera)


def _middle(movie: Movie) -> Array:
    """The middle part of consecutive frames in the middle of a movie ``[T, h, w]``; read one by one, since frames may be large."""
    frames = min(GAIN_FRAMES, len(movie))
    first = (len(movie) - frames) // 2
    rows, columns = (
        slice((side - part) // 2, (side + part) // 2)
        for side, part in ((side, min(side, GAIN_SIDE_PX)) for side in movie.shape[1:])
    )
    return np.stack([movie.frame(index)[rows, columns] for index in range(first, first + frames)])
