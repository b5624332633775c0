"""Complete spatial randomness, mixtures of samplers, and the control that has the numbers of another without its structure."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from holly_triton.frames.config.samplers import MARGIN_NM
from holly_triton.frames.emitters import Emitters

from .sampler import Range, Sampler, poisson, widened


@dataclass(frozen=True)
class RandomSampler:
    """Emitters that are independent and uniform over the field and the range of depths."""

    z_range_nm: Range

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """See ``Sampler``: the nominal density of random emitters is their density."""
        width, height = widened(field_nm)
        counts = poisson(density * (frames * width * height / 1e6), generator)
        return uniformly(counts, field_nm, self.z_range_nm, generator)

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """See ``Sampler``."""
        return uniformly(torch.tensor([number]), field_nm, self.z_range_nm, generator).xyz


@dataclass(frozen=True)
class EqualCountSampler:
    """A control: in each frame as many emitters as another sampler puts there, at random positions."""

    other: Sampler
    z_range_nm: Range

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """See ``Sampler``; the density is the nominal one of the other sampler."""
        counts = self.other.draw(density, field_nm, generator, frames=frames).counts
        return uniformly(counts, field_nm, self.z_range_nm, generator)

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """See ``Sampler``."""
        return uniformly(torch.tensor([number]), field_nm, self.z_range_nm, generator).xyz


@dataclass(frozen=True)
class MixedSampler:
    """Each frame by one of several samplers, which is drawn with these probabilities.

    Raises:
        ValueError: There is not one share above 0 for each part.
    """

    parts: Sequence[Sampler]
    shares: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.parts) or min(self.shares, default=0) <= 0:
            raise ValueError("a mixture needs one share above 0 for each of its samplers")

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """See ``Sampler``."""
        device = generator.device
        chosen = self._parts(len(density), generator)
        density = density.to(device)
        xyz, frame = [], []
        for number, part in enumerate(self.parts):
            places = torch.nonzero(chosen == number)[:, 0]
            drawn = part.draw(density[places], field_nm, generator, frames=frames)
            xyz.append(drawn.xyz)
            frame.append(places[drawn.frame()])
        order = torch.cat(frame).argsort(stable=True)
        counts = torch.bincount(torch.cat(frame), minlength=len(density))
        return Emitters.of(torch.cat(xyz)[order], torch.ones(len(order), device=device), counts)

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """See ``Sampler``: those of one of the samplers."""
        return self.parts[int(self._parts(1, generator))].fluorophores(number, field_nm, generator)

    def _parts(self, frames: int, generator: torch.Generator) -> Tensor:
        if frames == 0:  # a mixture within a mixture may have none, and multinomial refuses that
            return torch.zeros(0, dtype=torch.int64, device=generator.device)
        shares = torch.tensor(self.shares, dtype=torch.float32, device=generator.device)
        return torch.multinomial(shares, frames, replacement=True, generator=generator)


def uniformly(counts: Tensor, field_nm: tuple[float, float], z_range_nm: Range, generator: torch.Generator) -> Emitters:
    """Uniform emitters of these numbers ``[B]`` over a field with its margin."""
    width, height = widened(field_nm)
    least, most = z_range_nm
    total = int(counts.sum())
    size = torch.tensor([width, height, most - least], device=generator.device)
    corner = torch.tensor([-MARGIN_NM, -MARGIN_NM, least], device=generator.device)
    xyz = torch.rand((total, 3), generator=generator, device=generator.device) * size + corner
    return Emitters.of(xyz, torch.ones(total, device=generator.device), counts)
