"""``holly-triton frames reproduce``: whether structure-based training helps, against controls."""

import sys
from pathlib import Path
from typing import Any, get_args

import click

from holly_triton.frames.config.network import Device
from holly_triton.frames.paper.config import ARMS, SCALES, Arm

from ..options import ABOVE_ZERO, SOME_PATH, words


@click.command()
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True, help="paper: wider networks and longer trainings, for a GPU.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Networks of each arm. [default: 2, or 3 at the scale paper]")  # fmt: skip
@click.option("--arms", metavar="LIST", default=",".join(get_args(Arm)), show_default=True, help="What the networks are trained on.")  # fmt: skip
@click.option("--positions", type=SOME_PATH, metavar="FILE", help="Truth of the SMLM challenge 2016, activations.csv: its microtubules are the test. [default: tubes like these]")  # fmt: skip
@click.option("--minutes", type=ABOVE_ZERO, metavar="M", help="Time for each training, in place of the scale's steps.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Steps of each training.")
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--out", type=SOME_PATH, default=Path("reports/frames"), show_default=True, metavar="FOLDER")
def reproduce(scale: str, arms: str, minutes: float | None, steps: int | None, **given: Any) -> None:
    """Compare structure-based training with random training, and write figure 3 of the paper with its controls.

    Networks are trained on random emitters (as many, or as crowded), on microtubules, and on both, and are compared on the
    same frames: nine densities at three levels of noise, random frames, other structures, empty frames. Finished networks and
    evaluations are kept in FOLDER/nets: the same command continues, or adds seeds.

    \b
    Examples:
      holly-triton frames reproduce --positions activations.csv
      holly-triton frames reproduce --scale paper --seeds 3 --device cuda
    """
    import dataclasses

    from holly_triton.frames.paper.reproduce import Study
    from holly_triton.frames.paper.reproduce import reproduce as carry_out

    if minutes is not None and steps is not None:
        raise click.UsageError("--steps and --minutes are two ways to say how long; give one of them")
    settings = SCALES[scale]
    if minutes is not None or steps is not None:
        settings = dataclasses.replace(settings, minutes=minutes, steps=steps)
    seeds = given.pop("seeds") or settings.seeds
    sys.exit(carry_out(Study(name=scale, scale=settings, arms=_arms(arms), seeds=seeds, **given)))


def _arms(text: str) -> list[Arm]:
    known = {arm: arm for arm in ARMS}
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.UsageError(f"--arms: {name} is not one of {', '.join(known)}")
    if not names:
        raise click.UsageError(f"--arms: names none; known are {', '.join(known)}")
    return list(dict.fromkeys(known[name] for name in names))  # type: ignore[index]
