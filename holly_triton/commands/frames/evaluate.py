"""``holly-triton frames evaluate``: localisations against the truth."""

from pathlib import Path

import click

from holly_triton.frames.config.scoring import FIELD_NM, Scoring

from ..options import ABOVE_ZERO, CAMERA_PIXEL, SOME_PATH, Number, unit_option

DEFAULT = Scoring()


def sides(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float]:
    """Width and height of a field, from its side or ``WIDTHxHEIGHT`` in nm; nothing where it was not given."""
    if value is None:
        return {}
    lengths = [ABOVE_ZERO.convert(side, parameter, ctx) for side in value.lower().split("x")]
    if len(lengths) > 2:
        raise click.BadParameter(f"{value} is neither a side nor WIDTHxHEIGHT.", ctx, parameter)
    return {"width_nm": lengths[0], "height_nm": lengths[-1]}


@click.command()
@click.argument("localisations", type=SOME_PATH)
@click.option("--truth", type=SOME_PATH, required=True, metavar="TRUTH", help="The true emitters, such as truth.csv of frames simulate.")  # fmt: skip
@click.option("--border", type=Number(min=0), default=DEFAULT.border_nm, show_default=True, metavar="NM", help="Leave out what is this near to an edge of the field.")  # fmt: skip
@click.option("--fov", callback=sides, metavar="NM", help=f"Field of view: a side, or WIDTHxHEIGHT. [default: from settings.toml beside TRUTH, else {FIELD_NM:g}]")  # fmt: skip
@click.option("--dim-quantile", type=Number(0, 1, max_open=True), default=DEFAULT.dim_quantile, show_default=True, metavar="Q", help="Set this share of the emitters, the dimmest, aside.")  # fmt: skip
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help=f"Side of a camera pixel. [default: from the files, else {DEFAULT.pixel_nm:g}]")  # fmt: skip
@unit_option
@click.option("--frames", type=(int, int), metavar="FIRST LAST", help="Compare these frames only. [default: all]")
@click.option("--bound", is_flag=True, help="Also compare the errors with the Cramér-Rao bound: for a movie of frames simulate.")  # fmt: skip
@click.option("--out", type=SOME_PATH, metavar="FOLDER", help="Also write pictures to FOLDER: rendered, errors, bias within a pixel, and figures by z.")  # fmt: skip
@click.option("--json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    localisations: Path, truth: Path, border: float, fov: dict[str, float], dim_quantile: float,
    pixel_size: float | None, unit: str | None, frames: tuple[int, int] | None, bound: bool, out: Path | None, json: bool,
) -> None:  # fmt: skip
    """Compare LOCALISATIONS with the true emitters, as the SMLM challenge 2016 does.

    In each frame, localisations are matched with emitters within 250 nm laterally and 500 nm axially, nearest first. The
    figures are the Jaccard index, recall, precision, errors and efficiencies, and whether stated uncertainties are honest
    and positions are drawn to places within a pixel. LOCALISATIONS is a table of ThunderSTORM, Picasso, the challenge, or
    holly-triton; both files may be of any format that train reads.

    \b
    Examples:
      holly-triton frames evaluate localisations.csv --truth simulated/truth.csv --bound
      holly-triton frames evaluate result.hdf5 --truth activations.csv --dim-quantile 0.25 --json
    """
    from holly_triton.core.files import as_json
    from holly_triton.frames.score.report import compare
    from holly_triton.frames.score.words import explain

    options = {"border_nm": border, "dim_quantile": dim_quantile, **fov}
    report = compare(localisations, truth, options, pixel_nm=pixel_size, unit=unit, frames=frames, bound=bound, out=out)
    for note in report.notes:
        click.echo(note, err=True)
    click.echo(as_json(report.figures()) if json else explain(report.score))
    for written in report.pictures:
        click.echo(f"wrote {written}", err=json)
