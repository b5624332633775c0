"""``holly-triton tomo evaluate``: picks against the truth."""

from pathlib import Path

import click

from holly_triton.tomography.config.scoring import Scoring

from ..options import ABOVE_ZERO, SOME_PATH, VOXEL_SIDE

DEFAULT = Scoring()


def names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """Names from a list with commas."""
    if value is None:
        return None
    found = [name.strip() for name in value.split(",") if name.strip()]
    if not found:
        raise click.BadParameter("names none.", ctx, parameter)
    return found


def groups(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str]:
    """Point groups by class, from ``CLASS=GROUP,...``."""
    pairs = [part.split("=") for part in value.split(",")] if value else []
    if any(len(pair) != 2 for pair in pairs):
        raise click.BadParameter(f"{value} is not CLASS=GROUP, such as GroEL=D7.", ctx, parameter)
    return {name.strip(): group.strip() for name, group in pairs}


@click.command()
@click.argument("picks", type=SOME_PATH)
@click.option("--truth", type=SOME_PATH, required=True, metavar="TRUTH", help="The true particles, such as truth.star of tomo simulate.")  # fmt: skip
@click.option("--tolerance", type=ABOVE_ZERO, default=DEFAULT.tolerance_angstrom, show_default=True, metavar="A", help="Largest distance of a pick from its particle in Å.")  # fmt: skip
@click.option("--classes", callback=names, metavar="LIST", help="Compare these classes only.")
@click.option("--tomograms", callback=names, metavar="LIST", help="Compare these tomograms, also where one has no picks. [default: those in both files]")  # fmt: skip
@click.option("--symmetry", callback=groups, metavar="LIST", help="Point groups up to which angles are compared, such as GroEL=D7,20S=D7. [default: those of the structures that ship, by name]")  # fmt: skip
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, for files whose positions are in voxels.")  # fmt: skip
@click.option("--out", type=SOME_PATH, metavar="FOLDER", help="Also write the confusion matrix and the figures over the threshold of the score.")  # fmt: skip
@click.option("--json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    picks: Path, truth: Path, tolerance: float, classes: list[str] | None, tomograms: list[str] | None,
    symmetry: dict[str, str], voxel_size: float | None, out: Path | None, json: bool,
) -> None:  # fmt: skip
    """Compare PICKS with the true particles: F1, precision and recall of each class, confusion, errors.

    In each tomogram and class, picks are matched with particles one to one within the tolerance, the surest pick first; a second
    pick of one particle is false. The confusion matrix then matches what is left over without regard to classes. PICKS and
    TRUTH are lists in CSV, RELION's STAR, DeepFinder's XML, Dynamo's tbl or copick's JSON.

    \b
    Examples:
      holly-triton tomo evaluate picks.star --truth simulated/truth.star --out figures
      holly-triton tomo evaluate picks.csv --truth experts.star --classes ribosome --tolerance 100 --json
    """
    from holly_triton.core.files import as_json, check_writable
    from holly_triton.tomography.score.report import Comparison, compare

    if out is not None:
        check_writable(out)
    report = compare(picks, truth, Comparison(Scoring(tolerance), classes, tomograms, symmetry, voxel_size))
    for note in report.notes:
        click.echo(note, err=True)
    click.echo(as_json(report.figures()) if json else report.words())
    for written in report.draw(out) if out is not None else []:
        click.echo(f"wrote {written}", err=json)
