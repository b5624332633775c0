"""``holly-triton tomo match``: particles in a tomogram by template matching."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.matching import Matching
from holly_triton.tomography.config.network import Device
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.training import Contrast

from ..options import ABOVE_ZERO, SOME_PATH, VOXEL_SIDE, Number, of_setting, overwrite_out_option, words
from .imaging import check_defocus

DEFAULT, OPTICS = Matching(), Optics()


@click.command()
@click.argument("tomogram", type=SOME_PATH)
@click.argument("templates", metavar="TEMPLATE...", nargs=-1, required=True)
@click.argument("out", type=SOME_PATH)
@click.option("--angle", type=Number(0.5, 90), metavar="DEG", help="Angle between rotations. [default: 2.5 voxels of the search over the template's diameter]")  # fmt: skip
@click.option("--tilt", metavar="DEG|LEAST,MOST", default="60", show_default=True, help="Last tilt of a symmetric series about y, or first and last, such as -42,60; 90 is no missing wedge.")  # fmt: skip
@click.option("--contrast", type=words(Contrast), default=DEFAULT.contrast, show_default=True, help="Of macromolecules in the tomogram; they are positive in a template always.")  # fmt: skip
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of the tomogram's voxels in Å, where the file does not state it.")  # fmt: skip
@click.option("--template-voxel-size", type=VOXEL_SIDE, metavar="A", help="The same of the templates that are maps.")
@click.option("--defocus", type=Number(-100, 100), metavar="UM", help="Underfocus in µm; the templates then get the CTF. Leave it out for a tomogram whose CTF was corrected.")  # fmt: skip
@click.option(
    "--voltage", type=of_setting(Optics, "voltage_kv"), default=OPTICS.voltage_kv, show_default=True, metavar="KV"
)
@click.option("--cs", type=Number(0), default=OPTICS.cs_mm, show_default=True, metavar="MM", help="Spherical aberration.")  # fmt: skip
@click.option("--phase-shift", type=Number(-360, 360), default=OPTICS.phase_shift_deg, show_default=True, metavar="DEG", help="Of a phase plate.")  # fmt: skip
@click.option("--symmetry", "symmetries", multiple=True, metavar="GROUP", help="C2, D7, O, ... of the templates, their main axis along z; once for all, or once for each. [default: the structure's, C1 for a map]")  # fmt: skip
@click.option("--mask", type=SOME_PATH, metavar="FILE", help="Where particles are sought: a volume of the tomogram's shape with two values.")  # fmt: skip
@click.option("--template-mask", type=SOME_PATH, metavar="FILE", help="Of the templates' shape, turned with them. [default: a sphere]")  # fmt: skip
@click.option("--mirror", is_flag=True, help="Search for the mirrored templates too, and write the hand with the higher scores.")  # fmt: skip
@click.option("--false-positives", type=ABOVE_ZERO, default=DEFAULT.false_positives, show_default=True, metavar="N", help="Expected number in the tomogram for each template, which sets the threshold.")  # fmt: skip
@click.option("--scores", type=SOME_PATH, metavar="FILE", help="Also write the largest score of each voxel in standard deviations (.mrc, .em, .h5).")  # fmt: skip
@click.option("--device", type=words(Device), default="auto", show_default=True)
@overwrite_out_option
def match(
    tomogram: Path, templates: tuple[str, ...], out: Path, angle: float | None, tilt: str, contrast: Contrast,
    defocus: float | None, voltage: float, cs: float, phase_shift: float, mirror: bool, false_positives: float, **given: Any,
) -> None:  # fmt: skip
    """Find macromolecules in TOMOGRAM that look like a TEMPLATE and write them to OUT (.csv, .star, .xml, .tbl, .json).

    A TEMPLATE is a map of any voxel size (.mrc, .em, .h5), a structure's file, or the name of a structure that ships. Each
    particle has a position in Å, a rotation and a score in standard deviations of the background; several templates compete
    for a place by this score. The threshold follows from the expected number of false positives, in noise and as the
    peaks of a decoy show, which is as wide and as fine as the template and of no structure.

    \b
    Examples:
      holly-triton tomo match tomogram.mrc ribosome.mrc picks.star --angle 10 --tilt 60
      holly-triton tomo match tomogram.mrc 70s.mrc groel.mrc picks.csv --symmetry C1 --symmetry D7 --defocus 5 --mirror
    """
    check_defocus(defocus)
    least, most = _tilts(tilt)
    settings = Matching(
        angle_deg=angle, tilt_least_deg=least, tilt_most_deg=most, contrast=contrast, ctf=defocus is not None,
        false_positives=false_positives, mirror=mirror,
    )  # fmt: skip
    optics = Optics(
        voltage_kv=voltage, cs_mm=cs, phase_shift_deg=phase_shift, defocus_um=OPTICS.defocus_um if defocus is None else defocus,
    )  # fmt: skip
    from holly_triton.tomography.match.command import Options, match_file

    sys.exit(match_file(tomogram, list(templates), out, settings, optics, Options(**given)))


def _tilts(text: str) -> tuple[float, float]:
    """First and last tilt, or a usage error."""
    try:
        ends = [float(part) for part in text.split(",")]
        least, most = (-abs(ends[0]), abs(ends[0])) if len(ends) == 1 else ends
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither an angle nor two, such as -42,60.", param_hint="--tilt"
        ) from None
    if not -90 <= least < most <= 90:
        raise click.BadParameter(f"{text} is no range within -90 and 90 degrees.", param_hint="--tilt")
    return least, most
