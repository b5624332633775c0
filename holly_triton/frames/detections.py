"""Emitters that a network detected, on its device, and the table of them."""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.localisations import localisations


class Detections(NamedTuple):
    """K detections, in the order of their frames."""

    frame: Tensor  # [K], counted from 0
    xyz: Tensor  # [K, 3] nm
    photons: Tensor  # [K]
    background: Tensor  # [K] photons a pixel
    probability: Tensor  # [K]
    sigma: Tensor  # [K, 4]: of x, y and z, nm, and of the logarithm of the photons
    crowding: Tensor  # [K]: expected number of emitters in a square of CROWD_PX about it, itself included

    def take(self, kept: Tensor) -> "Detections":
        """Those that a mask ``[K]`` or indices name."""
        return Detections(*(part[kept] for part in self))

    def table(self, first: int) -> Array:
        """The table of ``frames.localisations``; the first frame has this number."""
        host = Detections(*(part.cpu() for part in self))
        rows = localisations(len(host.frame))
        rows["frame"] = host.frame.numpy() + first
        for name, values in zip("xyz", host.xyz.numpy().T, strict=True):
            rows[name] = values
        rows["photons"], rows["background"] = host.photons.numpy(), host.background.numpy()
        rows["probability"] = host.probability.numpy()
        for name, values in zip(("sigma_x", "sigma_y", "sigma_z"), host.sigma.numpy().T, strict=False):
            rows[name] = values
        rows["sigma_photons"] = rows["photons"] * host.sigma[:, 3].numpy()
        return rows


def nothing_known(frame: Tensor, xyz: Tensor, probability: Tensor) -> Detections:
    """Detections ``[K]`` of a network that predicts positions ``[K, 3]`` only: all else is NaN."""
    unknown = torch.full_like(probability, torch.nan)
    return Detections(frame, xyz, unknown, unknown, probability, unknown[:, None].expand(-1, 4), unknown)
