"""The programs that are compared, and how each is run."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.config.common import PIXEL_NM, Z_RANGE_NM

from .config import BEAD_REACH_NM, BEAD_STEP_NM, PICASSO_BEADS, PICASSO_OPTIONS, SMAPPY_OPTIONS, WARM_UP
from .conversions import Columns, from_ours, from_picasso, from_smappy
from .environments import UnavailableError, call, interpreter
from .movies import Clip
from .scoring import Found, Quality

HERE = Path(__file__).resolve().parent
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """A program, or a command of ours."""

    name: str
    command: tuple[str, ...]
    """A process that takes a job."""
    convert: Callable[[Columns, float], Array]
    qualities: tuple[Quality, ...]
    job: Mapping[str, Any]
    """What is the same for all movies of one camera: the bead stack, the camera, the calibration."""
    options: tuple[Options, ...] = ({},)
    """Options that are tried on the frames for tuning."""
    align: bool = True
    """Whether a constant offset is measured and taken off."""
    versions: list[str] = field(default_factory=list)
    """Filled by the first run."""

    def run(self, folder: Path, clips: Sequence[Clip], options: Sequence[Options]) -> list[Found]:
        """Localise movies, each with its own options.

        Raises:
            UnavailableError: The program fails.
        """
        folder.mkdir(parents=True, exist_ok=True)
        outs = [folder / f"{index}.npz" for index in range(len(clips))]
        runs = [
            {"frames": str(clip.frames), "out": str(out), "options": dict(chosen)}
            for clip, out, chosen in zip(clips, outs, options, strict=True)
        ]
        report, job = folder / "report.json", folder / "job.json"
        job.write_text(json.dumps({**self.job, "runs": runs, "report": str(report), "warm_up": WARM_UP}))
        call([*self.command, job])
        done = json.loads(report.read_text())
        self.versions[:] = [done["version"]]
        return [self._found(out, clip, result) for out, clip, result in zip(outs, clips, done["runs"], strict=True)]

    def _found(self, out: Path, clip: Clip, result: Mapping[str, Any]) -> Found:
        with np.load(out) as file:
            columns = {name: file[name] for name in file.files}
        table = self.convert(columns, clip.scoring.pixel_nm)
        return Found(table, columns, result["limits"], result["seconds"], result["frames"])


def smappy(
    environments: Path,
    beads: Mapping[str, Any],
    camera: Mapping[str, Any],
    calibration: Options,
    options: tuple[Options, ...],
) -> Method:
    """SMAPpy (BSD-3): difference of Gaussians, maximum likelihood with a spline PSF.

    Args:
        environments: Folder of the environments.
        beads: Path, step and first depth of the stack.
        camera: Its conversion, offset and pixel.
        calibration: Settings of SMAPpy's calibration.
        options: Sides of the region that are tried.

    Raises:
        UnavailableError: It can't be installed.
    """
    needed = ("numpy", "scipy", "tifffile", "h5py", "pyyaml")
    installs = (("--no-deps", "smappy-smlm"), needed)  # its other dependencies are those of its windows
    python = interpreter(environments / "smappy", "smappy-smlm", installs)
    return Method(
        "smappy",
        (str(python), "-I", str(HERE / "run_smappy.py")),
        from_smappy,
        (Quality("logl_rel", True), Quality("xy_err_nm", False)),
        {**beads, "camera": camera, "calibration": calibration},
        options=options,
    )


def picasso(
    environments: Path, beads: Mapping[str, Any], camera: Mapping[str, Any], options: tuple[Options, ...]
) -> Method:
    """Picasso (MIT): net gradient, maximum likelihood of an elliptical Gaussian, z from both widths.

    Args:
        environments: Folder of the environments.
        beads: Path, step and first depth of the stack.
        camera: As Picasso names it.
        options: Boxes and least net gradients that are tried.

    Raises:
        UnavailableError: It can't be installed.
    """
    python = interpreter(environments / "picassosr", "picassosr", (("picassosr", "tifffile"),))
    return Method(
        "picassosr",
        (str(python), "-I", str(HERE / "run_picasso.py")),
        from_picasso,
        (Quality("lpz", False), Quality("lp_lateral", False)),
        {**beads, "camera": camera, "bead_gradient": PICASSO_BEADS},
        options=options,
    )


def ours(beads: Mapping[str, Any], camera: str, calibration: Options) -> Method:
    """``frames fit``, whose default limits are applied afterwards, so that others can be tried on the same result."""
    return Method(
        "frames fit", _own(), from_ours, (Quality("misfit", False), Quality("sigma_lateral", False)),
        {**beads, "camera": camera, "calibration": calibration}, align=False,
    )  # fmt: skip


def network(model: Path, camera: str) -> Method:
    """``frames localise`` with a model; the same."""
    return Method(
        "frames localise", _own(), from_ours, (Quality("probability", True), Quality("sigma_lateral", False)),
        {"model": str(model), "camera": camera}, align=False,
    )  # fmt: skip


def _own() -> tuple[str, ...]:
    return sys.executable, "-m", "holly_triton.harness.frames_peers.run_own"


NAMES = ("smappy", "picassosr", "frames fit", "frames localise")
CAMERA = {"conversion": 1.0, "offset": 0.0, "pixelsize_um": PIXEL_NM / 1000}
"""Counting of photons, as SMAPpy names it,"""
PICASSO_CAMERA = {"Baseline": 0, "Sensitivity": 1.0, "Gain": 1, "Pixelsize": PIXEL_NM}
"""and as Picasso does."""


def simulated_method(name: str, environments: Path, beads: Path, model: Path | None) -> Method:
    """A program, for the simulated frames.

    Raises:
        UnavailableError: It can't be installed.
    """
    stack = {"beads": str(beads), "step_nm": BEAD_STEP_NM, "first_depth_nm": -BEAD_REACH_NM}
    if name == "smappy":
        return smappy(environments, stack, CAMERA, {"roi_size": 25, "min_distance_px": 24}, SMAPPY_OPTIONS)
    if name == "picassosr":
        return picasso(environments, stack, PICASSO_CAMERA, PICASSO_OPTIONS)
    if name == "frames fit":
        return ours(stack, "photons", {"depths": Z_RANGE_NM})
    if model is None:
        raise UnavailableError("no model was given")
    return network(model, "photons")
