"""Commands that measure the method and the kernels: reproduce, bench."""

import sys
from pathlib import Path

import click

from holly_triton.core.jobs import Where
from holly_triton.particles.config import Device, Pose
from holly_triton.particles.paper.config import SCALES

from .options import ABOVE_ZERO, SOME_PATH, cluster_options, find_cluster, words


@click.command()
@click.option("--table", "tables", multiple=True, metavar="T", help="All rows of a table, 5.1 to 5.6; may be repeated.")
@click.option(
    "--preset", "presets", multiple=True, metavar="NAME", help="One row of a table, such as bunny; may be repeated."
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Runs of each row."
)
@click.option("--pose", type=words(Pose), help="Pose estimation method. [default: that of the row]")
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True, help="paper: 20 times the pictures, hours without a GPU.")  # fmt: skip
@click.option("--clouds", type=SOME_PATH, default=Path(), metavar="FOLDER", help="Folder of the paper's clouds that do not ship: bunny_large.obj, teapot_large.obj. [default: this folder]")  # fmt: skip
@click.option("--out", type=SOME_PATH, default=Path("reports/paper"), show_default=True, metavar="FOLDER")
@cluster_options
def reproduce(
    tables: tuple[str, ...],
    presets: tuple[str, ...],
    seeds: int,
    pose: Pose | None,
    scale: str,
    clouds: Path,
    out: Path,
    cluster: Where | None,
    cluster_options: str | None,
) -> None:
    """Run the paper's experiments over seeds and write their tables, with a montage of each row.

    The runs are written to FOLDER/runs. Finished runs are not repeated: the same command continues, or adds seeds.

    \b
    Examples:
      holly-triton reproduce --table 5.1 --seeds 3 --clouds HOLLy/objs
      holly-triton reproduce --preset cep152 --pose search
    """
    if bool(tables) == bool(presets):
        raise click.UsageError("give --table (5.1 to 5.6) or --preset NAME; each may be repeated")
    from holly_triton.particles.paper.presets import presets_of, read_preset
    from holly_triton.particles.paper.reproduce import reproduce as run_all

    rows = [read_preset(name) for name in presets] or [row for table in tables for row in presets_of(table)]
    jobs = find_cluster(cluster, cluster_options)
    sys.exit(run_all(rows, seeds=seeds, pose=pose, scale=scale, clouds=clouds, out=out, cluster=jobs))


@click.command()
@click.option(
    "--points", type=click.IntRange(1, 1_000_000), multiple=True, metavar="N", help="Points; may be repeated."
)
@click.option("--images", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="Pictures.")
@click.option("--size", type=click.IntRange(min=1), default=128, show_default=True, metavar="S", help="Pixels a side.")
@click.option("--sigma", type=ABOVE_ZERO, default=4.0, show_default=True, metavar="PX")
@click.option(
    "--precision", type=click.Choice(["tf32", "tf32x3", "bf16x3", "ieee"]), default="tf32x3", show_default=True
)
@click.option("--backend", multiple=True, type=click.Choice(["triton", "separable", "naive", "dense"]))
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--json", "json_path", type=SOME_PATH, metavar="FILE", help="Write the records as JSON.")
@click.option("--plot", "plot_path", type=SOME_PATH, metavar="FILE", help="Write a plot of time and memory.")
@click.option(
    "--tune", is_flag=True, help="Measure block sizes on this GPU for --precision, and print the rows of the table."
)
@click.option("--step", is_flag=True, help="Instead, time the steps of trainings, and count their launches.")
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Choice(["demo", "bunny", "million"]),
    help="Trainings of --step. [default: all]",
)
@click.option(
    "--against", metavar="COMMIT", help="With --step: another commit of this checkout, in turns with this one."
)
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
    step: bool,
    cases: tuple[str, ...],
    against: str | None,
) -> None:
    """Validate the kernels against the dense reference, then time them and their memory.

    A backend that gives a wrong result is recorded as wrong and not timed; the others are measured, and the exit code is 1.

    A row has the time of the forward pass and of forward and backward (medians, ms; with a GPU also that of its own work), the
    growth of memory (MiB), the largest relative error against the reference, how many times as fast as the dense reference and
    as the naive product it is for each picture, and which share of its time the least possible one (floor) is.

    \b
    Examples:
      holly-triton bench --points 1000
      holly-triton bench --step --case demo --against HEAD~1
    """
    if step:
        from holly_triton.harness.steps import bench_steps

        sys.exit(bench_steps(cases, device, against, json_path))
    if cases or against:
        raise click.UsageError("--case and --against belong to --step")
    from holly_triton.harness.command import bench as measure

    sys.exit(measure(points, images, size, sigma, precision, backend, device, json_path, plot_path, tune))
