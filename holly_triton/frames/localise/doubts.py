"""Whether a movie looks like the frames that a model was trained on: its background, its noise, the size of its spots."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera
from holly_triton.frames.config import CROWDED_PER_UM2, MARGIN_OF_SEEN, SATURATED_SHARE
from holly_triton.frames.network.inputs import rough_background

SIDE = 5
"""Of the square about a pixel whose mean, without the pixel, states how bright its surroundings are."""
DARK = 0.2
"""Share of the pixels, those with the darkest surroundings, in which the noise is measured."""
SAMPLED = 8
"""Frames of a block that are looked at."""
ENDS = (0.01, 0.99)
"""Quantiles of the training's frames between which a movie should lie."""

Ranges = dict[str, tuple[float, float]]
"""What training frames were like: from and to, for each name of ``statistics``."""


def statistics(photons: Tensor, camera: Camera) -> dict[str, Tensor]:
    """Properties ``[B]`` of frames ``[B, H, W]`` of at least 8 x 8 pixels, photons at the camera.

    ``background`` is in photons a pixel; ``noise`` is the variance among dark pixels over what the camera gives them;
    ``spots`` is the ratio of the frame's correlations at distances of two pixels and of one, which the noise of pixels, being
    independent, does not change, and which rises with the size of the spots.
    """
    square = photons.new_full((1, 1, SIDE, SIDE), 1 / (SIDE**2 - 1))
    square[..., SIDE // 2, SIDE // 2] = 0
    around = functional.conv2d(photons[:, None], square).flatten(1)
    middle = photons[:, SIDE // 2 : -(SIDE // 2), SIDE // 2 : -(SIDE // 2)].flatten(1)
    dark = around.argsort(dim=1)[:, : max(1, round(DARK * around.shape[1]))]
    level, apart = around.gather(1, dark), (middle - around).gather(1, dark)
    expected = camera.variance(level.mean(1).clamp(min=0)) * (1 + 1 / (SIDE**2 - 1))
    return {
        "background": rough_background(photons),
        "noise": apart.square().mean(1) / expected,
        "spots": _spots(photons),
    }


def _spots(photons: Tensor) -> Tensor:
    centred = photons - photons.mean(dim=(1, 2), keepdim=True)

    def correlation(lag: int) -> Tensor:
        down = (centred[:, lag:] * centred[:, :-lag]).mean(dim=(1, 2))
        return down + (centred[:, :, lag:] * centred[:, :, :-lag]).mean(dim=(1, 2))

    return correlation(2) / correlation(1).clamp(min=1e-6)


def ranges_of(photons: Tensor, camera: Camera) -> Ranges:
    """Ranges of the statistics over training frames ``[B, H, W]``."""
    ends = photons.new_tensor(ENDS)
    found = {name: values.quantile(ends).tolist() for name, values in statistics(photons, camera).items()}
    return {name: (low, high) for name, (low, high) in found.items()}


def _background(value: float, low: float, high: float) -> str:
    return (
        f"its background is about {value:.3g} photons a pixel, and the model was trained on {low:.3g} to {high:.3g}; check the "
        "offset and the gain of --camera, or train a model for such frames"
    )


def _noise(value: float, low: float, high: float) -> str:
    del low
    many = "more" if value > high else "less"
    return f"its noise has {value:.2g} times the variance that the camera gives, {many} than in training; is --camera right?"


def _spots_words(value: float, low: float, high: float) -> str:
    del low
    size = "larger" if value > high else "smaller"
    return (
        f"its spots are {size} than those that the model was trained on; train with the PSF of this microscope (--psf)"
    )


WORDS: dict[str, Callable[[float, float, float], str]] = {
    "background": _background,
    "noise": _noise,
    "spots": _spots_words,
}


class Doubts:
    """What was seen of a movie, block after block."""

    def __init__(self, seen: Ranges, camera: Camera) -> None:
        self._seen, self._camera = seen, camera
        self._values: dict[str, list[Tensor]] = {name: [] for name in WORDS}
        self._saturated, self._pixels, self._found, self._frames = 0, 0, 0, 0

    def look(self, adu: Array) -> None:
        """At a block ``[b, H, W]`` of what the camera stored."""
        stored = torch.from_numpy(np.asarray(adu[:SAMPLED], np.float32))
        self._saturated += int(self._camera.saturated(stored).sum())
        self._pixels += stored.numel()
        if min(stored.shape[1:]) > SIDE:
            for name, values in statistics(self._camera.photons(stored), self._camera).items():
                self._values[name].append(values)

    def count(self, frames: int, found: int) -> None:
        """Localisations in so many frames."""
        self._frames, self._found = self._frames + frames, self._found + found

    def sentences(self, field_um2: float) -> list[str]:
        """What a person should know, about frames of an area."""
        said = []
        for name, (low, high) in self._seen.items():
            values = torch.cat(self._values[name]) if self._values[name] else torch.empty(0)
            values = values[values.isfinite()]
            if not len(values):
                continue
            value, slack = float(values.median()), MARGIN_OF_SEEN
            if not low / slack <= value <= high * slack:
                said.append(WORDS[name](value, low, high))
        if self._pixels and self._saturated > SATURATED_SHARE * self._pixels:
            share = 100 * self._saturated / self._pixels
            said.append(f"{share:.2g} % of the pixels are saturated; photons and positions of emitters there are wrong")
        density = self._found / max(1, self._frames) / field_um2
        if density > CROWDED_PER_UM2:
            said.append(
                f"there are {density:.1f} localisations per square micrometre and frame; at more than {CROWDED_PER_UM2:g} most "
                "emitters can't be resolved from their neighbours. Record fewer emitters at once"
            )
        return said
