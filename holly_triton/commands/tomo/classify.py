"""``holly-triton tomo classify``: a network that names the class of each subtomogram."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.classification import (
    EPOCHS,
    QUICK_EPOCHS,
    QUICK_STEPS,
    Augmentation,
    Device,
    Network,
    NetworkName,
    Training,
)

from ..options import ABOVE_ZERO, SEED, SOME_PATH, VOXEL_SIDE, Number, words


@click.command()
@click.argument("data", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--train", "training", is_flag=True, help="Train on DATA, whose classes are known, then classify it.")
@click.option("--model", type=SOME_PATH, metavar="FILE", help="Classify DATA with the model of an earlier training.")
@click.option("--network", type=words(NetworkName), help="Our own; the two of Xu et al. 2017, trained as published; or rotation-invariant features with a support vector machine, their baseline. [default: own]")  # fmt: skip
@click.option("--dropout", type=Number(0, 1, max_open=True), metavar="P", help="Share of the last layer's inputs that are dropped in training. [default: 0.2; 0.7 for inception3d, as in the code of its authors, where their text reads as 0.3]")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help=f"Times that each subtomogram is seen. [default: {EPOCHS['own']}; {EPOCHS['inception3d']} for published networks]")  # fmt: skip
@click.option("--minutes", type=ABOVE_ZERO, metavar="M", help="Time for the training, in place of a number of epochs.")
@click.option(
    "--quick",
    is_flag=True,
    help=f"A first impression: {QUICK_EPOCHS} epochs, and at least {QUICK_STEPS} steps of our own network.",
)
@click.option("--aligned", is_flag=True, help="The subtomograms have been aligned, and classes may differ in how they lie: our own network then sees them as they are, not turned by 180 degrees and shifted.")  # fmt: skip
@click.option(
    "--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, where the files do not state it."
)
@click.option("--seed", type=SEED, metavar="I", help="Seed of every random choice. [default: 0]")
@click.option("--device", type=words(Device), help="[default: auto]")
@click.option("--resume", is_flag=True, help="Continue what was stopped in OUT, with its own settings.")
@click.option("--overwrite", is_flag=True, help="Replace an existing result.")
def classify(
    data: Path, out: Path, training: bool, model: Path | None, resume: bool, overwrite: bool, **given: Any
) -> None:
    """Classify the subtomograms of DATA, and write classes, features and figures to the folder OUT.

    DATA is an HDF5 file, a folder of MRC files, or a STAR that names them; classes to train on are in the HDF5 file, in a
    CSV with the columns particle and label in the folder, or in the STAR. OUT gets classes.csv, metrics.json, confusion.png where classes are known, features.h5
    (linear activations, one row a subtomogram), and after --train model.pt. Ctrl-C saves and stops; --resume continues. With
    --model several processes share the work: torchrun --nproc-per-node 4 -m holly_triton tomo classify ...

    \b
    Examples:
      holly-triton tomo classify training.h5 classes --train
      holly-triton tomo classify others.h5 found --model classes/model.pt
    """
    options = {name: value for name, value in given.items() if value is not None and value is not False}
    if [training, model is not None, resume].count(True) != 1:
        raise click.UsageError("give one of --train, --model FILE and --resume")
    if resume and (options or overwrite):
        raise click.UsageError("--resume continues with the settings of what was stopped; give it alone")
    if model is not None:
        wrong = sorted(options.keys() - {"voxel_size", "device"})
        if wrong:
            raise click.UsageError(f"--{wrong[0].replace('_', '-')} is for a training, with --train")
    from holly_triton.core.distributed import joined
    from holly_triton.tomography.classify import command

    with joined():
        if resume:
            code = command.resume(data, out)
        elif model is not None:
            places = {"voxel_size": options.get("voxel_size"), "device": options.get("device", "auto")}
            code = command.classify(data, out, model, overwrite=overwrite, **places)
        else:
            code = command.train_and_classify(out, _settings(data, options), overwrite=overwrite)
    sys.exit(code)


def _settings(data: Path, options: dict[str, Any]) -> Training:
    if sum(name in options for name in ("epochs", "minutes", "quick")) > 1:
        raise click.UsageError("--epochs, --minutes and --quick are three ways to say how long; give one of them")
    if options.get("network") == "rif-svm":
        unused = [name for name in ("epochs", "minutes", "dropout", "aligned") if name in options]
        if unused:
            raise click.UsageError(
                f"--{unused[0]} is for networks; rif-svm is fitted at once, and to features without directions"
            )
    network = Network(options.pop("network", "own"), dropout=options.pop("dropout", None))
    if options.pop("aligned", False):
        options["augmentation"] = Augmentation(turned=False, shift=0)
    return Training(data=str(data), network=network, **options)
