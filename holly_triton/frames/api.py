"""From camera frames to localisations in a few functions, for notebooks and programs; all of them are in ``holly_triton``.

>>> from holly_triton import evaluate_localisations, localise_frames, read_model, simulate_frames
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.io.movies.opening import open_movie

from . import localise
from .camera import read_camera
from .config.common import PIXEL_NM
from .config.scoring import Scoring
from .config.simulation import MovieSettings
from .localise import Model
from .localise.shipped import NAME, SHIPPED
from .movie import FRAMES, TRUTH, write_movie
from .psf import default_psf, read_psf
from .score.evaluate import evaluate
from .score.figures import Score
from .score.reading import read_truth

__all__ = ["SimulatedFrames", "evaluate_localisations", "localise_frames", "read_model", "simulate_frames"]


class SimulatedFrames(NamedTuple):
    """Frames and what they show."""

    frames: Array
    """What the camera stored, ``[B, H, W]`` uint16."""
    truth: Array
    """The emitters: a structured array with the fields frame (from 1), x, y, z (nm) and photons."""


def simulate_frames(
    settings: MovieSettings | None = None,
    *,
    frames: int | None = None,
    seed: int | None = None,
    psf: str | Path | None = None,
    camera: str = "photons",
) -> SimulatedFrames:
    """Simulate camera frames, as ``holly-triton frames simulate`` does.

    Args:
        settings: Where the emitters lie, how many and how bright they are, the size of a frame; the defaults if not given.
        frames: Number of frames; by default that of the settings.
        seed: Of every random choice; by default that of the settings.
        psf: A file that ``frames calibrate`` or another program wrote; an astigmatic Gaussian if not given.
        camera: ``photons``, ``scmos`` or ``challenge``, with changes such as ``scmos,offset_adu=98``, or a file.

    Raises:
        HollyError: A file can't be read, or a setting is out of bounds.

    Example:
        >>> from holly_triton import simulate_frames
        >>> made = simulate_frames(frames=3, seed=1)
        >>> made.frames.shape, sorted({*made.truth["frame"].tolist()})
        ((3, 64, 64), [1, 2, 3])
    """
    settings = settings or MovieSettings()
    settings = replace(
        settings,
        frames=settings.frames if frames is None else frames,
        seed=settings.seed if seed is None else seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_movie(out, settings, default_psf() if psf is None else read_psf(Path(psf)), read_camera(camera))
        blocks = [block.copy() for _, block in open_movie(out / FRAMES).blocks()]
        return SimulatedFrames(np.concatenate(blocks), read_truth(out / TRUTH).table)


def read_model(path: str | Path = NAME) -> Model:
    """Read a model that ``frames train`` has written; ``default`` is the one that ships.

    Raises:
        HollyError: There is no such file, or it is damaged or no model.

    Example:
        >>> from holly_triton import read_model
        >>> model = read_model()
        >>> model.psf.pixel_nm, model.psf.z_range_nm
        (100.0, (-700.0, 700.0))
    """
    return localise.read_model(SHIPPED if Path(path) == NAME else Path(path))


def localise_frames(model: Model, frames: Array, *, camera: str | None = None, threshold: float | None = None) -> Array:
    """Localise the emitters of successive frames.

    Args:
        model: From ``read_model``.
        frames: What the camera stored, ``[B, H, W]``.
        camera: As ``simulate_frames`` takes it; the model's if not given. For ``photons``, frames hold photons.
        threshold: Least probability of a localisation, at least 0.1; the model's if not given.

    Returns:
        A structured array with the fields frame (from 1), x, y, z and their standard deviations sigma_x, sigma_y, sigma_z
        (nm), photons, background (photons a pixel) and probability.

    Raises:
        HollyError: The camera is not known.

    Example:
        >>> from holly_triton import localise_frames, read_model, simulate_frames
        >>> made = simulate_frames(frames=20, seed=1)
        >>> found = localise_frames(read_model(), made.frames)
        >>> 0.7 < len(found) / len(made.truth) < 1.1
        True
    """
    chosen = None if camera is None else read_camera(camera)
    around = model.localiser.settings.frames_at_once // 2
    padded = np.pad(np.asarray(frames), ((around, around), (0, 0), (0, 0)), mode="edge")
    return localise.localise_block(model, 0, padded, chosen, lowest=threshold)


def evaluate_localisations(
    found: Array, truth: Array, shape: tuple[int, int], *, pixel_nm: float = PIXEL_NM, border_nm: float | None = None
) -> Score:
    """Compare localisations with the true emitters, as ``holly-triton frames evaluate`` does.

    Args:
        found: From ``localise_frames``.
        truth: From ``simulate_frames``.
        shape: Rows and columns of a frame.
        pixel_nm: Side of a pixel, nm.
        border_nm: What is this near to an edge is left out; 450 nm if not given.

    Returns:
        The figures by name in ``main``: jaccard, recall, precision, rmse_lateral, rmse_axial (nm), efficiency_3d and others.

    Example:
        >>> from holly_triton import evaluate_localisations, localise_frames, read_model, simulate_frames
        >>> made = simulate_frames(frames=20, seed=1)
        >>> score = evaluate_localisations(localise_frames(read_model(), made.frames), made.truth, (64, 64))
        >>> bool(score.main["jaccard"] > 0.7)
        True
    """
    settings = Scoring(width_nm=shape[1] * pixel_nm, height_nm=shape[0] * pixel_nm, pixel_nm=pixel_nm)
    return evaluate(found, truth, settings if border_nm is None else replace(settings, border_nm=border_nm))
