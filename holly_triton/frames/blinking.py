"""Blinking: emitters switch on at any moment, stay on for an exponential time, and are dimmer in frames that see a part of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .config.simulation import LEAD
from .samplers.sampler import poisson, uniform


def on_frames(start: Tensor, lasts: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """The frames 0 to ``frames - 1`` in which activations are seen.

    Args:
        start: When each begins ``[A]``, in frames; frame k lasts from k to k + 1.
        lasts: For how long ``[A]``, above 0.
        frames: Number of frames.

    Returns:
        For each pair of an activation and a frame: which activation, which frame, both int64, and the share of the frame for
        which it is on.
    """
    end = start + lasts
    first = start.floor().clamp(0, frames).long()
    last = end.ceil().clamp(0, frames).long()  # the one after its last frame
    lengths = (last - first).clamp_min(0)
    each = torch.repeat_interleave(lengths)
    frame = first[each] + torch.arange(len(each), device=each.device) - (lengths.cumsum(0) - lengths)[each]
    share = torch.minimum(end[each], frame + 1) - torch.maximum(start[each], frame.to(start.dtype))
    return each, frame, share.clamp(0, 1)


@dataclass
class Blinking:
    """Activations of a movie, block after block; those that are on at the end of a block go on in the next.

    Attributes:
        emitters: Mean emitters of a frame.
        on_time: Mean on-time, frames.
        fluorophores: Their number; each activation is of a random one.
    """

    emitters: float
    on_time: float
    fluorophores: int

    def blocks(
        self, frames: int, block: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Which fluorophore is on in which frame, for blocks of frames.

        Yields:
            ``[E]`` each, in order of the frames: the fluorophore, the frame within the block, the share of the frame for
            which it is on, and a standard normal number that is the activation's own, for its brightness.
        """
        carried = self._activations(-LEAD * self.on_time, 0.0, generator)
        for first in range(0, frames, block):
            length = min(block, frames - first)
            new = self._activations(0.0, length, generator)
            site, start, lasts, brightness = (torch.cat(parts) for parts in zip(carried, new, strict=True))
            each, frame, share = on_frames(start, lasts, length)
            order = frame.argsort(stable=True)
            yield site[each][order], frame[order], share[order], brightness[each][order]
            still = start + lasts > length
            carried = site[still], start[still] - length, lasts[still], brightness[still]

    def _activations(
        self, begin: float, end: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random activations between two moments: fluorophores, when, for how long, brightness."""
        # An emitter is seen in 1 + on_time frames on average.
        mean = torch.tensor([(end - begin) * self.emitters / (1 + self.on_time)], device=generator.device)
        count = int(poisson(mean, generator))
        start = uniform((count,), (begin, end), generator).sort().values
        lasts = torch.empty(count, device=generator.device).exponential_(1 / self.on_time, generator=generator)
        site = torch.randint(self.fluorophores, (count,), generator=generator, device=generator.device)
        return site, start, lasts, torch.randn(count, generator=generator, device=generator.device)
