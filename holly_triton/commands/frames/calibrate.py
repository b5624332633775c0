"""``holly-triton frames calibrate``: the PSF from a stack of beads."""

from pathlib import Path
from typing import Any

import click

from ..options import CAMERA_PIXEL, SOME_PATH, overwrite_out_option


@click.command()
@click.argument("beads", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--step", type=float, required=True, metavar="NM", help="Distance of the planes in nm; negative if the first plane has the largest z.")  # fmt: skip
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help="Size of a camera pixel in nm, where the file does not state it.")  # fmt: skip
@click.option("--camera", metavar="CAMERA", help="Camera whose noise the bound has, such as challenge, or scmos,offset_adu=100, or a file. [default: ideal counting]")  # fmt: skip
@click.option("--model", type=click.Choice(["spline", "gaussian"]), default="spline", show_default=True, help="Measured table, or astigmatic Gaussian.")  # fmt: skip
@click.option("--roi", type=click.IntRange(9, 127), metavar="PX", help="Side of the region about a bead, odd. [default: 29]")  # fmt: skip
@click.option("--zero", type=click.IntRange(min=1), metavar="PLANE", help="Plane at which z is 0, counted from 1. [default: the middle one]")  # fmt: skip
@click.option("--positions", type=SOME_PATH, metavar="FILE", help="Known positions of the beads, columns x and y in nm; the PSF is centred on them.")  # fmt: skip
@click.option("--depths", type=(float, float), metavar="LEAST MOST", help="Depths that the PSF describes, in nm. [default: the usable ones]")  # fmt: skip
@click.option("--keep-brightness", is_flag=True, help="Let the PSF's brightness vary with z as the beads' does, which is else taken as bleaching.")  # fmt: skip
@click.option("--channel", type=click.IntRange(min=1), metavar="N", help="Channel to read, where there are several.")
@overwrite_out_option
def calibrate(beads: Path, out: Path, **options: Any) -> None:
    """Measure the PSF from BEADS, a stack of pictures of fluorescent beads at known steps in z; write it to OUT (.h5).

    A picture beside OUT (.png) shows which beads were used, why others were not, the widths over z, slices, and the
    Cramér-Rao bound.

    \b
    Examples:
      holly-triton frames calibrate beads.tif psf.h5 --step 10 --pixel-size 100
      holly-triton frames calibrate beads.tif psf.h5 --step 50 --camera scmos,offset_adu=100 --model gaussian
    """
    from holly_triton.frames.calibration.command import calibrate_file

    for line in calibrate_file(beads, out, **options):
        click.echo(line)
