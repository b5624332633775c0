"""``python -m holly_triton.harness.frames_deviations MODEL``: whether the deviations that a model states are those of its errors.

Frames of one density and one number of photons, which no training or validation has seen, are localised, not polished; the pull is the
error of a matched localisation over the deviation that is stated for it, and has a standard deviation of 1 where these are right.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.origin import commit
from holly_triton.core.types import Array
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.localise import Model, read_model
from holly_triton.frames.samplers.named import Sampling, make_sampler
from holly_triton.frames.train.stream import Stream
from holly_triton.frames.train.validation import Examples

from .records import device_name

SAMPLINGS: dict[Sampling, str | None] = {"random": None, "structure": "microtubules"}
PHOTONS = (1000.0, 5000.0, 20000.0)
FRAMES = {0.05: 200, 0.38: 80, 1.0: 40, 2.2: 40, 5.4: 20}
"""How many, by the nominal density, emitters per square micrometre; of structures twice as many."""
SHARE = 0.01
"""Background a pixel, as a share of the photons."""
SEED, PURPOSE, SIDE_PX, FAR = 1000, 50, 64, 5.0

HEADER = (
    "emitters", "per µm²", "photons", "pairs", "lateral pull", "axial pull", "lateral, without the far ones",
    "axial, without the far ones", "far ones, lateral", "within 1 deviation, lateral",
)  # fmt: skip
INTRODUCTION = f"""# The deviations that `frames localise` states

The pull is the error of a matched localisation over the deviation that is stated for it, here its root mean square over all
pairs; it is 1 where the deviations are right. Frames of {SIDE_PX} x {SIDE_PX} px with the model's PSF, random emitters or
microtubules of our sampler, a background of {SHARE:.0%} of the photons a pixel, not polished. Pairs whose error
is larger than {FAR:g} typical deviations, which are the far ones, are of two emitters that were found as one, or matched wrongly: an error
of that kind can't be seen in what the network gives. 68 % of normal errors are within 1 deviation.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.frames_deviations", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="of frames train; several are compared on the same frames")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the frames")
    parser.add_argument("--report", type=Path, default=Path("reports/frames/deviations.md"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    parts = [INTRODUCTION]
    for path in options.models:
        lines = ["| " + " | ".join(HEADER) + " |", f"|{' --- |' * len(HEADER)}"]
        for row in rows_of(read_model(path), options.scale):
            lines.append("| " + " | ".join(row) + " |")
            print(path.name, lines[-1], flush=True)
        parts.append(f"## {path.name}\n\n" + "\n".join(lines) + "\n")
    parts.append(
        f"Measured on {device_name('cpu').partition(',')[0]}; commit {commit()}. To measure again: `python -m "
        "holly_triton.harness.frames_deviations MODEL`.\n"
    )
    options.report.write_text("\n".join(parts), encoding="utf-8")
    print(options.report)
    return 0


def rows_of(model: Model, scale: float) -> Iterator[list[str]]:
    """The rows of a model, in words."""
    for sampling, structure in SAMPLINGS.items():
        for density, frames in FRAMES.items():
            count = max(1, round(scale * frames * (1 if structure is None else 2)))
            each = [(photons, pulls(model, sampling, density, photons, count)) for photons in PHOTONS]
            for photons, pull in (*each, (None, np.concatenate([pull for _, pull in each]))):
                shown = "all" if photons is None else f"{photons:g}"
                yield [sampling, f"{density:g}", shown, str(len(pull)), *figures(pull)]


def pulls(model: Model, sampling: Sampling, density: float, photons: float, frames: int) -> Array:
    """Pulls along x, y and z ``[K, 3]`` of what a model finds in frames of a kind."""
    settings = FrameSettings(
        density_least=density, density_most=density, photons_least=photons, photons_most=photons,
        background_least=SHARE, background_most=SHARE, background_variation=0.0,
    )  # fmt: skip
    sampler = make_sampler(sampling, model.psf.z_range_nm, SAMPLINGS[sampling])
    stream = Stream(sampler, model.psf, model.camera, settings, SEED, torch.device("cpu"))
    examples = Examples.of(stream, PURPOSE, frames, SIDE_PX)
    found = examples.localised(model, model.threshold)
    score = examples.score(found)
    return np.asarray(
        score.errors / np.stack([found[f"sigma_{axis}"][score.pairs.localisation] for axis in "xyz"], axis=1)
    )


def figures(pull: Array) -> list[str]:
    """What is shown of pulls ``[K, 3]``."""
    lateral, axial = pull[:, :2].ravel(), pull[:, 2]
    near = [part[np.abs(part) <= FAR * np.median(np.abs(part)) / 0.6745] for part in (lateral, axial)]
    of_all = [f"{np.sqrt(np.mean(part**2)):.2f}" for part in (lateral, axial, *near)]
    return [*of_all, f"{1 - len(near[0]) / len(lateral):.1%}", f"{np.mean(np.abs(lateral) <= 1):.0%}"]


if __name__ == "__main__":
    sys.exit(main())
