"""What a simulated movie shows: emitters of every frame, on structures that stay where they are for the whole of it."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array

from .blinking import Blinking
from .config.samplers import MARGIN_NM
from .config.simulation import DIMMEST, LARGEST_POOL, POOL_PER_UM2, SCENE_COPIES, MovieSettings
from .emitters import Emitters
from .samplers.named import Sampling, is_truth, make_sampler, truth_points
from .samplers.random import MixedSampler, RandomSampler
from .samplers.sampler import Range, Sampler
from .samplers.structures import PoolSampler
from .simulate import emission


class Scene:
    """The emitters of a movie's frames.

    Random emitters of independent frames are new in each. Others are fluorophores of a pool, on one structure. The positions
    of a truth stay as they are in its file.

    Attributes:
        notes: Sentences about what was left out.
    """

    def __init__(
        self, settings: MovieSettings, field_nm: tuple[float, float], z_range_nm: Range, generator: torch.Generator
    ) -> None:
        """Draw the structure.

        Raises:
            HollyError: The structure can't be read, or does not lie in the field.
        """
        self.settings, self.field_nm, self.generator = settings, field_nm, generator
        self.notes: list[str] = []
        if settings.on_time is not None and settings.sampling == "mixed":
            raise HollyError("mixed sampling has random and structured frames; blinking emitters need one of the two")
        if settings.sampling == "random" and settings.structure is not None:
            raise HollyError(
                f"{settings.structure}: random sampling has no structure; pass --sampling structure, or mixed"
            )
        area = field_nm[0] * field_nm[1] / 1e6
        random_density = settings.density or (settings.emitters or 0.0) / area
        self.density = torch.tensor([settings.density or random_density])
        random = RandomSampler(z_range_nm)
        pool = None
        if settings.sampling != "random" or settings.on_time is not None:
            # Of random emitters the number is known without a table of it.
            count = random_density * area if settings.sampling == "random" else settings.emitters
            pool = PoolSampler(self._fluorophores(z_range_nm), field_nm, count)
        self.sampler: Sampler = random if pool is None else pool
        if settings.sampling == "mixed" and pool is not None:
            self.sampler = MixedSampler((random, pool), (0.5, 0.5))
        self.blinking = None
        if pool is not None and settings.on_time is not None:
            mean = float(pool.rate(self.density))
            self.blinking = Blinking(mean, settings.on_time, len(pool.sites))
            self.sites = pool.sites

    def blocks(self, block: int) -> Iterator[Emitters]:
        """The emitters of the movie's frames, in blocks of this number of frames or fewer."""
        settings, generator = self.settings, self.generator
        if self.blinking is None:
            for first in range(0, settings.frames, block):
                length = min(block, settings.frames - first)
                drawn = self.sampler.draw(self.density.expand(length), self.field_nm, generator)
                yield drawn._replace(photons=self._photons(len(drawn.xyz)))
            return
        for first, (site, frame, share, brightness) in enumerate(
            self.blinking.blocks(settings.frames, block, generator)
        ):
            length = min(block, settings.frames - first * block)
            bright = settings.photons * (1 + settings.spread * brightness).clamp_min(DIMMEST)
            yield Emitters.of(self.sites[site], bright * share, torch.bincount(frame, minlength=length))

    def _photons(self, emitters: int) -> Tensor:
        mean, spread = (torch.full((emitters,), value) for value in (self.settings.photons, self.settings.spread))
        return emission(mean, spread, self.generator)

    def _fluorophores(self, z_range_nm: Range) -> Array:
        """Sites ``[N, 3]`` of the pool, nm, in the field and its margin."""
        settings = self.settings
        if settings.structure is not None and is_truth(Path(settings.structure)):
            return self._in_place(Path(settings.structure), z_range_nm)
        sampling: Sampling = "random" if settings.sampling == "random" else "structure"
        sampler = make_sampler(
            sampling,
            z_range_nm,
            settings.structure,
            orientation=settings.orientation,
            copies=SCENE_COPIES,
            unit_nm=settings.unit_nm,
        )
        wanted = min(POOL_PER_UM2 * math.prod(self.field_nm) / 1e6, LARGEST_POOL)
        sites = sampler.fluorophores(math.ceil(wanted), self.field_nm, self.generator)
        if len(sites) == 0:
            raise HollyError(f"{settings.structure or sampling}: gives no fluorophores in this field; make it larger")
        return np.asarray(sites.numpy())

    def _in_place(self, path: Path, z_range_nm: Range) -> Array:
        points = truth_points(path)
        least, most = z_range_nm
        limits = [(-MARGIN_NM, side + MARGIN_NM) for side in self.field_nm] + [(least, most)]
        kept = np.all(
            [(points[:, axis] >= low) & (points[:, axis] <= high) for axis, (low, high) in enumerate(limits)], 0
        )
        width, height = self.field_nm
        where = f"the field of {width:g} x {height:g} nm and the depths {least:g} to {most:g} nm"
        if not kept.any():
            raise HollyError(f"{path}: none of its {len(points)} positions lie in {where}; give --size, or another PSF")
        if not kept.all():
            self.notes.append(
                f"{path}: {(~kept).sum()} of {len(points)} positions lie outside {where} and are left out."
            )
        return np.asarray(points[kept])
