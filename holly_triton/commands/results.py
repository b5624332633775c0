"""Commands about a finished run: evaluate, render."""

from pathlib import Path
from typing import Any

import click

from .options import SOME_PATH, reading, reading_options, unit_nm_option


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option("--truth", type=SOME_PATH, metavar="CLOUD", help="The known structure: OBJ, PLY, XYZ or CSV.")
@click.option("--pictures", type=SOME_PATH, metavar="DATA", help="New pictures of the same structure, to be explained.")
@unit_nm_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    run: Path, truth: Path | None, pictures: Path | None, unit_nm: float, as_json: bool, **settings: Any
) -> None:
    """Compare the structure in RUN with the truth, or with pictures that it was not made from.

    With --truth: RMSD in nm after the best alignment, better hand of two; of simulated data the error of the poses too.
    With --pictures: how much of new pictures it leaves unexplained. the options that say how to read are theirs.

    Example: holly-triton evaluate run --truth truth.ply --json
    """
    import json

    from holly_triton.scoring import explain_cloud, explain_pictures, score_cloud, score_pictures

    if truth is None and pictures is None:
        raise click.UsageError("give --truth CLOUD, the structure to compare with, or --pictures DATA, new pictures")
    if pictures is None and reading(settings):
        raise click.UsageError("--unit, --pixel-size and the like are about --pictures DATA; give that too")
    figures: dict[str, Any] = {}
    words = []
    if truth is not None:
        figures = score_cloud(run, truth, unit_nm)
        words.append(explain_cloud(figures))
    if pictures is not None:
        figures["new_pictures"] = score_pictures(run, pictures, **reading(settings))
        words.append(explain_pictures(figures["new_pictures"]))
    click.echo(json.dumps(figures, indent=1) if as_json else "\n".join(words))


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option("--out", type=SOME_PATH, metavar="PNG", help="[default: RUN/pictures/cloud.png]")
@click.option("--truth", type=SOME_PATH, metavar="CLOUD", help="Overlay the known structure: truth orange, result blue.")  # fmt: skip
@unit_nm_option
@click.option("--movie", type=SOME_PATH, metavar="FILE", help="Also write the structure turning, as a GIF.")
@click.option("--interactive", is_flag=True, help="Open a window to turn the structure in.")
def render(
    run: Path, out: Path | None, truth: Path | None, unit_nm: float, movie: Path | None, interactive: bool
) -> None:
    """Draw the structure in RUN: three orthogonal views and an oblique one, with a scale bar.

    Example: holly-triton render run --out structure.png
    """
    from holly_triton.results import render_run

    for written in render_run(run, out, truth, unit_nm, movie, interactive=interactive):
        click.echo(f"wrote {written}")
