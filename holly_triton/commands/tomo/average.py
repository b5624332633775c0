"""``holly-triton tomo average``: aligned averages of picks, with their resolution."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.averaging import Averaging
from holly_triton.tomography.config.network import Device

from ..options import ABOVE_ZERO, SEED, SOME_PATH, VOXEL_SIDE, words
from .imaging import imaging_options, optics_of


@click.command()
@click.argument("picks", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--tomogram", "tomograms", type=SOME_PATH, required=True, multiple=True, metavar="FILE", help="A tomogram that PICKS are in; once for each.")  # fmt: skip
@click.option("--class", "name", metavar="NAME", help="Average the picks of this class. [default: all, where they are of one class]")  # fmt: skip
@click.option("--box", type=ABOVE_ZERO, metavar="A", help="Side of the boxes in Å. [default: 1.5 times the diameter of the reference]")  # fmt: skip
@click.option("--binning", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N", help="Voxels along each axis that become one.")  # fmt: skip
@click.option("--reference", metavar="NAME|FILE", help="A structure to align to first: a map, a cloud or a name. [default: none; PICKS' own rotations, or random ones]")  # fmt: skip
@click.option("--start", type=ABOVE_ZERO, metavar="A", help="Finest detail of the first reference in Å. [default: the coarser of 60 Å and 3.2 voxels]")  # fmt: skip
@click.option("--iterations", type=click.IntRange(1, 100), metavar="N", help="Of alignment and averaging. [default: 4; without a reference and rotations 7, with rotations 3]")  # fmt: skip
@click.option("--align/--no-align", default=True, show_default=True, help="Align, or average at PICKS' own positions and rotations.")  # fmt: skip
@click.option(
    "--reach", type=ABOVE_ZERO, metavar="A", help="Largest shift from a pick in Å. [default: 0.15 of the box]"
)
@click.option("--symmetry", default=Averaging().symmetry, show_default=True, metavar="GROUP", help="Imposed on the average: C2, D7, O, ..., its main axis along z.")  # fmt: skip
@imaging_options
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of the tomograms' voxels in Å, where the files do not state it.")  # fmt: skip
@click.option("--mask", type=SOME_PATH, metavar="FILE", help="For alignment and FSC: a volume of the box's size, 0 outside, 1 inside, with soft edges. [default: a sphere of 0.4 of the box]")  # fmt: skip
@click.option("--control", type=click.IntRange(4, 100_000), metavar="N", help="Also treat N random positions alike: what they give shows the bias of the reference.")  # fmt: skip
@click.option("--truth", metavar="NAME|FILE", help="A structure to compare the average with.")
@click.option("--seed", type=SEED, default=Averaging().seed, show_default=True, metavar="I", help="Of the half sets, random rotations and the control.")  # fmt: skip
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Go on where a stopped average was, with the same options.")
@click.option("--overwrite", is_flag=True, help="Replace an average in an existing folder OUT.")
def average(
    picks: Path, out: Path, tomograms: tuple[Path, ...], name: str | None, box: float | None, binning: int, start: float | None,
    iterations: int | None, align: bool, reach: float | None, symmetry: str, voxel_size: float | None, control: int | None, seed: int,
    **given: Any,
) -> None:  # fmt: skip
    """Align and average the particles of one class in PICKS, and write the average and its resolution to the folder OUT.

    Two halves of the particles are kept apart from the start; each is aligned to its own average, at ever finer detail, and the
    resolution is where their Fourier shell correlation first falls below 0.143; with --defocus, a dip confined to the shells next
    to a zero of the CTF, where there is no signal, does not count. The missing wedge is weighed, and the CTF's sign restored with --defocus. Without a reference the structure arises
    from random rotations.

    OUT then holds average.mrc, half1.mrc, half2.mrc, fsc.csv, fsc.png, slices.png, aligned.star (refined positions and
    rotations) and summary.json.

    \b
    Examples:
      holly-triton tomo average picks.star ribosome --tomogram tomogram.mrc --class 70S --box 420 --defocus 5
      holly-triton tomo average picks.csv out --tomogram a.mrc --tomogram b.mrc --reference 70s.mrc --control 100
    """
    # A reference also gives the side of boxes for which there is no other.
    aligning = {
        "iterations": iterations,
        "start": start,
        "reach": reach,
        "reference": given["reference"] if box else None,
    }
    if not align and (unused := [option for option, value in aligning.items() if value is not None]):
        raise click.UsageError(f"--{unused[0]} is for an alignment; leave out --no-align or --{unused[0]}")
    from holly_triton.tomography.average.command import Options, average_files
    from holly_triton.tomography.average.gathering import Source

    optics, tilt, contrast = optics_of(given), given.pop("tilt"), given.pop("contrast")
    source = Source(picks, tomograms, name, voxel_size, box, binning, tilt, optics, contrast)
    settings = Averaging(
        iterations=iterations, symmetry=symmetry, start_angstrom=start, reach_angstrom=reach, align=align, seed=seed
    )
    sys.exit(average_files(out, source, settings, Options(control=control or 0, **given)))
