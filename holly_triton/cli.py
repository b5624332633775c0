"""The command line: it parses, calls, and says in plain words what came of it.

Exit codes: 0 done; 1 the data or the run is at fault; 2 wrong usage; 3 stopped by a signal, saved, resumable.
Heavy imports happen inside the commands, so that ``--help`` answers at once.
"""

import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.config import CHOICES, FEWEST_POINTS, MOST_POINTS, SCALES, UNIT_NM, Config
from holly_triton.errors import HollyError

# Threads that wait for each other by spinning are 10 times slower where cores are shared. Read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SOME_PATH = click.Path(path_type=Path)


class _Number(click.FloatRange):
    """A number within bounds; not a number is none, and infinity is beyond any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number that can be used.", param, ctx)
        return number


class _Commands(click.Group):
    """A group whose commands end a HollyError in one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HollyError as error:
            click.echo(f"holly-triton: {error}", err=True)
            ctx.exit(1)
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
            click.echo(
                f"holly-triton: {error.filename}: {error.strerror}; check the path and its permissions", err=True
            )
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="holly-triton", prog_name="holly-triton")
def main() -> None:
    """3D structure from thousands of 2D super-resolution pictures, each from an unknown direction.

    Start with `holly-triton demo`; then `holly-triton info DATA` and `holly-triton train DATA` on your own.
    """


def _input_options(command: Any) -> Any:
    """What a data file may not say of itself."""
    command = click.option(
        "--pixel-size", type=_Number(min=0, min_open=True), metavar="NM", help="Size of an input pixel in nm."
    )(command)
    return click.option(
        "--unit", type=click.Choice(CHOICES["unit"]), help="Unit of the coordinates, where the file doesn't say."
    )(command)


unit_nm_option = click.option(
    "--unit-nm", type=_Number(min=0, min_open=True), default=UNIT_NM, show_default=True, metavar="NM",
    help="nm per unit of a cloud that carries no unit; ignored where the file says nm.",
)  # fmt: skip
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the run in an existing folder.")


@main.command()
@click.option("--quick", is_flag=True, help="A smaller run, under a minute: does everything work here?")
@click.option("--out", type=SOME_PATH, default=Path("holly-demo"), show_default=True, metavar="RUN")
@overwrite_option
def demo(quick: bool, out: Path, overwrite: bool) -> None:
    """Simulate a centriole complex, reconstruct it, compare with the truth, and show what to look at.

    Example: holly-triton demo --quick
    """
    from holly_triton.demo import run_demo

    sys.exit(run_demo(out, quick=quick, overwrite=overwrite))


@main.command()
@click.argument("cloud", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--images", type=click.IntRange(min=1), default=2000, show_default=True, metavar="N", help="Pictures.")
@click.option("--scatter", type=_Number(min=0), default=0.0, metavar="S", help="Scatter of the labels about their site, in the cloud's unit.")  # fmt: skip
@click.option("--missing", type=_Number(0, 1), default=0.0, metavar="P", help="Probability that a site is not labelled.")  # fmt: skip
@click.option("--max-spawn", type=click.IntRange(min=1), default=1, metavar="K", help="Most fluorophores on a site.")
@click.option("--spawn-rate", type=_Number(0, 1), default=1.0, metavar="R", help="Probability of each of them.")  # fmt: skip
@click.option("--shift", type=_Number(min=0), default=0.0, metavar="S", help="Largest shift along x and y, in the cloud's unit.")  # fmt: skip
@click.option("--in-plane", type=click.IntRange(min=1), default=1, metavar="M", help="Copies of each picture, turned in its plane.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="I")
@click.option("--tiff", is_flag=True, help="Write pictures (pictures.tif) in place of localisations.")
@unit_nm_option
def simulate(
    cloud: Path, out: Path, images: int, scatter: float, missing: float, max_spawn: int, spawn_rate: float,
    shift: float, in_plane: int, seed: int, tiff: bool, unit_nm: float,
) -> None:  # fmt: skip
    """Make pictures of CLOUD from random directions, as train reads them, with the truth.

    CLOUD is a file (OBJ, PLY, XYZ, CSV) or a structure that ships as a formula, in nm: cep152 and others, which an
    unknown name lists.

    \b
    Examples:
      holly-triton simulate bunny.obj bunny-data --images 2000 --scatter 0.03
      holly-triton simulate nuclear-pore pore-data --scatter 5 --missing 0.3
    """
    import torch

    from holly_triton.data.simulate import simulate as make
    from holly_triton.data.simulate import write_simulation
    from holly_triton.structures import read_structure

    structure = read_structure(cloud, unit_nm)
    simulation = make(
        structure.points, images, scatter_nm=scatter * structure.unit_nm, missing=missing, max_spawn=max_spawn,
        spawn_rate=spawn_rate, shift_nm=shift * structure.unit_nm, in_plane=in_plane,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    write_simulation(out, simulation, tiff=tiff)
    click.echo(f"{out}: {images * in_plane} pictures of {len(structure.points)} sites. Next: holly-triton train {out}")


@main.command()
@click.argument("data", type=SOME_PATH)
@_input_options
def info(data: Path, unit: str | None, pixel_size: float | None) -> None:
    """Say what was found in DATA: particles, emitters, size, and what was skipped and why.

    Example: holly-triton info localisations.csv
    """
    from holly_triton.data import open_dataset

    rows = open_dataset(data, unit=unit, pixel_size_nm=pixel_size).summary()
    width = max(map(len, rows))
    click.echo("\n".join(f"{name:<{width}}  {value}" for name, value in {"data": str(data), **rows}.items()))


@main.command()
@click.argument("data", type=SOME_PATH, required=False)
@click.option("--out", type=SOME_PATH, metavar="RUN", help="Folder for the results. [default: DATA's name + -run]")
@click.option("--points", type=click.IntRange(FEWEST_POINTS, MOST_POINTS), metavar="N", help="Points of the cloud. By default as many as a typical particle has localisations (80 to 500; 300 for pictures). Choose about the number of sites you expect; twice as many does little harm, half as many loses detail.")  # fmt: skip
@click.option("--pose", type=click.Choice(CHOICES["pose"]), help="How poses are found. [default: search]")
@click.option("--config", "config_file", type=SOME_PATH, metavar="FILE", help="Settings from a config.toml; options given here win.")  # fmt: skip
@click.option("--preset", metavar="NAME", help="Settings of one of the paper's experiments; options given here win.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), metavar="I", help="Seed of every random choice. [default: 0]"
)
@click.option("--device", type=click.Choice(CHOICES["device"]), help="[default: auto]")
@click.option("--views", type=click.Choice(CHOICES["views"]), help="random: see particles that have z from random directions. [default: given]")  # fmt: skip
@click.option("--views-per-particle", type=click.IntRange(min=1), metavar="V", help="With --views random. [default: 8]")
@click.option("--repeats", type=click.IntRange(min=1), metavar="K", help="Runs from K seeds, and what they agree on.")
@click.option("--half-sets", is_flag=True, default=None, help="Two runs on half of the particles each, and the resolution.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A fraction of the steps, for smoke tests.")
@click.option("--resume", type=SOME_PATH, metavar="RUN", help="Go on with a run that was stopped.")
@overwrite_option
@_input_options
def train(
    data: Path | None, out: Path | None, config_file: Path | None, preset: str | None, resume: Path | None,
    overwrite: bool, quick: bool, **settings: Any,
) -> None:  # fmt: skip
    """Reconstruct one 3D structure from DATA: localisations of many particles, or pictures of them.

    Results go to RUN: cloud.ply, poses.csv, report.html and more. Ctrl-C saves and ends with the structure so
    far; --resume goes on from there.

    \b
    Examples:
      holly-triton train localisations.csv --out run
      holly-triton train --resume run
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None and (data or out or config_file or preset or given or quick or overwrite):
        raise click.UsageError("--resume RUN goes on with that run's own data and settings; give it alone")
    if config_file is not None and preset is not None:
        raise click.UsageError("--config and --preset both say what the settings are; give one of them")
    from holly_triton.training import resume_training, start_training

    if resume is not None:
        sys.exit(resume_training(resume))
    config = _configured(config_file, preset, data, given)
    config = config.quick() if quick else config
    sys.exit(start_training(config, out or Path(f"{Path(config.data).stem}-run"), overwrite=overwrite))


def _configured(config_file: Path | None, preset: str | None, data: Path | None, given: dict[str, Any]) -> Config:
    import dataclasses

    from holly_triton.config_file import read_config
    from holly_triton.presets import read_preset

    config = Config() if config_file is None else read_config(config_file)
    config = config if preset is None else read_preset(preset).train
    overriding: dict[str, Any] = {**given, "data": str(data)} if data else given
    config = dataclasses.replace(config, **overriding)
    if not config.data:
        raise click.UsageError("give DATA to train on, or --resume RUN")
    if config.half_sets and config.repeats > 1:
        raise click.UsageError("--repeats and --half-sets are two studies; ask for one of them")
    return config


@main.command()
@click.argument("run", type=SOME_PATH)
@click.option("--truth", type=SOME_PATH, metavar="CLOUD", help="The known structure: OBJ, PLY, XYZ or CSV.")
@click.option("--pictures", type=SOME_PATH, metavar="DATA", help="New pictures of the same structure, to be explained.")
@unit_nm_option
@_input_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    run: Path, truth: Path | None, pictures: Path | None, unit_nm: float, unit: str | None, pixel_size: float | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare the structure in RUN with the truth, or with pictures that it was not made from.

    With --truth: RMSD in nm after the best alignment, better hand of two; of simulated data the error of the poses too.
    With --pictures: how much of new pictures it leaves unexplained. --unit and --pixel-size are theirs.

    Example: holly-triton evaluate run --truth truth.ply --json
    """
    import json

    from holly_triton.scoring import explain_cloud, explain_pictures, score_cloud, score_pictures

    if truth is None and pictures is None:
        raise click.UsageError("give --truth CLOUD, the structure to compare with, or --pictures DATA, new pictures")
    if pictures is None and (unit or pixel_size):
        raise click.UsageError("--unit and --pixel-size are of --pictures DATA; give that too")
    figures: dict[str, Any] = {}
    words = []
    if truth is not None:
        figures = score_cloud(run, truth, unit_nm)
        words.append(explain_cloud(figures))
    if pictures is not None:
        figures["new_pictures"] = score_pictures(run, pictures, unit, pixel_size)
        words.append(explain_pictures(figures["new_pictures"]))
    click.echo(json.dumps(figures, indent=1) if as_json else "\n".join(words))


@main.command()
@click.option("--table", "tables", multiple=True, metavar="T", help="All rows of a table, 5.1 to 5.6; may be repeated.")
@click.option("--preset", "presets", multiple=True, metavar="NAME", help="One row, such as bunny; may be repeated.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="K", help="Runs of each row."
)
@click.option("--pose", type=click.Choice(CHOICES["pose"]), help="How poses are found. [default: as the row says]")
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True, help="paper: 20 times the pictures, hours without a GPU.")  # fmt: skip
@click.option("--clouds", type=SOME_PATH, default=Path(), metavar="FOLDER", help="Folder of the paper's clouds that do not ship: bunny_large.obj, teapot_large.obj. [default: this folder]")  # fmt: skip
@click.option("--out", type=SOME_PATH, default=Path("reports/paper"), show_default=True, metavar="FOLDER")
def reproduce(
    tables: tuple[str, ...], presets: tuple[str, ...], seeds: int, pose: str | None, scale: str, clouds: Path, out: Path
) -> None:
    """Run the paper's experiments over seeds and write their tables, with a montage of each row.

    The runs lie in FOLDER/runs. What is finished is not repeated: the same command goes on, or adds seeds.

    \b
    Examples:
      holly-triton reproduce --table 5.1 --seeds 3 --clouds HOLLy/objs
      holly-triton reproduce --preset cep152 --pose search
    """
    if bool(tables) == bool(presets):
        raise click.UsageError("give --table (5.1 to 5.6) or --preset NAME; each may be repeated")
    from holly_triton.presets import presets_of, read_preset
    from holly_triton.reproduce import reproduce as run_all

    rows = [read_preset(name) for name in presets] or [row for table in tables for row in presets_of(table)]
    sys.exit(run_all(rows, seeds=seeds, pose=pose, scale=scale, clouds=clouds, out=out))


@main.command()
@click.option(
    "--points", type=click.IntRange(1, 1_000_000), multiple=True, metavar="N", help="Points; may be repeated."
)
@click.option("--images", type=click.IntRange(min=1), default=32, show_default=True, metavar="B", help="Pictures.")
@click.option("--size", type=click.IntRange(min=1), default=128, show_default=True, metavar="S", help="Pixels a side.")
@click.option("--sigma", type=_Number(min=0, min_open=True), default=4.0, show_default=True, metavar="PX")
@click.option("--precision", type=click.Choice(["tf32", "tf32x3", "ieee"]), default="tf32x3", show_default=True)
@click.option("--backend", multiple=True, type=click.Choice(["triton", "separable", "naive", "dense"]))
@click.option("--device", type=click.Choice(CHOICES["device"]), default="auto", show_default=True)
@click.option("--json", "json_path", type=SOME_PATH, metavar="FILE", help="Write the records as JSON.")
@click.option("--plot", "plot_path", type=SOME_PATH, metavar="FILE", help="Write a plot of time and memory.")
@click.option("--tune", is_flag=True, help="Measure block sizes on this GPU and print the rows of the table.")
def bench(
    points: tuple[int, ...],
    images: int,
    size: int,
    sigma: float,
    precision: str,
    backend: tuple[str, ...],
    device: str,
    json_path: Path | None,
    plot_path: Path | None,
    tune: bool,
) -> None:
    """Validate the kernels against the dense reference, then time them and their memory.

    Example: holly-triton bench --points 1000
    """
    from holly_triton.harness.command import bench as measure

    sys.exit(measure(points, images, size, sigma, precision, backend, device, json_path, plot_path, tune))


@main.command()
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
