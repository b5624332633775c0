"""``holly-triton frames train``: a network that localises emitters, trained on simulated frames."""

import sys
from pathlib import Path
from typing import Any, Literal

import click

from holly_triton.frames.config.network import Device, Preset
from holly_triton.frames.config.training import LOSSES, OPTIMISERS, Training

from ..options import ABOVE_ZERO, SEED, SOME_PATH, words

MINUTES = 15.0
"""Budget where neither minutes nor steps are given."""


@click.command()
@click.argument("model", type=SOME_PATH)
@click.option("--sampling", type=words(Literal["random", "structure", "mixed"]), help="Where emitters lie: anywhere, on a structure, or half of the frames each. [default: mixed]")  # fmt: skip
@click.option("--structure", metavar="NAME|FILE", help="Structure: microtubules, a known name, a cloud, a run's folder, or a truth.csv. [default: microtubules]")  # fmt: skip
@click.option("--psf", type=click.Path(), metavar="FILE", help="PSF that frames calibrate has written, or of SMAP, Picasso or ThunderSTORM. [default: an astigmatic Gaussian]")  # fmt: skip
@click.option("--camera", metavar="CAMERA", help="photons, scmos or challenge, with changes such as scmos,offset_adu=98, or a file. [default: photons]")  # fmt: skip
@click.option("--minutes", type=ABOVE_ZERO, metavar="M", help=f"Time for the training. [default: {MINUTES:g}, without --steps]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Number of steps, in place of a time; the same seed then gives the same model.")  # fmt: skip
@click.option("--seed", type=SEED, metavar="I", help="Seed of every random choice. [default: 0]")
@click.option("--device", type=words(Device), help="[default: auto]")
@click.option("--width", type=click.IntRange(2, 256), metavar="W", help="Features of the network: 16 is fast, 48 for a GPU. [default: 24, or the preset's]")  # fmt: skip
@click.option("--preset", type=words(Preset), help="Network and loss: our own, or like those of DECODE or LUENN. [default: own]")  # fmt: skip
@click.option("--frames-at-once", type=click.Choice(["1", "3"]), help="3: see also the frame before and the frame after; emitters then last for some frames. [default: 1]")  # fmt: skip
@click.option("--cells", type=click.Choice(["2", "4"]), help="Cells along a pixel's side, for the preset luenn-like. [default: 4]")  # fmt: skip
@click.option("--config", "config_file", type=SOME_PATH, metavar="FILE", help="Settings from a config.toml; options given here take precedence.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue a training that was stopped, with its own settings.")
@click.option("--overwrite", is_flag=True, help="Replace an existing model and its training.")
def train(model: Path, config_file: Path | None, resume: bool, overwrite: bool, **given: Any) -> None:
    """Train a network that localises emitters in 3D, and write it to MODEL.

    Training frames are simulated as it goes: emitters at many densities and brightnesses, drawn with the PSF and recorded by
    the camera. Nothing has to be labelled. Ctrl-C saves and stops; --resume continues.

    \b
    Examples:
      holly-triton frames train net.pt --psf psf.h5 --camera scmos,offset_adu=100 --minutes 15
      holly-triton frames train net.pt --resume
    """
    options = {name: value for name, value in given.items() if value is not None}
    if resume and (options or config_file or overwrite):
        raise click.UsageError("--resume continues with that training's own settings; give it alone")
    if "steps" in options and "minutes" in options:
        raise click.UsageError("--steps and --minutes are two ways to say how long; give one of them")
    from holly_triton.frames.train.command import resume_training, start_training

    sys.exit(
        resume_training(model)
        if resume
        else start_training(model, _settings(config_file, options), overwrite=overwrite)
    )


def _settings(config_file: Path | None, options: dict[str, Any]) -> Training:
    import dataclasses

    from holly_triton.core.config import read_config

    settings = Training(minutes=MINUTES) if config_file is None else read_config(config_file, Training)
    parts: dict[str, Any] = {name: options.pop(name) for name in ("width", "preset") if name in options}
    parts |= {name: int(options.pop(name)) for name in ("frames_at_once", "cells") if name in options}
    network = dataclasses.replace(settings.network, **parts)
    if "preset" in parts:
        options |= {"loss": LOSSES[network.preset], "optimiser": OPTIMISERS[network.preset]}
    if "steps" in options or "minutes" in options:
        options = {"steps": None, "minutes": None, **options}
    return dataclasses.replace(settings, network=network, **options)
