"""The test frames of the study: kinds of positions, densities and levels of noise, the same frames for every network."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.files import digest
from holly_triton.core.types import Array
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import default_psf
from holly_triton.frames.samplers import PoolSampler, RandomSampler, Sampler, make_sampler
from holly_triton.frames.samplers.named import truth_points
from holly_triton.frames.score.matching import in_field
from holly_triton.frames.simulate import draw_batch
from holly_triton.frames.train.validation import truth_table

from .config import (
    CHUNK,
    DENSITIES,
    FOREIGN,
    FOREIGN_DENSITIES,
    FRAME_PX,
    INVENTION_DENSITIES,
    INVENTION_TIMES,
    MEDIUM,
    SEED,
    SNRS,
    SPARSE,
    SPREAD,
    UNIFORM_DENSITIES,
    Snr,
    StudyScale,
)
from .sheets import SheetSampler

SCORING = Scoring(resamplings=0)
"""The challenge's; the field of 6.4 um is that of the frames."""
FAINTEST_DENSITY = 1e-9
"""Of frames without emitters."""


@dataclass(frozen=True)
class Cell:
    """One kind of test frames."""

    kind: str
    """``figure3``: the positions of the microtubules; ``uniform``; ``empty``; or a structure of ``FOREIGN``."""
    density: float
    """Nominal emitters per square micrometre."""
    snr: Snr

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.kind}-{self.density:g}-{self.snr.photons:g}"


@dataclass(frozen=True)
class CellFrames:
    """Frames of a cell with their truth."""

    photons: Tensor  # [B, H, W]
    emitters: Emitters
    truth: Array


def all_cells() -> list[Cell]:
    """Every cell of the study, those of the figure first."""
    return [
        *(Cell("figure3", density, snr) for snr in SNRS for density in (SPARSE, *DENSITIES)),
        *(Cell("uniform", density, snr) for snr in SNRS for density in UNIFORM_DENSITIES),
        *(Cell(kind, density, MEDIUM) for kind in FOREIGN for density in FOREIGN_DENSITIES),
        *(Cell("empty", 0.0, snr) for snr in SNRS),
    ]


def seeks_structure(cell: Cell) -> bool:
    """Whether invented structure is sought in a cell."""
    return cell.kind == "uniform" and cell.density in INVENTION_DENSITIES


@dataclass(frozen=True)
class Bench:
    """What draws the test frames.

    Attributes:
        scale: How many emitters there are.
        positions: A truth whose distinct positions are the fluorophores of ``figure3``; without one, these are the walls of
            microtubules that are new in every frame.
    """

    scale: StudyScale
    positions: Path | None

    def key(self, cell: Cell) -> dict[str, Any]:
        """All that the frames of a cell follow from, as JSON holds it."""
        content = _digest(self.positions) if cell.kind == "figure3" and self.positions else ""
        scale = self.scale
        limits = [self._wanted(cell), scale.most_frames, scale.fewest_frames]
        if cell.kind == "empty":
            limits = [scale.empty_frames]
        return {
            "cell": cell.name,
            "background": cell.snr.background,
            "seed": SEED,
            "limits": limits,
            "positions": content,
        }

    def draw(self, cell: Cell) -> CellFrames:
        """The frames of a cell, on the CPU; they follow from its name and the scale alone.

        Raises:
            HollyError: The positions can't be read.
        """
        sampler, settings = sampler_of(cell.kind, self.positions), _settings(cell)
        parts: list[tuple[Tensor, Emitters]] = []
        scored = frames = 0
        while not self._enough(cell, frames, scored):
            generator = torch.Generator().manual_seed(_seed(cell, len(parts)))
            shape = (FRAME_PX, FRAME_PX)
            batch = draw_batch(sampler, default_psf(), camera_preset("photons"), settings, CHUNK, shape, generator)
            emitters = batch.emitters
            if cell.kind == "empty":
                emitters = emitters.take(torch.zeros(len(emitters.xyz), dtype=torch.bool))
            parts.append((batch.photons, emitters))
            frames += CHUNK
            scored += scored_in(truth_table(emitters, 1))
        return _joined(parts)

    def _enough(self, cell: Cell, frames: int, scored: int) -> bool:
        if cell.kind == "empty":
            return frames >= self.scale.empty_frames
        if frames < self.scale.fewest_frames:
            return False
        return scored >= self._wanted(cell) or frames >= self.scale.most_frames

    def _wanted(self, cell: Cell) -> int:
        return self.scale.emitters * (INVENTION_TIMES if seeks_structure(cell) else 1)


def scored_in(truth: Array) -> int:
    """How many of the emitters of a truth are scored."""
    return int(in_field(truth, SCORING.width_nm, SCORING.height_nm, SCORING.border_nm).sum())


@cache
def sampler_of(kind: str, positions: Path | None) -> Sampler:
    """What draws the emitters of a kind of cells.

    Raises:
        HollyError: The positions can't be read.
    """
    depths = default_psf().z_range_nm
    if kind in ("uniform", "empty"):
        return RandomSampler(depths)
    if kind == "sheet":
        return SheetSampler(depths)
    if kind == "figure3":
        return make_sampler("structure", depths, "walls") if positions is None else PoolSampler(truth_points(positions))
    return make_sampler("structure", depths, kind)


def _settings(cell: Cell) -> FrameSettings:
    photons, background = cell.snr
    density = cell.density or FAINTEST_DENSITY
    return FrameSettings(
        density_least=density, density_most=density, photons_least=photons, photons_most=photons,
        spread_least=SPREAD, spread_most=SPREAD, background_unit="photons", background_least=background,
        background_most=background, background_variation=0.0,
    )  # fmt: skip


def _seed(cell: Cell, chunk: int) -> int:
    words = [SEED, zlib.crc32(cell.name.encode()), chunk]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _joined(parts: list[tuple[Tensor, Emitters]]) -> CellFrames:
    photons = torch.cat([photons for photons, _ in parts])
    counts = torch.cat([emitters.counts for _, emitters in parts])
    xyz, bright = (torch.cat([getattr(emitters, name) for _, emitters in parts]) for name in ("xyz", "photons"))
    emitters = Emitters.of(xyz, bright, counts)
    return CellFrames(photons, emitters, truth_table(emitters, 1))


_digest = cache(digest)


def by_snr(cells: list[Cell], kind: str) -> Iterator[tuple[Snr, list[Cell]]]:
    """The cells of a kind at each level of noise, by rising density."""
    for snr in SNRS:
        found = sorted((cell for cell in cells if cell.kind == kind and cell.snr == snr), key=lambda cell: cell.density)
        if found:
            yield snr, found
