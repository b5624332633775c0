"""STAND-IN until branch camera has samplers and simulate."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.emitters import Emitters


class Batch(NamedTuple):
    photons: Tensor
    adu: Tensor
    emitters: Emitters
    background: Tensor


@dataclass
class RandomSampler:
    z_range: tuple[float, float] = (-700.0, 700.0)

    def draw(self, density, field_nm, generator):
        w, h = field_nm[0] + 1000, field_nm[1] + 1000
        n = torch.poisson(density * w * h / 1e6, generator=generator).long()
        u = torch.rand(int(n.sum()), 3, generator=generator, device=density.device)
        lo, hi = self.z_range
        xyz = u * u.new_tensor([w, h, hi - lo]) - u.new_tensor([500.0, 500.0, -lo])
        return Emitters.of(xyz, torch.ones(len(xyz), device=xyz.device), n)


def loguniform(lo, hi, n, generator):
    return torch.exp(math.log(lo) + (math.log(hi) - math.log(lo)) * torch.rand(n, generator=generator, device=generator.device))


def draw_batch(sampler, psf, camera, settings, batch, shape, generator):
    rho = loguniform(0.05, 10, batch, generator)
    mean = loguniform(700, 25000, batch, generator)
    b = mean / 100 * loguniform(0.5, 2, batch, generator)
    e = sampler.draw(rho, (shape[1] * psf.pixel_nm, shape[0] * psf.pixel_nm), generator)
    f = e.frame()
    spread = 0.03 + 0.12 * torch.rand(batch, generator=generator, device=rho.device)
    photons = mean[f] * (1 + spread[f] * torch.randn(len(f), generator=generator, device=rho.device)).clamp(0.3)
    e = Emitters(e.xyz, photons, e.offsets)
    background = b[:, None, None].expand(-1, *shape)
    adu = camera.record(psf.draw(e, shape) + background, generator)
    return Batch(camera.photons(adu), adu, e, background)
