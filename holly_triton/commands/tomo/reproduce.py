"""``holly-triton tomo reproduce``: the figures of Moebel et al. 2018 with our methods, the paper's, and a peer."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.network import Device
from holly_triton.tomography.paper.config import METHODS, SCALES, Method

from ..options import SOME_PATH, words


def methods_of(ctx: click.Context, parameter: click.Parameter, value: str) -> list[Method]:
    """Methods from a list with commas."""
    known = {method: method for method in METHODS}
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names or [""]:
        if name not in known:
            raise click.BadParameter(f"{name or 'nothing'} is not one of {', '.join(METHODS)}.", ctx, parameter)
    return list(dict.fromkeys(known[name] for name in names))  # type: ignore[index]


@click.command(short_help="Repeat figures of the paper of DeepFinder on simulated tomograms.")
@click.option("--structures", type=SOME_PATH, multiple=True, required=True, metavar="FOLDER", help="Where the maps and models are: 4v4r.mrc, 2uv8.mrc, 3j9i.mrc, 6utj.mrc, 3ipm.mrc, 1MNF.pdb.gz, 1aon.pdb.gz; may be given several times, and folders in it are searched.")  # fmt: skip
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True, help="paper: tomograms and networks of the paper's size, for a GPU.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Repetitions of everything. [default: 2, or 3 at the scale paper]")  # fmt: skip
@click.option("--methods", callback=methods_of, metavar="LIST", default=",".join(METHODS), show_default=True, help="What is compared.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Of each training, in place of the scale's.")
@click.option("--pytme", type=SOME_PATH, metavar="PROGRAM", help="pytme of an environment of its own. [default: on the search path, or left out with the reason]")  # fmt: skip
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--out", type=SOME_PATH, default=Path("reports/tomography"), show_default=True, metavar="FOLDER")
def reproduce(scale: str, steps: int | None, structures: tuple[Path, ...], **given: Any) -> None:
    """Repeat figures 7, 8 and 11 to 13 of Moebel et al. 2018 (DeepFinder) on simulated tomograms.

    Nine classes are picked at three levels of noise and three ranges of tilts by our network, by the paper's recipe, by template
    matching with a threshold of its own and with an oracle's, and by pytme. Tomograms, networks and picks are kept in
    FOLDER/runs: the same command continues, or adds seeds.

    \b
    Examples:
      holly-triton tomo reproduce --structures structures/
      holly-triton tomo reproduce --structures structures/ --scale paper --device cuda
    """
    import dataclasses

    from holly_triton.tomography.paper.reproduce import Study
    from holly_triton.tomography.paper.reproduce import reproduce as carry_out

    settings = SCALES[scale]
    if steps is not None:
        settings = dataclasses.replace(settings, steps=steps)
    seeds = given.pop("seeds") or settings.seeds
    sys.exit(carry_out(Study(name=scale, scale=settings, structures=structures, seeds=seeds, **given)))
