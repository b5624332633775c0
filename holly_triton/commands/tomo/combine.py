"""``holly-triton tomo combine``: two lists of picks as one."""

from pathlib import Path

import click

from holly_triton.tomography.config.scoring import Scoring

from ..options import ABOVE_ZERO, SOME_PATH, VOXEL_SIDE, overwrite_out_option

HOWS = ("union", "intersection", "only-a", "only-b")


@click.command()
@click.argument("a", type=SOME_PATH)
@click.argument("b", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--tolerance", type=ABOVE_ZERO, default=Scoring().tolerance_angstrom, show_default=True, metavar="A", help="Largest distance of two picks of one particle in Å.")  # fmt: skip
@click.option("--how", type=click.Choice(HOWS), default="union", show_default=True, help="Which picks are written.")
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, for files whose positions are in voxels. [default: as the files state it]")  # fmt: skip
@click.option("--json", is_flag=True, help="Print the counts as JSON.")
@overwrite_out_option
def combine(
    a: Path, b: Path, out: Path, tolerance: float, how: str, voxel_size: float | None, json: bool, overwrite: bool
) -> None:
    """Combine the picks of two methods, or of an expert and a method: A and B, written to OUT.

    What both found is likely right; what one found alone is worth a look, or an average of its own (tomo average). In OUT the
    score of each pick is a confidence between 0 and 1. Of picks in both lists it is the probability that they did not meet by
    chance, and position and orientation are those of A; of others it is the share of picks of that list and about that score
    which the other list has too, and absent for a class of which the other list has no pick.

    \b
    Examples:
      holly-triton tomo combine network.star matching.star picks.star
      holly-triton tomo combine expert.star network.star suspicious.star --how only-b
    """
    from holly_triton.core.files import as_json
    from holly_triton.core.words import counted
    from holly_triton.tomography.places import check_places
    from holly_triton.tomography.score.sets import combine_files, in_words

    check_places(out, None, overwrite=overwrite)
    found, said = combine_files(a, b, out, tolerance, how, voxel_size)  # type: ignore[arg-type]
    for note in said:
        click.echo(note, err=True)
    click.echo(as_json(found.figures()) if json else in_words(found))
    click.echo(f"wrote {out}: {counted(len(found.chosen(how)), 'pick')}", err=json)  # type: ignore[arg-type]
