"""Localise movies with ``frames fit`` or ``frames localise``, as jobs of the same form as those of other programs."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch

from holly_triton import __version__
from holly_triton.core.types import Array
from holly_triton.frames.calibration.command import calibrate_file
from holly_triton.frames.camera import Camera, read_camera
from holly_triton.frames.config.fitting import Fitting
from holly_triton.frames.fit import fit_frames
from holly_triton.frames.localise import localise_block, read_model
from holly_triton.frames.psf import read_psf

Localise = Callable[[Array], Array]
Limits = dict[str, float]


def by_fit(job: dict[str, Any], folder: Path, camera: Camera) -> tuple[Localise, Limits]:
    """What ``frames fit`` does after ``frames calibrate``, and the limits that it sets by default."""
    path, usual = folder / "psf.h5", Fitting()
    calibration = dict(job["calibration"])
    if "positions" in calibration:
        calibration["positions"] = Path(calibration["positions"])
    for _ in calibrate_file(Path(job["beads"]), path, step=job["step_nm"], overwrite=True, **calibration):
        pass
    psf, lax = read_psf(path), Fitting(max_misfit=1e9, max_sigma_nm=1e9)

    def localise(adu: Array) -> Array:
        return fit_frames(camera.photons(torch.from_numpy(adu)), psf, camera, lax).table

    return localise, {"misfit": usual.max_misfit, "sigma_lateral": usual.max_sigma_nm}


def by_network(job: dict[str, Any], camera: Camera) -> tuple[Localise, Limits]:
    """What ``frames localise`` does with a model, the polish included, and its threshold."""
    model = read_model(Path(job["model"]), torch.device("cpu"))

    def localise(adu: Array) -> Array:
        return localise_block(model, 0, adu, camera, polished=True)

    return localise, {"probability": model.threshold}


def main(path: Path) -> None:
    """Run a job."""
    torch.set_num_threads(1)
    job = json.loads(path.read_text())
    camera, runs = read_camera(job["camera"]), []
    localise, limits = by_network(job, camera) if "model" in job else by_fit(job, path.parent, camera)
    for index, run in enumerate(job["runs"]):
        adu = tifffile.imread(run["frames"]).astype(np.float32)
        if index == 0:
            localise(adu[: job["warm_up"]])
        start = time.process_time()
        found = localise(adu)
        runs.append({"seconds": time.process_time() - start, "frames": len(adu), "limits": limits})
        lateral = np.hypot(found["sigma_x"], found["sigma_y"]) / np.sqrt(2)
        columns: dict[str, Any] = {name: found[name] for name in found.dtype.names or ()}
        np.savez(run["out"], sigma_lateral=lateral, **columns)
    Path(job["report"]).write_text(json.dumps({"version": __version__, "runs": runs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
