"""The paper's experiments, run over seeds: each is simulated, trained on, and scored against the truth.

A finished experiment is not repeated and a stopped one continues, so the same command resumes a table.
Its run folder has its name; ``table.py`` makes the report from the content of these folders.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.jobs import Cluster, run_all
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.io.clouds import Cloud, read_cloud, write_cloud
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.annealed import Annealed
from holly_triton.particles.config import Config, Pose
from holly_triton.particles.paper.config import PAPER_SHIFT, SCALES, Scale
from holly_triton.particles.run.run import resume_run, start_run
from holly_triton.particles.run.scoring import score_cloud
from holly_triton.particles.run.training import follow, say
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.structures import read_structure

from .presets import Preset
from .table import read_score, write_table

Settings = TypeVar("Settings", bound=Annealed)

FAILED = 1
HOW_TO_GET = "HOLLy holds it in objs/: pass that folder with --clouds"


@dataclass(frozen=True)
class Experiment:
    """One run of one row."""

    preset: Preset
    pose: Pose
    scale: str
    seed: int
    runs: Path

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.runs / f"{self.preset.name}-{self.pose}-{self.scale}-{self.seed}"


def reproduce(
    presets: Sequence[Preset], *, seeds: int, pose: Pose | None, scale: str, clouds: Path, out: Path, cluster: Cluster | None = None,
) -> int:  # fmt: skip
    """Run some rows for seeds 0 to ``seeds - 1`` and write their tables; return the exit code.

    Args:
        presets: The rows.
        seeds: Runs of each row; the seed determines the pictures as well as the training.
        pose: Pose estimation method; None takes that of each row.
        scale: A name of ``SCALES``.
        clouds: Folder of those clouds that are files.
        out: Folder of the tables; the runs are in ``out / "runs"``, which git ignores.
        cluster: Cluster for the runs; with None they are done here, one after the other.

    Raises:
        HollyError: No row can be run, a file can't be written, or the cluster takes no jobs.
    """
    if cluster is not None:
        cluster.check()
    ready: list[tuple[Preset, Cloud]] = []
    for preset in presets:
        truth = _truth(preset, clouds)
        if truth is None:
            say(f"{preset.name}: left out, for there is no {clouds / preset.cloud}; {HOW_TO_GET}")
        else:
            ready.append((preset, truth))
    if not ready:
        raise HollyError(f"--clouds {clouds}: holds no cloud that these rows need ({presets[0].cloud}); {HOW_TO_GET}")
    runs = _runs_folder(out)
    experiments = [
        (Experiment(preset, pose or preset.train.pose, scale, seed, runs), truth)
        for seed in range(seeds)  # every row once before any row twice
        for preset, truth in ready
    ]
    with stoppable() as stop:
        code = _perform_all(experiments, stop) if cluster is None else _hand_over(experiments, cluster, stop)
    return _conclude(presets, runs, out, code)


def _perform_all(experiments: Sequence[tuple[Experiment, Cloud]], stop: Stop) -> int:
    code = DONE
    for experiment, truth in experiments:
        try:
            if not _perform(experiment, truth, stop):
                return STOPPED
        except HollyError as error:  # one run that fails must not cost the others
            say(f"{experiment.folder.name}: failed: {error}")
            code = FAILED
    return code


def _hand_over(experiments: Sequence[tuple[Experiment, Cloud]], cluster: Cluster, stop: Stop) -> int:
    """Like ``_perform_all``, with a job for each run."""
    work = {
        experiment.folder: partial(_perform, experiment, truth, Stop())
        for experiment, truth in experiments
        if not _scored(experiment.folder)
    }
    if not run_all(work, cluster, finished=_scored, say=say, should_stop=lambda: stop.asked):
        return STOPPED
    return DONE if all(_scored(folder) for folder in work) else FAILED


def _scored(folder: Path) -> bool:
    return read_score(folder) is not None


def _perform(experiment: Experiment, truth: Cloud, stop: Stop) -> bool:
    """Carry out one experiment from its current state; False if it was stopped before the end."""
    folder = experiment.folder
    if _scored(folder):
        shutil.rmtree(folder / "data", ignore_errors=True)  # a run that was killed here may have left it
        say(f"{folder.name}: done before")
        return True
    if stop.asked:
        return False
    say(f"{folder.name}")
    data, target = folder / "data", folder / "truth.ply"
    if (folder / "config.toml").is_file():
        run = resume_run(folder)
    else:
        _simulate(experiment, truth, data)
        run = start_run(_configured(experiment, data), folder, overwrite=True)
    if not follow(run, stop):
        return False
    write_cloud(target, truth.points)
    figures = score_cloud(folder, target, UNIT_NM)
    shutil.rmtree(data)  # large, and reproducible from the seed
    say(f"{folder.name}: RMSD {figures['rmsd_units']:.4f} units, {run.trainer.state.seconds:.0f} s")
    return True


def _simulate(experiment: Experiment, truth: Cloud, data: Path) -> None:
    preset, scale = experiment.preset, SCALES[experiment.scale]
    made = simulate(
        truth.points, scale.images, scatter_nm=preset.scatter * UNIT_NM, missing=preset.missing,
        max_spawn=preset.max_spawn, spawn_rate=preset.spawn_rate, shift_nm=PAPER_SHIFT * UNIT_NM,
        in_plane=scale.in_plane, generator=torch.Generator().manual_seed(experiment.seed),
    )  # fmt: skip
    write_simulation(data, made)


def _configured(experiment: Experiment, data: Path) -> Config:
    """The row's settings at a scale."""
    config = dataclasses.replace(experiment.preset.train, data=str(data), pose=experiment.pose, seed=experiment.seed)
    return _scaled(config, SCALES[experiment.scale])


def _scaled(config: Config, scale: Scale) -> Config:
    """The same settings for as many pictures as a scale has."""
    schedule = dataclasses.replace(
        config.schedule,
        search_steps=config.schedule.search_steps * scale.in_plane,
        polish_steps=config.schedule.polish_steps * scale.in_plane,
    )
    return dataclasses.replace(
        config, schedule=schedule, amortised=_annealed(config.amortised, scale), direct=_annealed(config.direct, scale)
    )


def _annealed(settings: Settings, scale: Scale) -> Settings:
    rate, point_rate = settings.rate * scale.faster, settings.point_rate * scale.faster
    return dataclasses.replace(settings, size=scale.size, rate=rate, point_rate=point_rate)


def _truth(preset: Preset, clouds: Path) -> Cloud | None:
    """The row's structure, or None where its file is missing."""
    if not Path(preset.cloud).suffix:
        return read_structure(preset.cloud)
    path = clouds / preset.cloud
    return read_cloud(path, UNIT_NM) if path.is_file() else None


def _runs_folder(out: Path) -> Path:
    runs = out / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    if not (runs / ".gitignore").is_file():
        with replacing(runs / ".gitignore") as partial:
            partial.write_text("*\n", encoding="utf-8")
    return runs


def _conclude(presets: Sequence[Preset], runs: Path, out: Path, code: int) -> int:
    for table in sorted({preset.table for preset in presets}):
        print(f"wrote {write_table(table, runs, out)}")
    if code == STOPPED:
        print("Stopped. The same command continues: finished runs are kept, and the stopped run is resumed.")
    return code
