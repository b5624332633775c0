"""Simulated particles of several structures in one data set."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from holly_triton.core.errors import HollyError

from .data.ragged import runs
from .simulate import Simulation


def shares_of_images(images: int, shares: Sequence[float]) -> list[int]:
    """How many particles are of each structure; the first has what is left by the ``shares`` of the others.

    Raises:
        HollyError: A structure would have no particle.
    """
    others = [round(images * share) for share in shares]
    counts = [images - sum(others), *others]
    if min(counts) < 1:
        raise HollyError(
            f"--also: of {images} pictures the structures would have {', '.join(map(str, counts))}; each needs one at least, "
            "so let the shares of the others add up to less than 1"
        )
    return counts


def mixed(parts: Sequence[Simulation], generator: torch.Generator, in_plane: int = 1) -> Simulation:
    """Particles of several structures in one random order.

    Args:
        parts: A simulation of each structure, all with the same noise.
        generator: Of the order.
        in_plane: Copies of each particle, which stay together.
    """
    first = parts[0]
    particles = [len(part.rotation) for part in parts]
    order = torch.randperm(sum(particles) // in_plane, generator=generator)
    order = (order[:, None] * in_plane + torch.arange(in_plane)).flatten()
    counts = torch.cat([part.offsets.diff() for part in parts])
    starts = counts.cumsum(0) - counts
    rows, offsets, _ = runs(starts[order], counts[order])
    amplitudes = [part.amplitude for part in parts if part.amplitude is not None]
    structure = torch.arange(len(parts)).repeat_interleave(torch.tensor(particles))
    return replace(
        first,
        positions=torch.cat([part.positions for part in parts])[rows],
        offsets=offsets,
        site=torch.cat([part.site for part in parts])[rows],
        rotation=torch.cat([part.rotation for part in parts])[order],
        shift=torch.cat([part.shift for part in parts])[order],
        amplitude=torch.cat(amplitudes)[order] if amplitudes else None,
        others=tuple(part.points for part in parts[1:]),
        structure=structure[order],
    )
