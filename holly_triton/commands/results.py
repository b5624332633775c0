"""Commands about a finished run: measure, rank, evaluate, render, export."""

from pathlib import Path
from typing import Any

import click

from .options import (
    ABOVE_ZERO,
    SOME_PATH,
    Number,
    amplitude_option,
    overwrite_out_option,
    reading,
    reading_options,
    unit_nm_option,
)


def say_doubts(run: Path) -> None:
    """Print on stderr again the warnings about a run's data, which affect every result."""
    from holly_triton.io.run_files import read_doubts

    for doubt in read_doubts(run):
        click.echo(f"Warning: {doubt}", err=True)


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option("--json", is_flag=True, help="Print the figures as JSON.")
def measure(run: Path, json: bool) -> None:
    """Report the size, shape and symmetry of the structure in RUN, with their uncertainties.

    Example: holly-triton measure run
    """
    from holly_triton.core.files import as_json
    from holly_triton.report import find_figures
    from holly_triton.report.measurements import explain

    figures = find_figures(run)
    click.echo(as_json(figures) if json else explain(figures))


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option(
    "--bad-share",
    type=Number(0, 1),
    metavar="S",
    help="Mark this share of the pictures, the worst-fitted. [default: those fitted far worse than the rest]",
)
def rank(run: Path, bad_share: float | None) -> None:
    """Rank the pictures of RUN by how well its structure fits them, and mark the bad ones. Nothing is deleted.

    \b
    Example:
      holly-triton rank run
      holly-triton train --config run/config.toml --exclude run/ranking.csv --out cleaner
    """
    from holly_triton.particles.run.ranking import rank_pictures

    click.echo(rank_pictures(run, bad_share).explain())
    say_doubts(run)


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option(
    "--truth",
    type=SOME_PATH,
    metavar="CLOUD",
    help="The known structure: a cloud's file or a name, as simulate takes it. [default: the truth that RUN holds]",
)
@click.option("--pictures", type=SOME_PATH, metavar="DATA", help="New pictures of the same structure, to fit it to.")
@unit_nm_option
@reading_options
@click.option("--json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    run: Path, truth: Path | None, pictures: Path | None, unit_nm: float | None, json: bool, **settings: Any
) -> None:
    """Compare the structure in RUN with the truth, or with pictures that were not used for it.

    With a truth, the result is the RMSD in nm after the best alignment, for projections of the handedness that fits better, and
    the pose error where the true poses are known. Random views of 3D particles are compared with the particles in their input
    frame, which should be registered. With --pictures, it is the residual of new pictures; the reading options then apply
    to these.

    Of a study of several structures it is the share of simulated particles that are assigned rightly.

    Example: holly-triton evaluate run --truth truth.ply --json
    """
    from holly_triton.core.files import as_json
    from holly_triton.particles.run.classes import holds_classes
    from holly_triton.particles.run.classes_results import explain_classes, score_classes
    from holly_triton.particles.run.scoring import explain_cloud, explain_pictures, score_cloud, score_pictures
    from holly_triton.report import find_warnings

    if pictures is None and reading(settings):
        raise click.UsageError("--unit, --pixel-size and the like are about --pictures DATA; give that too")
    figures: dict[str, Any] = {}
    words = []
    if holds_classes(run) and truth is None and pictures is None:
        figures = score_classes(run)
        words.append(explain_classes(figures))
    elif truth is not None or pictures is None:
        figures = score_cloud(run, truth, unit_nm)
        words.append(explain_cloud(figures))
    if pictures is not None:
        figures["new_pictures"] = score_pictures(run, pictures, **reading(settings))
        words.append(explain_pictures(figures["new_pictures"]))
    warnings = find_warnings(run)
    click.echo(as_json({**figures, "warnings": warnings}) if json else "\n".join(words))
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


@click.command()
@click.argument("run", type=SOME_PATH)
@click.option("--out", type=SOME_PATH, metavar="PNG", help="[default: in RUN/pictures]")
@click.option("--truth", type=SOME_PATH, metavar="CLOUD", help="Overlay the known structure: truth orange, result blue.")  # fmt: skip
@unit_nm_option
@click.option(
    "--movie", type=SOME_PATH, metavar="FILE", help="Also write a movie of the rotating structure, as MP4 or GIF."
)
@click.option(
    "--growth",
    type=SOME_PATH,
    metavar="FILE",
    help="Also write a movie of the trajectory of the training, as MP4 or GIF.",
)
@amplitude_option
@click.option("--interactive", is_flag=True, help="Open a window in which the structure can be rotated.")
def render(
    run: Path, out: Path | None, truth: Path | None, unit_nm: float | None, movie: Path | None, growth: Path | None,
    amplitude: float | None, interactive: bool,
) -> None:  # fmt: skip
    """Draw the structure in RUN: three orthogonal views and an oblique one, with a scale bar.

    Repeats are coloured by the distance between the runs; half sets are drawn side by side.

    Example: holly-triton render run --out structure.png
    """
    from holly_triton.particles.run.render import render_run

    for written in render_run(run, out, truth, unit_nm, movie, growth, amplitude=amplitude, interactive=interactive):
        click.echo(f"wrote {written}")
    say_doubts(run)


@click.command()
@click.argument("run", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--mirror", is_flag=True, help="Write the mirror image.")
@click.option(
    "--voxel",
    type=ABOVE_ZERO,
    metavar="NM",
    help="Side of a voxel. [default: a third of sigma, or larger if the volume would be too large]",
)
@click.option("--channel", metavar="NAME|NUMBER", help="Write the points of one channel alone.")
@amplitude_option
@overwrite_out_option
def export(
    run: Path,
    out: Path,
    mirror: bool,
    voxel: float | None,
    channel: str | None,
    amplitude: float | None,
    overwrite: bool,
) -> None:
    """Export RUN to another program; the suffix of OUT selects the format.

    The cloud as .ply, .obj, .xyz, .csv or .hdf5 (Picasso), as spheres in .bild (ChimeraX) or .gltf (Blender), its density as
    .mrc (ChimeraX), the poses as .star.

    Example: holly-triton export run structure.mrc
    """
    from holly_triton.core.files import check_new
    from holly_triton.particles.run.export import export_run

    if not overwrite:
        check_new(out)
    export_run(run, out, mirror=mirror, voxel_nm=voxel, channel=channel, amplitude=amplitude)
    click.echo(f"wrote {out}")
    say_doubts(run)


@click.command()
@click.argument("results", type=SOME_PATH, nargs=-1, required=True)
@click.option("--out", type=SOME_PATH, default="overview.html", show_default=True, metavar="PAGE", help="The page.")
def report(results: tuple[Path, ...], out: Path) -> None:
    """Put RESULTS of any family on one page, with links between them; it opens offline.

    A result is the folder of process, train, tomo average, tomo classify, tomo discover or of an evaluation, or a file with
    pictures beside it: a PSF, localisations, picked particles, a page of picks. A page of that name is replaced.

    Example: holly-triton report project run tomo-average picks.html --out overview.html
    """
    from holly_triton.project.overview import write_overview

    click.echo(f"wrote {write_overview(results, out)}")
