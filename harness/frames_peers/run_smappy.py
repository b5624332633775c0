"""Localise movies with SMAPpy. It is run by an interpreter that has SMAPpy, and imports nothing of holly-triton.

The argument is a JSON file: the bead stack, its step and first depth, the camera, and for each movie its options and where
to write the columns of the result.
"""

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile


def calibrated(job: dict[str, Any], folder: Path) -> str:
    """A spline calibration, by SMAPpy from the beads."""
    core, beads = import_module("smappy.calibrate.core"), tifffile.imread(job["beads"]).astype(np.float32)
    depths = job["first_depth_nm"] + job["step_nm"] * np.arange(len(beads))
    stack = import_module("smappy.calibrate.input").BeadStack(beads, depths, source="beads")
    settings = core.CalibrationSettings(**job["calibration"])
    found = core.build_calibration(core.collect_beads([stack], settings))
    path = folder / "smappy.h5"
    path.unlink(missing_ok=True)  # SMAPpy does not overwrite
    import_module("smappy.io.calibration").save_spline_calibration(str(path), found.calibration)
    return str(path)


def main(path: Path) -> None:
    """Run a job."""
    job = json.loads(path.read_text())
    fit = import_module("smappy").fit
    calibration = calibrated(job, path.parent)
    runs = []
    for index, run in enumerate(job["runs"]):
        frames = tifffile.imread(run["frames"]).astype(np.float32)
        options = {"camera": job["camera"], "calibration": calibration, "threads": 1, **run["options"]}
        if index == 0:
            fit(frames[: job["warm_up"]], **options)
        start = time.process_time()
        found = fit(frames, **options)
        runs.append({"seconds": time.process_time() - start, "frames": len(frames), "limits": {}})
        columns: dict[str, Any] = {name: np.asarray(found[name]) for name in found.columns}
        np.savez(run["out"], **columns)
    Path(job["report"]).write_text(json.dumps({"version": version("smappy-smlm"), "runs": runs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
