"""The Cramér-Rao bound: the smallest standard deviation that any unbiased method can reach (Ober et al. 2004; Smith et al. 2010).

With mu_i the expected photons of pixel i, v_i the variance of what the camera measures there and theta the unknowns, the
Fisher information is I = sum_i (1 / v_i) dmu_i/dtheta dmu_i/dtheta^T, and the variances of theta are at least the diagonal
of its inverse. That is exact for a counter of photons. For other cameras it takes the noise of a pixel as normally distributed
with a known variance, which differs from the exact bound by a few percent below about one photon a pixel.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from holly_triton.frames.camera import Camera
from holly_triton.frames.config.psf import BOUND_RIDGE
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import Psf
from holly_triton.frames.psf.model import pixels_of, windows

FEWEST_VARIANCE = 1e-9
"""Photons squared: an ideal camera measures a pixel in the dark without an error, which would be infinite information."""


def cramer_rao(
    emitters: Emitters, background: Tensor, psf: Psf, camera: Camera, shape: tuple[int, int], *, multi: bool
) -> Tensor:
    """Smallest standard deviations of the position and the photons of every emitter.

    Args:
        emitters: E emitters in B frames.
        background: Photons a pixel ``[B]``, itself an unknown.
        psf: How the light spreads.
        camera: Its variance.
        shape: (H, W).
        multi: Whether all emitters of a frame are estimated together, as they must be; otherwise each as if it were the
            only one in its frame.

    Returns:
        ``[E, 4]`` float32: x, y and z, nm, and photons. Very large numbers mark emitters that cannot be told apart, and
        infinity those without light in their frame.
    """
    noise = Noise.of(camera, shape, emitters.xyz.device)
    found = _together(emitters, background, psf, noise) if multi else _alone(emitters, background, psf, noise)
    return found.to(emitters.xyz)


class Noise(NamedTuple):
    """Variance of the photons measured in each pixel, ``[1, H, W]``: ``dark + each * expected``."""

    dark: Tensor
    each: Tensor

    @staticmethod
    def of(camera: Camera, shape: tuple[int, int], device: torch.device | None = None) -> "Noise":
        """That of a camera, whose variance is linear in the photons: that of a dark pixel, and what each photon adds."""
        shown = torch.zeros(1, *shape, device=device)
        dark = camera.variance(shown).expand_as(shown)
        return Noise(dark, camera.variance(shown + 1) - dark)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.dark.shape[1]), int(self.dark.shape[2])

    def weight(self, expected: Tensor, pixel: Tensor | slice = slice(None)) -> Tensor:
        """1 / variance where so many photons are expected, in pixels given by their place in the flattened frame."""
        dark, each = self.dark.flatten()[pixel], self.each.flatten()[pixel]
        return 1 / (dark + each * expected).clamp(min=FEWEST_VARIANCE)


def _alone(emitters: Emitters, background: Tensor, psf: Psf, noise: Noise) -> Tensor:
    """Deviations ``[E, 4]`` of each emitter as the only one, its background unknown too."""
    one_frame = torch.zeros_like(emitters.frame())
    around = background[emitters.frame()]
    parts = [emitters.xyz.new_zeros(0, 4).double()]
    for part, corner, local in windows(psf, emitters):
        pixel, inside = pixels_of(corner, psf.size, one_frame[part], noise.shape)
        light, jacobian = _jacobian(psf, local, emitters.photons[part], inside)
        weight = noise.weight(light + around[part, None, None], pixel)
        jacobian = torch.cat([jacobian, inside[:, None]], dim=1).flatten(2).double()  # [e, 5, S * S]
        parts.append(deviations(jacobian * weight.flatten(1)[:, None] @ jacobian.mT)[:, :4])
    return torch.cat(parts)


def _together(emitters: Emitters, background: Tensor, psf: Psf, noise: Noise) -> Tensor:
    """Deviations ``[E, 4]`` where all emitters of a frame and its background are unknown."""
    expected = psf.draw(emitters, noise.shape) + background[:, None, None]
    parts = [emitters.xyz.new_zeros(0, 4).double()]
    for frame, (first, last) in enumerate(pairwise(emitters.offsets.tolist())):
        weight = noise.weight(expected[frame].flatten()).double().cpu().numpy()
        jacobian = _sparse_jacobian(psf, emitters.xyz[first:last], emitters.photons[first:last], noise.shape)
        weighted = jacobian.multiply(weight).tocsr()
        information = np.empty((jacobian.shape[0] + 1,) * 2)
        information[:-1, :-1] = (weighted @ jacobian.T).toarray()
        information[:-1, -1] = information[-1, :-1] = np.asarray(weighted.sum(axis=1)).ravel()
        information[-1, -1] = weight.sum()
        parts.append(deviations(torch.from_numpy(information)[None])[0, :-1].view(-1, 4).to(expected.device))
    return torch.cat(parts)


def _jacobian(psf: Psf, local: Tensor, photons: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """In patches, expected photons ``[e, S, S]`` and their derivatives by x, y, z and photons ``[e, 4, S, S]``."""
    light, by_xyz = psf.patches(local, psf.size)
    by_all = torch.cat([by_xyz * photons[:, None, None, None], light[:, None]], dim=1)
    return light * photons[:, None, None], by_all * inside[:, None]


def _sparse_jacobian(psf: Psf, xyz: Tensor, photons: Tensor, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Derivatives of one frame ``[4 n, H * W]``: a row for x, y, z and photons of each of its n emitters."""
    alone = Emitters(xyz, photons, torch.tensor([0, len(xyz)], device=xyz.device))
    values, rows, columns = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for part, corner, local in windows(psf, alone):
        pixel, inside = pixels_of(corner, psf.size, torch.zeros(len(local), dtype=torch.long, device=xyz.device), shape)
        jacobian = _jacobian(psf, local, photons[part], inside)[1]
        emitter = inside.nonzero()[:, 0] + part.start
        row = 4 * emitter[:, None] + torch.arange(4, device=xyz.device)  # [n, 4]
        values.append(jacobian.movedim(1, -1)[inside].flatten().double().cpu().numpy())
        rows.append(row.flatten().cpu().numpy())
        columns.append(pixel[inside].repeat_interleave(4).cpu().numpy())
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(values), where), shape=(4 * len(xyz), shape[0] * shape[1]))


def deviations(information: Tensor) -> Tensor:
    """Standard deviations ``[n, k]`` from Fisher information ``[n, k, k]``; infinite where there is none."""
    scale = information.diagonal(dim1=1, dim2=2).sqrt()
    known = scale > 0
    unit = torch.where(known, scale, 1.0)
    ridge = BOUND_RIDGE * torch.eye(information.shape[1], dtype=unit.dtype, device=unit.device)
    ridge = ridge + torch.diag_embed((~known).to(unit))
    inverse = torch.linalg.inv(information / unit[:, :, None] / unit[:, None, :] + ridge)
    return torch.where(known, inverse.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt() / unit, torch.inf)
