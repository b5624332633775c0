"""``python -m holly_triton.harness.frames_limit MODEL``: a model on isolated emitters, beside the Cramér-Rao bound, and on empty frames."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.origin import commit
from holly_triton.core.types import Array
from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.localise import Model, localise_block, read_model
from holly_triton.frames.simulate import emission, vary

from .records import device_name

LEVELS = ((1000.0, 10.0), (5000.0, 50.0), (20000.0, 200.0))
"""Photons, and background photons a pixel."""
VARIATIONS = (0.0, 0.2)
"""Of the background within a frame, as a share of its mean (standard deviation)."""
FRAMES, EMPTY, SIDE_PX, EMPTY_SIDE_PX, SEED, SPREAD = 600, 1000, 32, 64, 5, 0.05
MIDDLE_NM, REACH_NM = (1200.0, 2000.0), 690.0
"""Where emitters lie along x and y, and how far from the focus at most."""
NEAR_NM = (250.0, 500.0)
"""Lateral and axial distance within which a localisation is of the emitter."""

INTRODUCTION = f"""# Isolated emitters beside the limit, and empty frames

One emitter in each of {FRAMES} frames of {SIDE_PX} x {SIDE_PX} px, anywhere in the middle and at most {REACH_NM:g} nm from the focus, with the model's PSF
and camera. Figures are root mean squares of the errors over their Cramér-Rao bounds along x, y and z, which take the background
as even, and of the errors over the stated deviations (pull). Lost are emitters without a localisation within {NEAR_NM[0]:g} nm
laterally and {NEAR_NM[1]:g} nm axially.

| photons, background | its variation | localised | lost | error over bound: x, y, z | pull: x, y, z |
| --- | --- | --- | --- | --- | --- |
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.frames_limit", description=__doc__)
    parser.add_argument("model", type=Path, help="of frames train")
    parser.add_argument("--report", type=Path, default=Path("reports/frames/limit.md"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model, text = read_model(options.model), INTRODUCTION
    for row in rows_of(model):
        print(*row, sep=" | ", flush=True)
        text += "| " + " | ".join(row) + " |\n"
    false = [empty(model, background) for _, background in LEVELS]
    said = ", ".join(f"{count} at {background:g}" for count, (_, background) in zip(false, LEVELS, strict=True))
    text += (
        f"\nFalse localisations in {EMPTY} empty frames of {EMPTY_SIDE_PX} x {EMPTY_SIDE_PX} px each: {said} background photons a pixel.\n\n"
        f"{options.model.name}, measured on {device_name('cpu').partition(',')[0]}; commit {commit()}. To measure again: "
        "`python -m holly_triton.harness.frames_limit MODEL`.\n"
    )  # fmt: skip
    options.report.write_text(text, encoding="utf-8")
    print(options.report)
    return 0


def rows_of(model: Model) -> Iterator[list[str]]:
    """The rows of the table, in words."""
    for photons, background in LEVELS:
        for variation in VARIATIONS:
            emitters, adu = isolated(model, photons, background, variation)
            bound = cramer_rao(
                emitters, torch.full((FRAMES,), background), model.psf, model.camera, (SIDE_PX, SIDE_PX), multi=False
            ).numpy()[:, :3]  # fmt: skip
            for polished in (True, False):
                table = localise_block(model, 0, adu, polished=polished)
                errors, of = matched(table, emitters)
                sigma = np.stack([table[f"sigma_{axis}"] for axis in "xyz"], axis=1)[of >= 0]
                true = of[of >= 0]
                ratios = [errors / bound[true], errors / sigma]
                shown = [", ".join(f"{value:.2f}" for value in np.sqrt((part**2).mean(axis=0))) for part in ratios]
                how = "as it comes" if polished else "not polished"
                lost = 1 - len(np.unique(true)) / FRAMES
                yield [f"{photons:g}, {background:g}", f"{variation:.0%}", how, f"{lost:.1%}", *shown]


def isolated(model: Model, photons: float, background: float, variation: float) -> tuple[Emitters, Array]:
    """One emitter a frame, and what the camera stored."""
    generator = torch.Generator().manual_seed(SEED)
    xy = torch.empty(FRAMES, 2).uniform_(*MIDDLE_NM, generator=generator)
    z = torch.empty(FRAMES, 1).uniform_(-REACH_NM, REACH_NM, generator=generator)
    bright = emission(torch.full((FRAMES,), photons), torch.full((FRAMES,), SPREAD), generator)
    emitters = Emitters.of(torch.cat([xy, z], dim=1), bright, torch.ones(FRAMES, dtype=torch.long))
    shape = (SIDE_PX, SIDE_PX)
    ground = vary(torch.full((FRAMES,), background), shape, variation, generator)
    return emitters, model.camera.record(model.psf.draw(emitters, shape) + ground, generator).numpy()


def matched(table: Array, emitters: Emitters) -> tuple[Array, Array]:
    """Errors ``[M, 3]`` nm of the localisations near the emitter of their frame, and for each row of the table that emitter, or -1."""
    of = table["frame"] - 1
    errors = np.stack([table[axis] for axis in "xyz"], axis=1) - emitters.xyz.numpy()[of]
    near = (np.hypot(errors[:, 0], errors[:, 1]) <= NEAR_NM[0]) & (np.abs(errors[:, 2]) <= NEAR_NM[1])
    return errors[near], np.where(near, of, -1)


def empty(model: Model, background: float) -> int:
    """Localisations in frames without any emitter."""
    generator = torch.Generator().manual_seed(SEED)
    frames = torch.full((EMPTY, EMPTY_SIDE_PX, EMPTY_SIDE_PX), background)
    return len(localise_block(model, 0, model.camera.record(frames, generator).numpy()))


if __name__ == "__main__":
    sys.exit(main())
