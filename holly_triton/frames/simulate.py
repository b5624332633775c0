"""Camera frames of emitters: the one generator of simulated movies, of training and validation, and of the experiments."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from holly_triton.core.errors import HollyError

from .blinking import on_frames
from .camera import Camera
from .config.simulation import DIMMEST, LEAD, NODE_PX, FrameSettings
from .emitters import Emitters
from .psf import Psf
from .samplers.sampler import Sampler, log_uniform, normal, uniform


class Batch(NamedTuple):
    """Simulated frames and their truth. With a window of F > 1 consecutive frames, frames are ``[B, F, H, W]``."""

    photons: Tensor
    """``[B, H, W]``: what ``Camera.photons`` makes of the numbers."""
    adu: Tensor
    """``[B, H, W]``: the numbers that the camera stored."""
    emitters: Emitters
    """Of the (middle) frame, those in its margin included."""
    background: Tensor
    """``[B, H, W]`` expected photons a pixel."""


def draw_batch(
    sampler: Sampler,
    psf: Psf,
    camera: Camera,
    settings: FrameSettings,
    batch: int,
    shape: tuple[int, int],
    generator: torch.Generator,
) -> Batch:
    """Simulate frames, each with its own density, photons and background.

    Everything follows from the generator's state, and is on its device; the PSF must be there.

    Args:
        sampler: Of the emitters' positions.
        psf: How an emitter's light spreads.
        camera: What records it.
        settings: Of the random quantities.
        batch: Number of frames, or of windows of consecutive frames.
        shape: (H, W) of a frame.
        generator: Of all random numbers.

    Raises:
        HollyError: Several consecutive frames are asked for without an on-time, or the maps of the camera are too small.
    """
    field_nm = (shape[1] * psf.pixel_nm, shape[0] * psf.pixel_nm)
    density = log_uniform((batch,), (settings.density_least, settings.density_most), generator)
    mean = log_uniform((batch,), (settings.photons_least, settings.photons_most), generator)
    spread = uniform((batch,), (settings.spread_least, settings.spread_most), generator)
    level = _between(batch, settings.background_least, settings.background_most, generator)
    level = level * mean if settings.background_unit == "share" else level
    background = vary(level, shape, settings.background_variation, generator)
    drawn = sampler.draw(density, field_nm, generator, frames=_activations(settings))
    of_each = drawn.frame()
    bright = emission(mean[of_each], spread[of_each], generator)
    emitters = _window(drawn._replace(photons=bright), settings, generator)
    expected = psf.draw(emitters, shape).view(batch, settings.window, *shape) + background[:, None]
    seeing = camera.seeing(batch * settings.window, shape, generator)
    adu = seeing.record(expected.flatten(0, 1), generator)
    photons, several = seeing.photons(adu), (batch, settings.window, *shape)
    if settings.window > 1:
        photons, adu = photons.view(several), adu.view(several)
    return Batch(photons, adu, _middle(emitters, settings.window), background)


def emission(mean: Tensor, spread: Tensor, generator: torch.Generator) -> Tensor:
    """Photons ``[E]`` about their means ``[E]`` with relative standard deviations ``[E]``, none far below its mean."""
    return mean * (1 + spread * normal(tuple(mean.shape), generator)).clamp_min(DIMMEST)


def vary(level: Tensor, shape: tuple[int, int], variation: float, generator: torch.Generator) -> Tensor:
    """Backgrounds ``[B, H, W]`` of these mean levels ``[B]`` which vary smoothly, by this share of the level (s.d.)."""
    if variation == 0:
        return level[:, None, None].expand(-1, *shape)
    nodes = tuple(max(2, round(side / NODE_PX)) for side in shape)
    noise = normal((len(level), 1, *nodes), generator)
    smooth = interpolate(noise, size=shape, mode="bicubic", align_corners=True)[:, 0]
    return level[:, None, None] * (1 + variation * smooth).clamp_min(DIMMEST)


def _between(batch: int, least: float, most: float, generator: torch.Generator) -> Tensor:
    """Log-uniform ``[B]``, or uniform where the least is 0."""
    bounds = least, most
    return uniform((batch,), bounds, generator) if least == 0 else log_uniform((batch,), bounds, generator)


def _activations(settings: FrameSettings) -> float:
    """How many times the emitters of a frame switch on, from before the window until its end."""
    if settings.on_time is None:
        if settings.window > 1:
            raise HollyError(
                f"a window of {settings.window} frames needs on_time, the mean on-time of an emitter in frames"
            )
        return 1.0
    # Those of a frame switched on within 1 + on_time of its end, on average.
    return (settings.window + LEAD * settings.on_time) / (1 + settings.on_time)


def _window(drawn: Emitters, settings: FrameSettings, generator: torch.Generator) -> Emitters:
    """Emitters in B x F frames, the frames of a window one after the other."""
    if settings.on_time is None:
        return drawn
    lead = LEAD * settings.on_time
    start = uniform((len(drawn.xyz),), (-lead, settings.window), generator)
    lasts = -settings.on_time * torch.log1p(-torch.rand(len(start), generator=generator, device=start.device))
    each, frame, share = on_frames(start, lasts, settings.window)
    place = drawn.frame()[each] * settings.window + frame
    order = place.argsort(stable=True)
    counts = torch.bincount(place, minlength=drawn.frames * settings.window)
    return Emitters.of(drawn.xyz[each][order], (drawn.photons[each] * share)[order], counts)


def _middle(emitters: Emitters, window: int) -> Emitters:
    if window == 1:
        return emitters
    frame = emitters.frame()
    kept = frame % window == window // 2
    counts = emitters.counts.view(-1, window)[:, window // 2]
    return Emitters.of(emitters.xyz[kept], emitters.photons[kept], counts)
