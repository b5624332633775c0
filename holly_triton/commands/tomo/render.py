"""``holly-triton tomo render``: picks over slices of their tomogram."""

from pathlib import Path

import click

from holly_triton.tomography.config.scoring import Scoring

from ..options import ABOVE_ZERO, SOME_PATH, VOXEL_SIDE


@click.command()
@click.argument("tomogram", type=SOME_PATH)
@click.argument("picks", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--truth", type=SOME_PATH, metavar="TRUTH", help="Also draw the true particles, and compare the picks with them.")  # fmt: skip
@click.option("--tolerance", type=ABOVE_ZERO, default=Scoring().tolerance_angstrom, show_default=True, metavar="A", help="Largest distance of a pick from its particle in Å.")  # fmt: skip
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, for a tomogram that states none, and lists in voxels.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing picture or page.")
def render(
    tomogram: Path, picks: Path, out: Path, truth: Path | None, tolerance: float, voxel_size: float | None,
    overwrite: bool,
) -> None:  # fmt: skip
    """Draw PICKS over slices of TOMOGRAM, in colours and shapes by class: OUT is a picture (.png) or a page (.html).

    The page opens offline and has the counts of each class beside the picture, and with --truth the figures of tomo evaluate.

    \b
    Examples:
      holly-triton tomo render tomogram.mrc picks.star picks.png
      holly-triton tomo render simulated/tomogram_1.mrc picks.star picks.html --truth simulated/truth.star
    """
    from holly_triton.tomography.pictures.page import render_picks

    drawn = render_picks(
        tomogram, picks, out, truth=truth, settings=Scoring(tolerance), voxel_size=voxel_size, overwrite=overwrite
    )
    for note in drawn.said:
        click.echo(note, err=True)
    for path in drawn.paths:
        click.echo(f"wrote {path}")
