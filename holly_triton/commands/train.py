"""Commands that reconstruct: demo, train."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any

import click

from holly_triton.core.jobs import Where
from holly_triton.core.stop import DONE
from holly_triton.particles.config import FEWEST_POINTS, MOST_POINTS, Channels, Config, Device, Pose, Views

from .following import first_structure, say_next
from .options import (
    SEED,
    SOME_PATH,
    Number,
    check_length,
    cluster_options,
    find_cluster,
    overwrite_option,
    reading_options,
    words,
)


@click.command()
@click.option("--quick", is_flag=True, help="A smaller run, under a minute, to test the installation.")
@click.option("--out", type=SOME_PATH, default=Path("holly-demo"), show_default=True, metavar="RUN")
@overwrite_option
def demo(quick: bool, out: Path, overwrite: bool) -> None:
    """Simulate a centriole complex, reconstruct it, and compare the result with the truth.

    Example: holly-triton demo --quick
    """
    from holly_triton.particles.demo import run_demo

    sys.exit(run_demo(out, quick=quick, overwrite=overwrite))


@click.command()
@click.argument("data", type=SOME_PATH, required=False)
@click.option("--out", type=SOME_PATH, metavar="RUN", help="Folder for the results. [default: DATA's name + -run]")
@click.option("--points", type=click.IntRange(FEWEST_POINTS, MOST_POINTS), metavar="N", help="Points of the cloud. By default as many as a typical particle has localisations (80 to 500, to 160 in 3D; 300 for pictures). Choose about the number of sites you expect; twice as many does little harm, half as many loses detail. In 3D, where N is not given, points are merged at the end as far as the likelihood allows.")  # fmt: skip
@click.option("--pose", type=words(Pose), help="Pose estimation method. [default: search]")
@click.option("--config", "config_file", type=SOME_PATH, metavar="FILE", help="Settings from a config.toml; options given here take precedence.")  # fmt: skip
@click.option(
    "--preset", metavar="NAME", help="Settings of one of the paper's experiments; options given here take precedence."
)
@click.option("--seed", type=SEED, metavar="I", help="Seed of every random choice. [default: 0]")
@click.option("--device", type=words(Device), help="[default: auto]")
@click.option("--dimensions", type=click.IntRange(2, 3), metavar="2|3", help="3: reconstruct from localisations in 3D as such; 2: from their projections along the axis. [default: 3 if the localisations have a z of use]")  # fmt: skip
@click.option("--channels", type=words(Channels), help="separate: a cloud for each channel of localisations or pictures, in the same frame and poses; pooled: one cloud of all. --channel reads one alone. [default: separate where the data have several]")  # fmt: skip
@click.option("--views", type=words(Views), help="random: project 3D particles along random directions. [default: given]")  # fmt: skip
@click.option("--views-per-particle", type=click.IntRange(min=1), metavar="V", help="With --views random. [default: 8]")
@click.option("--symmetry", metavar="GROUP", help="Impose a rotational symmetry (C2, C3, ..., D2, D3, ..., T, O, I) on a structure from 3D localisations: only its asymmetric unit is fitted. A second run without it shows what held-out particles lose or gain. [default: none]")  # fmt: skip
@click.option("--exclude", metavar="FILE", help="Leave out the pictures that holly-triton rank marked as bad in FILE.")
@click.option("--held-out", type=Number(0, 0.5), metavar="S", help="Share of the particles that are held out of the training, to validate the structure; 0 for none. [default: 0.05]")  # fmt: skip
@click.option(
    "--tilt",
    type=Number(0, 180),
    metavar="DEG",
    help="Maximum tilt of the viewing direction, degrees; 0 for flat structures or a single orientation. [default: any]",
)
@click.option("--repeats", type=click.IntRange(min=1), metavar="K", help="Run K seeds and write their consensus.")
@click.option("--structures", type=click.IntRange(min=1), metavar="K", help="Classify the particles, of 3D localisations, into K structures, with a run of each.")  # fmt: skip
@click.option("--deformation", is_flag=True, default=None, help="Then fit a deformation of the structure, from 3D localisations, and its amplitude in each particle: a stretch, a bend or an opening in which they differ.")  # fmt: skip
@click.option("--half-sets", is_flag=True, default=None, help="Two runs on half of the particles each, for the resolution (FSC).")  # fmt: skip
@click.option("--prune", is_flag=True, default=None, help="Merge points closer than the final sigma.")
@click.option("--quick", is_flag=True, help="A fraction of the steps, for smoke tests; not with --config or --preset.")
@click.option("--resume", type=SOME_PATH, metavar="RUN", help="Continue a run that was stopped.")
@cluster_options
@overwrite_option
@reading_options
def train(
    data: Path | None, out: Path | None, config_file: Path | None, preset: str | None, resume: Path | None,
    overwrite: bool, quick: bool, cluster: Where | None, cluster_options: str | None, **settings: Any,
) -> None:  # fmt: skip
    """Reconstruct one 3D structure from DATA: localisations of many particles, or pictures of them.

    Results are written to RUN: cloud.ply, poses.csv, report.html and more. Ctrl-C saves the current structure and stops;
    --resume continues from there.

    \b
    Examples:
      holly-triton train localisations.csv --out run
      holly-triton train --resume run
      holly-triton train localisations.csv --structures 2 --out classes
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None and (data or out or config_file or preset or given or quick or overwrite):
        raise click.UsageError(
            "--resume RUN continues with that run's own data and settings; give it alone, or with --cluster"
        )
    if config_file is not None and preset is not None:
        raise click.UsageError("--config and --preset both give the settings; use one of them")
    check_length(quick, config_file, preset)
    from holly_triton.core.distributed import joined, leads
    from holly_triton.particles.run.training import resume_training, start_training

    jobs = find_cluster(cluster, cluster_options)
    with joined():
        if resume is not None:
            run, code = resume, resume_training(resume, jobs)
        else:
            config = _configured(config_file, preset, data, given)
            config = config.quick() if quick else config
            run = out or Path(f"{Path(config.data).stem}-run")
            code = start_training(config, run, overwrite=overwrite, cluster=jobs)
        if code == DONE and leads():
            say_next(f"holly-triton measure {quote(str(first_structure(run)))}")
    sys.exit(code)


def _configured(config_file: Path | None, preset: str | None, data: Path | None, given: dict[str, Any]) -> Config:
    import dataclasses

    from holly_triton.core.config import read_config
    from holly_triton.particles.paper.presets import read_preset

    config = Config() if config_file is None else read_config(config_file, Config)
    config = config if preset is None else read_preset(preset).train
    overriding: dict[str, Any] = {**given, "data": str(data)} if data else given
    config = dataclasses.replace(config, **overriding)
    if not config.data:
        raise click.UsageError("give DATA to train on, or --resume RUN")
    if config.structures > 1 and (config.half_sets or config.repeats > 1):
        raise click.UsageError(
            "--structures goes with neither --repeats nor --half-sets; classify first, then repeat the run of one structure: "
            "holly-triton train --config RUN/structure-1/config.toml --repeats 3"
        )
    if config.deformation and config.structures > 1:
        raise click.UsageError(
            "--deformation is for one structure; classify first, then fit the deformation of one: "
            "holly-triton train --config RUN/structure-1/config.toml --deformation"
        )
    if config.half_sets and config.repeats > 1:
        raise click.UsageError("--repeats and --half-sets are two different studies; give one of them")
    return config
