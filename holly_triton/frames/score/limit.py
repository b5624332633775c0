"""The Cramér-Rao bound of the emitters of a simulated movie, from the files that ``frames simulate`` wrote."""

import tomllib
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array
from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.camera.named import read_camera
from holly_triton.frames.config.scoring import BOUND_BLOCK
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import read_psf


def deviations_beside(truth: Path, table: Array) -> Array:
    """Smallest standard deviations of each emitter, all emitters of a frame being unknown together.

    The background is the mean of the movie; its variation is left out.

    Args:
        truth: The truth of a simulated movie, beside its ``settings.toml`` and ``psf.h5``.
        table: Its emitters ``[T]``, as ``read_truth`` gives them.

    Returns:
        ``[T, 4]``: x, y and z, nm, and photons; infinite for emitters without a position or photons.

    Raises:
        HollyError: A file is missing or damaged.
    """
    settings = Path(truth).with_name("settings.toml")
    if not settings.is_file():
        raise HollyError(
            f"{settings}: is not there, and --bound needs it and psf.h5 beside the truth; give the truth.csv that frames simulate "
            "wrote, in its folder, or leave --bound out"
        )
    with foreign(settings, "the settings of a simulated movie"):
        movie = tomllib.loads(settings.read_text(encoding="utf-8"))["movie"]
        shape, background = (int(movie["height_px"]), int(movie["width_px"])), float(movie["background"])
    psf, camera = read_psf(settings.with_name("psf.h5")), read_camera(str(settings))
    known = np.flatnonzero(np.all([np.isfinite(table[name]) for name in ("x", "y", "z", "photons")], axis=0))
    order = known[np.argsort(table["frame"][known], kind="stable")]
    counts = np.unique(table["frame"][order], return_counts=True)[1]
    found = np.full((len(table), 4), np.inf)
    starts = range(0, len(counts), BOUND_BLOCK)
    ends = np.concatenate([[0], np.cumsum(counts)])
    with in_parts(len(starts)) as begin:
        for start in starts:
            begin("Cramér-Rao bound")
            block = counts[start : start + BOUND_BLOCK]
            rows = order[ends[start] : ends[start + len(block)]]
            xyz = torch.from_numpy(np.stack([table[axis][rows] for axis in "xyz"], axis=1)).float()
            photons = torch.from_numpy(table["photons"][rows]).float()
            emitters = Emitters.of(xyz, photons, torch.from_numpy(block))
            level = torch.full((len(block),), background)
            found[rows] = cramer_rao(emitters, level, psf, camera, shape, multi=True).numpy()
    return found
