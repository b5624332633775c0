"""The challenge's own frames and bead stack: a real camera's noise, a PSF that is no Gaussian, and few emitters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.frames.config.common import PIXEL_NM
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.score import read_truth

from .config import Condition
from .methods import Method, ours, smappy
from .movies import Clip

BEADS = {"step_nm": 10.0, "first_depth_nm": -750.0}
MIDDLE = 75
"""Plane of the bead stack that is in focus, whose rows of z_stack hold the beads' positions in columns 2 and 3."""
CAMERA = {"conversion": 45.0, "offset": 100.0, "pixelsize_um": PIXEL_NM / 1000, "em_on": True, "emgain": 300.0}
"""The challenge's EM-CCD, as SMAPpy names it."""
SMAPPY = {
    "roi_size": 25, "min_distance_px": 22, "detection_sigma_px": 2.0, "max_z_shift_nm": 50, "alignment_range_nm": 500,
}  # fmt: skip
"""SMAPpy's calibration with the challenge's six beads."""
DIM = 0.25
"""Share of the emitters, the dimmest, that the challenge sets aside."""
NAMES = ("smappy", "frames fit")
"""Programs with a PSF that is measured."""


def challenge_clip(data: Path, folder: Path) -> Clip:
    """The frames of a folder ``test_frames`` as one movie, with the truth of ``activations.csv``.

    Raises:
        HollyError: The folder has no such frames.
    """
    pages = sorted((data / "test_frames").glob("*.tif"))
    if not pages:
        raise HollyError(f"{data}: has no test_frames/*.tif; give the folder of the challenge's frames")
    frames = np.stack([tifffile.imread(page) for page in pages])
    path = folder / "challenge.tif"
    tifffile.imwrite(path, frames, photometric="minisblack")
    truth = read_truth(data / "activations.csv").table
    truth = truth[truth["frame"] <= len(frames)]
    emitters = len(truth) / len(frames)
    return Clip(Condition(0.0, 0.0, emitters), path, truth, Scoring(dim_quantile=DIM, resamplings=0))


def real_method(name: str, environments: Path, data: Path, folder: Path) -> Method:
    """A program, for the challenge's frames.

    Raises:
        UnavailableError: It can't be installed.
    """
    beads: Mapping[str, Any] = {"beads": str(data / "beads_as.tif"), **BEADS}
    if name == "smappy":
        return smappy(environments, beads, CAMERA, SMAPPY, ({"roisize": 17},))
    positions = folder / "positions.csv"
    with np.load(data / "as_zstack.npz") as stack:
        np.savetxt(positions, stack["z_stack"][MIDDLE][:, 2:4], delimiter=",", header="x [nm],y [nm]", comments="")
    calibration = {"pixel_size": PIXEL_NM, "positions": str(positions), "keep_brightness": True, "depths": (-700, 700)}
    return ours(beads, "challenge", calibration)
