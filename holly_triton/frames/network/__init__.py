"""The networks: ours, and two like published ones to compare it with."""

from holly_triton.frames.config.network import Network

from .decode_like import DecodeLike
from .luenn_like import LuennLike
from .unet import UNet

__all__ = ["AnyNetwork", "build"]

AnyNetwork = UNet | DecodeLike | LuennLike
"""Each states its ``stride``, to multiples of which frames are padded, its ``reach``, the pixels about one that an output
depends on, and its ``cells``, the outputs along a pixel's side."""


def build(settings: Network) -> AnyNetwork:
    """A network of these settings with random first weights, of PyTorch's global generator."""
    width, frames = settings.features, settings.frames_at_once
    if settings.preset == "luenn-like":
        return LuennLike(width, frames, settings.cells)
    return UNet(width, frames) if settings.preset == "own" else DecodeLike(width, frames)
