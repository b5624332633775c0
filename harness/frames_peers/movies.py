"""The frames of the comparison: simulated movies with their truth, and the stack of beads from which all calibrate."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holly_triton.core.types import Array
from holly_triton.frames.beads import write_beads
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.config.simulation import MovieSettings
from holly_triton.frames.movie import FRAMES, TRUTH, write_movie
from holly_triton.frames.psf import default_psf
from holly_triton.frames.score import read_truth

from .config import BEAD_BACKGROUND, BEAD_REACH_NM, BEAD_STEP_NM, BEADS, SIDE_PX, SPREAD, Condition


@dataclass(frozen=True)
class Clip:
    """A movie and its truth."""

    condition: Condition
    frames: Path
    truth: Array
    scoring: Scoring


def simulated(
    folder: Path, condition: Condition, emitters: int, positions: Path | None, seed: int, on_time: float | None = None
) -> Clip:
    """Frames of emitters on a structure, with the default PSF, an even background, and Poisson noise.

    Args:
        folder: Where to write.
        condition: Photons, background and crowding.
        emitters: Of all frames together, on average.
        positions: A truth whose distinct positions are the structure; None is microtubules of our own sampler.
        seed: Of all random numbers.
        on_time: Mean on-time of emitters, frames; None for frames that are independent of each other.
    """
    settings = MovieSettings(
        frames=max(1, round(emitters / condition.emitters)), width_px=SIDE_PX, height_px=SIDE_PX, sampling="structure",
        structure=None if positions is None else str(positions), density=None, emitters=condition.emitters,
        photons=condition.photons, spread=SPREAD, background=condition.background, background_variation=0.0, seed=seed, on_time=on_time,
    )  # fmt: skip
    psf = default_psf()
    write_movie(folder, settings, psf, camera_preset("photons"), overwrite=True)
    side = SIDE_PX * psf.pixel_nm
    scoring = Scoring(width_nm=side, height_nm=side, pixel_nm=psf.pixel_nm, resamplings=0)
    return Clip(condition, folder / FRAMES, read_truth(folder / TRUTH).table, scoring)


def bead_stack(path: Path, seed: int) -> None:
    """Beads through more than the depths of the emitters, which every program's calibration needs at the ends."""
    psf = replace(default_psf(), z_min_nm=-BEAD_REACH_NM, z_max_nm=BEAD_REACH_NM)
    settings, generator = MovieSettings(background=BEAD_BACKGROUND), torch.Generator().manual_seed(seed)
    write_beads(path, BEADS, BEAD_STEP_NM, psf, camera_preset("photons"), settings, generator)
