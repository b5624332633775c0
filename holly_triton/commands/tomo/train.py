"""``holly-triton tomo train``: a network that locates macromolecules, trained on tomograms with truth."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any

import click

from holly_triton.core.stop import DONE
from holly_triton.tomography.config.network import Device, Preset
from holly_triton.tomography.config.training import SIDE_MULTIPLE, Contrast, Target, Training

from ..following import say_next
from ..options import ABOVE_ZERO, SEED, SOME_PATH, check_length, words

MINUTES, QUICK_STEPS = 10.0, 200
"""Budget where neither minutes nor steps are given; steps of a quick training."""


def whole_side(ctx: click.Context, parameter: click.Parameter, side: int | None) -> int | None:
    """The side of a patch, or a usage error where networks can't halve it twice."""
    if side is not None and (over := side % SIDE_MULTIPLE):
        raise click.BadParameter(f"{side} is no multiple of {SIDE_MULTIPLE}, as {side - over} is.", ctx, parameter)
    return side


@click.command()
@click.argument("paths", nargs=-1, type=SOME_PATH, metavar="DATA MODEL")
@click.option("--minutes", type=ABOVE_ZERO, metavar="M", help=f"Time for the training. [default: {MINUTES:g}, without --steps]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Number of steps, in place of a time; the same seed then gives the same model.")  # fmt: skip
@click.option(
    "--quick", is_flag=True, help=f"A short training, {QUICK_STEPS} steps, to try things out; not with --config."
)
@click.option("--network", "preset", type=words(Preset), help="Our own network, or DeepFinder's. [default: own]")
@click.option("--width", type=click.IntRange(4, 128), metavar="W", help="Features of the network at its finest level. [default: 16, or 32 for deepfinder]")  # fmt: skip
@click.option("--targets", type=words(Target), help="What the network answers: heat maps, spheres, or average shapes turned as the particles are. [default: heat]")  # fmt: skip
@click.option("--radii", metavar="LIST", help="Radii of the classes in Å, such as 70S=125,FAS=130, or one for all. [default: measured in the label volumes of DATA]")  # fmt: skip
@click.option("--validation", type=SOME_PATH, metavar="FOLDER", help="Tomograms for thresholds and progress. [default: the last one of DATA]")  # fmt: skip
@click.option("--contrast", type=words(Contrast), help="Of protein in the tomograms. [default: dark]")
@click.option("--patch", type=click.IntRange(16, 256), callback=whole_side, metavar="N", help="Side of a training patch, voxels, a multiple of 4. [default: about five radii of the largest class, or 56 for deepfinder]")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Patches of a step. [default: 8, or 25 on a GPU]")  # fmt: skip
@click.option("--seed", type=SEED, metavar="I", help="Seed of every random choice. [default: 0]")
@click.option("--device", type=words(Device), help="[default: auto]")
@click.option("--config", "config_file", type=SOME_PATH, metavar="FILE", help="Settings from a config.toml; options given here take precedence.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue a training that was stopped, with its own settings; give MODEL alone.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing model and its training.")
def train(
    paths: tuple[Path, ...], config_file: Path | None, quick: bool, resume: bool, overwrite: bool, **given: Any
) -> None:
    """Train a network on the tomograms in the folder DATA, and write it to MODEL.

    DATA holds tomograms (.mrc, .rec, .em, .h5) and a list of their particles, truth.csv or truth.star, as tomo simulate writes
    it. Or it is the settings of a simulation, a .toml file; then new tomograms are simulated as it goes. Ctrl-C saves and
    stops; --resume continues.

    \b
    Examples:
      holly-triton tomo train simulated/ net.pt --minutes 10
      holly-triton tomo train simulated/ net.pt --network deepfinder --targets spheres --device cuda
      holly-triton tomo train --resume net.pt
    """
    options = {name: value for name, value in given.items() if value is not None}
    check_length(quick, config_file)
    if quick and not {"steps", "minutes"} & options.keys():
        options["steps"] = QUICK_STEPS
    if resume and (options or config_file or overwrite):
        raise click.UsageError("--resume continues with that training's own settings; give it alone")
    if resume and len(paths) not in (1, 2):
        raise click.UsageError("--resume takes the MODEL that is to be continued")
    if not resume and len(paths) != 2:
        raise click.UsageError("give DATA, a folder of tomograms with truth, and MODEL, the file to write")
    if "steps" in options and "minutes" in options:
        raise click.UsageError("--steps and --minutes are two ways to say how long; give one of them")
    from holly_triton.tomography.train.command import resume_training, start_training

    model = paths[-1]
    code = (
        resume_training(model)
        if resume
        else start_training(model, _settings(config_file, {**options, "data": str(paths[0])}), overwrite=overwrite)
    )
    if code == DONE:
        say_next(f"holly-triton tomo pick TOMOGRAM picks.star --model {quote(str(model))}")
    sys.exit(code)


def _settings(config_file: Path | None, options: dict[str, Any]) -> Training:
    import dataclasses

    from holly_triton.core.config import read_config

    settings = Training(minutes=MINUTES) if config_file is None else read_config(config_file, Training)
    parts: dict[str, Any] = {name: options.pop(name) for name in ("width", "preset") if name in options}
    network = dataclasses.replace(settings.network, **parts)
    patches = dataclasses.replace(settings.patches, **({"side": options.pop("patch")} if "patch" in options else {}))
    if "validation" in options:
        options["validation"] = str(options["validation"])
    if "steps" in options or "minutes" in options:
        options = {"steps": None, "minutes": None, **options}
    return dataclasses.replace(settings, network=network, patches=patches, **options)
