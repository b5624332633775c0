"""Localise movies with Picasso 0.11. It is run by an interpreter that has Picasso, and imports nothing of holly-triton.

The argument is a JSON file: the bead stack and its step, the camera, and for each movie its options (``method``: gaussmle,
z by the widths; or spline-mle, z by a measured PSF) and where to write the columns of the result.
"""

import json
import os
import sys
import time
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile


class Picasso:
    """Picasso, calibrated with a bead stack on demand."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.localize = import_module("picasso.localize").localize
        self.beads = tifffile.memmap(job["beads"], mode="r")  # Picasso takes no plain arrays
        planes, height, width = self.beads.shape
        self.info = [{"Frames": planes, "Height": height, "Width": width, "Pixelsize": job["camera"]["Pixelsize"]}]

    @cache  # noqa: B019
    def calibration(self, method: str, box: int) -> dict[str, Any]:
        """What a method needs: polynomials of both widths, or a spline of the PSF."""
        job, step = self.job, self.job["step_nm"]
        if method == "spline-mle":
            spline = import_module("picasso.spline").calibrate_spline(
                self.beads, self.info, job["camera"], box, job["bead_gradient"], step, magnification_factor=1.0
            )
            return {"spline_calibration": spline}
        found, _ = self.run(self.beads, method, box, job["bead_gradient"])
        widths = import_module("picasso.zfit").calibrate_z(found, self.info, step, 1.0)
        return {"calibration_3d": widths}

    def run(self, movie: Any, method: str, box: int, gradient: float, **calibration: Any) -> Any:
        """A table of Picasso, and its metadata."""
        sides = {"Frames": len(movie), "Height": movie.shape[1], "Width": movie.shape[2]}
        return self.localize(
            movie,
            camera_info=self.job["camera"],
            identification_parameters={"Min. Net Gradient": gradient, "Box Size": box},
            movie_info=[{**self.info[0], **sides}],
            fitting_method=method,
            threaded=False,
            **calibration,
        )


def main(path: Path) -> None:
    """Run a job."""
    os.environ["MPLBACKEND"] = "Agg"
    job = json.loads(path.read_text())
    picasso, runs, warm = Picasso(job), [], set()
    for run in job["runs"]:
        movie, options = tifffile.memmap(run["frames"], mode="r"), run["options"]
        method, box, gradient = options["method"], options["box"], options["gradient"]
        calibration = picasso.calibration(method, box)
        if (method, box) not in warm:  # the first call compiles
            picasso.run(movie[: job["warm_up"]], method, box, gradient, **calibration)
            warm.add((method, box))
        start = time.process_time()
        found, _ = picasso.run(movie, method, box, gradient, **calibration)
        runs.append({"seconds": time.process_time() - start, "frames": len(movie), "limits": {}})
        lateral = np.hypot(found["lpx"], found["lpy"]) / np.sqrt(2)
        columns: dict[str, Any] = {name: found[name].to_numpy() for name in found.columns}
        np.savez(run["out"], lp_lateral=lateral, **columns)
    Path(job["report"]).write_text(json.dumps({"version": version("picassosr"), "runs": runs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
