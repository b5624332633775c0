"""``holly-triton tomo discover``: structures among subtomograms, also such as no network was trained on."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.discovery import CLUSTERS, Discovery, Embedding
from holly_triton.tomography.config.network import Device

from ..options import ABOVE_ZERO, SEED, SOME_PATH, VOXEL_SIDE, words
from .imaging import imaging_options, optics_of

DEFAULT = Discovery()


@click.command()
@click.argument("data", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--model", type=SOME_PATH, metavar="FILE", help="Of tomo classify --train: its linear activations are the features.")  # fmt: skip
@click.option("--features", type=SOME_PATH, metavar="FILE", help="The features.h5 that tomo classify or tomo discover has made of DATA, in place of a model.")  # fmt: skip
@click.option("--clusters", type=click.IntRange(min=1), metavar="N", help=f"Of k-means. [default: {CLUSTERS}, fewer for a small set]")  # fmt: skip
@click.option("--average", "averaged", type=click.IntRange(min=0), metavar="N", help=f"How many clusters are classified and averaged, the most novel first. [default: {DEFAULT.averaged}, or 3 with --quick]")  # fmt: skip
@click.option("--cluster", "chosen", type=click.IntRange(min=1), multiple=True, metavar="NUMBER", help="Classify and average this cluster, in place of the most novel ones; may be given several times, also with --resume.")  # fmt: skip
@click.option("--classes", type=click.IntRange(1, 20), metavar="N", help=f"Into which each cluster is sorted without a reference; those that turn out to be one structure are joined. [default: {DEFAULT.classes}]")  # fmt: skip
@click.option("--iterations", type=click.IntRange(1, 100), metavar="N", help=f"Of that classification. [default: {DEFAULT.iterations}]")  # fmt: skip
@click.option("--most", type=click.IntRange(min=4), metavar="N", help=f"Subtomograms of a cluster that are averaged. [default: {DEFAULT.most}, or 60 with --quick]")  # fmt: skip
@click.option("--reach", "reach_angstrom", type=ABOVE_ZERO, metavar="A", help="Largest shift of a particle from the centre of its box in Å. [default: 0.2 of the box]")  # fmt: skip
@imaging_options
@click.option("--truth", "truths", multiple=True, metavar="NAME|FILE", help="A structure to compare every average with: a map, a model, a cloud or a name; may be given several times.")  # fmt: skip
@click.option("--embedding", type=words(Embedding), help=f"Of the picture of the features. [default: {DEFAULT.embedding}]")  # fmt: skip
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, where the files do not state it.")  # fmt: skip
@click.option("--seed", type=SEED, metavar="I", help="Of the clusters, first rotations and halves. [default: 0]")
@click.option("--quick", is_flag=True, help="A first impression: fewer clusters are averaged, with fewer subtomograms.")
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Continue what was stopped in OUT with its own settings, or average more clusters.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing result.")
@click.pass_context
def discover(
    ctx: click.Context, /, data: Path, out: Path, model: Path | None, features: Path | None, chosen: tuple[int, ...], truths: tuple[str, ...],
    voxel_size: float | None, quick: bool, device: Device, resume: bool, overwrite: bool, **given: Any,
) -> None:  # fmt: skip
    """Find structures among the subtomograms of DATA, and write clusters and averages to the folder OUT.

    Subtomograms are clustered by the linear activations of a network. Clusters are numbered from the most novel: the
    one whose subtomograms are, on average, furthest from every class that the network was trained on. In the first of them
    particles are sorted and averaged without a reference, and an average counts as consistent where two halves of its particles
    agree on details that they do not share from the start. The first rows of clusters.csv are where to look first.

    DATA is a set as of tomo classify. OUT gets clusters.csv, particles.csv, metrics.json, gallery.png, fsc.png, embedding.png,
    features.h5, and a folder clusters/NUMBER with maps (MRC), curves and poses of each cluster that was averaged. Ctrl-C keeps
    what was found; --resume continues. Of very many subtomograms, tomo classify makes the features with several processes.

    \b
    Examples:
      holly-triton tomo discover others.h5 found --model classes/model.pt --defocus 5
      holly-triton tomo discover others.h5 found --resume --cluster 17
    """
    options = {name for name in ctx.params if name not in ("data", "out", "chosen", "resume") and _given(ctx, name)}
    if resume and options:
        raise click.UsageError(
            "--resume continues with the settings of what was stopped; give it alone, or with --cluster"
        )
    if not resume and (model is None) == (features is None):
        raise click.UsageError("give one of --model FILE and --features FILE")
    if chosen and given["averaged"] is not None:
        raise click.UsageError("--average counts clusters and --cluster names them; give one of the two")
    from holly_triton.core.distributed import launched
    from holly_triton.tomography.discover import command

    if launched():
        raise click.UsageError("is done by one process; make the features of DATA with torchrun and tomo classify --model, then give --features")  # fmt: skip
    if resume:
        sys.exit(command.resume(data, out, list(chosen)))
    optics, tilt, contrast = optics_of(given), given.pop("tilt"), given.pop("contrast")
    settings = Discovery.quick() if quick else Discovery()
    settings = settings.changed({name: value for name, value in given.items() if value is not None})
    job = command.Job(
        data=str(data.resolve()), model=_absolute(model), features=_absolute(features), voxel_size=voxel_size, device=device,
        tilt=tilt, contrast=contrast, optics=None if optics is None else optics.table(), truths=truths, settings=settings.table(),
    )  # fmt: skip
    sys.exit(command.discover(out, job, list(chosen), overwrite=overwrite))


def _given(ctx: click.Context, name: str) -> bool:
    """Whether an option was given, in contrast to having its default."""
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _absolute(path: Path | None) -> str | None:
    """A path that holds wherever the work goes on."""
    return None if path is None else str(path.resolve())
