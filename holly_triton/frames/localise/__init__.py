"""Localisations in camera frames by a trained model."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera
from holly_triton.frames.config.localisation import (
    BEYOND_DEPTHS,
    BEYOND_FRAME_PX,
    BEYOND_PHOTONS,
    LOWEST_PROBABILITY,
    PASS_PIXELS,
)
from holly_triton.frames.detections import Detections
from holly_triton.frames.fit import polish
from holly_triton.frames.localisations import localisations

from .model import Model, read_model, write_model

__all__ = ["Model", "localise_block", "localise_frames", "localise_windows", "read_model", "write_model"]


def localise_frames(model: Model, photons: Tensor, *, first: int = 1, lowest: float | None = None) -> Array:
    """Localise the emitters of successive frames.

    Args:
        model: On the device of the frames.
        photons: ``[B, H, W]``, photons at the camera as ``Camera.photons`` gives them.
        first: Number of the first frame.
        lowest: Least probability, at least ``LOWEST_PROBABILITY``; that of the model if not given.

    Returns:
        The table of ``frames.localisations``, in the order of the frames.
    """
    count = model.localiser.settings.frames_at_once
    return localise_windows(model, _windows(_continued(photons, count // 2), count), first, lowest)


def localise_block(
    model: Model,
    first: int,
    adu: Array,
    camera: Camera | None = None,
    *,
    lowest: float | None = None,
    polished: bool = False,
) -> Array:
    """Localise the emitters of some frames of a movie.

    Args:
        model: On the device that is to do the work.
        first: Index of the first of them, counted from 0.
        adu: What the camera stored ``[b, H, W]``; where a network sees three frames, also the frame before and the one after.
        camera: That of the movie; the model's if not given.
        lowest: As ``localise_frames`` takes it.
        polished: Whether isolated emitters are fitted too (``frames.fit.polish``).

    Returns:
        The table of their localisations; frames are counted from 1.
    """
    camera = camera or model.camera
    device = next(model.localiser.network.parameters()).device
    photons = camera.photons(torch.from_numpy(np.asarray(adu, np.float32))).to(device)
    count = model.localiser.settings.frames_at_once
    around = count // 2
    table = localise_windows(model, _windows(photons, count), first + 1, lowest)
    middle = photons[around : len(photons) - around]
    return polish(middle, table, model.psf, camera, first=first + 1) if polished else table


def localise_windows(model: Model, windows: Tensor, first: int, lowest: float | None = None) -> Array:
    """Localise the emitters of the middle ones of T successive frames ``[B, T, H, W]``; else as ``localise_frames``."""
    lowest = model.threshold if lowest is None else lowest
    step = max(1, PASS_PIXELS[windows.device.type] // windows[0, 0].numel()) if len(windows) else 1
    tables = []
    for begin in range(0, len(windows), step):
        found = model.localiser.detect(windows[begin : begin + step], min(lowest, LOWEST_PROBABILITY))
        found = found.take((found.probability >= lowest) & _possible(found, model, windows.shape[2:]))
        found = model.scales.applied(found)
        tables.append(found.table(first + begin))
    return np.concatenate(tables) if tables else localisations(0)


def _possible(found: Detections, model: Model, shape: Sequence[int]) -> Tensor:
    """Which detections ``[K]`` can be of an emitter; what is not known of one (NaN) does not count against it."""
    pixel_nm, (low, high) = model.psf.pixel_nm, model.psf.z_range_nm
    beyond = found.xyz.new_tensor(
        [BEYOND_FRAME_PX * pixel_nm, BEYOND_FRAME_PX * pixel_nm, BEYOND_DEPTHS * (high - low)]
    )
    least = found.xyz.new_tensor([0, 0, low]) - beyond
    most = found.xyz.new_tensor([shape[1] * pixel_nm, shape[0] * pixel_nm, high]) + beyond
    outside = ((found.xyz < least) | (found.xyz > most)).any(dim=1)
    return ~outside & ~(found.photons > BEYOND_PHOTONS * model.training.frames.photons_most)


def _windows(photons: Tensor, count: int) -> Tensor:
    """Each frame of ``[b + count - 1, H, W]`` with those about it: ``[b, count, H, W]``."""
    return photons.unfold(0, count, 1).movedim(3, 1)


def _continued(photons: Tensor, around: int) -> Tensor:
    return torch.cat([photons[:1], photons, photons[-1:]]) if around else photons
