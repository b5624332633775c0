"""``python -m holly_triton.harness.trainings COMMIT FOLDER``: whole trainings of this commit and of another, over seeds.

The two are processes of one thread that start together, so that both meet the same load of the machine. Compared are the seconds of
a processor that each ``holly-triton train`` took, from its start to its last file, and what it found. A seed determines simulated
pictures, and the run. Runs that are done already are not repeated.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import here, origin_of
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.harness.particles_peers.mesh import make_scene, write_pictures
from holly_triton.io.metrics import read_metrics
from holly_triton.io.run_files import read_run_cloud
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.structures import read_structure
from holly_triton.validation.alignment import align

from .steps import StepCase, environment_of, step_cases

CASES = ("demo", "bunny")
"""Those of ``bench --step`` that a processor ends in minutes."""
HEAD = (
    "# Whole trainings beside those of another commit\n\n"
    "Both commands, `holly-triton train` of either commit with the same data, options and seed, started together with one thread each. "
    "Seconds are of the processor, for the whole command. RMSD: to the nearest neighbours of the truth, both directions, after alignment. "
    "Loss: that of the structure at the end of the run, as its metrics.json states it, where no truth is known; "
    "it can be compared within a case. The ratio of the last row is the median of the ratios. Of a mesh: 2000 noise-free pictures of 64 "
    "pixels, which this commit reconstructs with --quick, a fraction of the steps, and the other one with its defaults.\n"
)
QUICK = ("--quick",)
"""What this commit is given for a mesh, whose pictures it would otherwise follow far beyond what the other one attains."""
TAIL = "`python -m holly_triton.harness.trainings COMMIT FOLDER --data FILE` makes these tables; --data adds real particles, --mesh pictures.\n"


@dataclass(frozen=True)
class Training:
    """What is trained on.

    Attributes:
        name: Its name in the report.
        simulated: The structure and how it is simulated, or None.
        data: A file of particles, where nothing is simulated.
        mesh: A structure in units of the paper, of which there are pictures.
        options: Further ones of ``train``.
        own: Further ones of this commit alone.
    """

    name: str
    simulated: StepCase | None = None
    data: Path | None = None
    mesh: Path | None = None
    options: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def sites(self) -> Array | None:
        """The truth ``[N, 3]``, nm, where it is known."""
        if self.mesh is not None:
            return read_structure(self.mesh, UNIT_NM).points
        return None if self.simulated is None else np.array(self.simulated.sites)

    def written(self, folder: Path, seed: int) -> Path:
        """The data of a seed."""
        if self.mesh is not None:
            return write_pictures(make_scene(self.mesh, seed, scatter=0.0, missing=0.0), folder).resolve()
        if self.simulated is None:
            assert self.data is not None
            return self.data.resolve()
        case = self.simulated
        made = simulate(
            np.array(case.sites), case.pictures, scatter_nm=case.scatter_nm, missing=case.missing,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        return write_simulation(folder / "data", made).resolve()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        prog="python -m holly_triton.harness.trainings",
        description="Whole trainings of this commit and of another, over seeds; runs that are done already are not repeated.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("commit", help="the other commit of this checkout, by its hash")
    parser.add_argument("folder", type=Path, help="of the runs and their figures; continued if it exists")
    parser.add_argument(
        "--cases", nargs="*", choices=CASES, default=CASES, help="simulated data; none with --cases alone"
    )
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="files of real particles")
    parser.add_argument(
        "--mesh", type=Path, nargs="*", default=[], help="structures in units of the paper, as pictures"
    )
    parser.add_argument("--options", default="", help="of train, for real particles: --options='--views random'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of pictures and runs")
    parser.add_argument("--report", type=Path, default=Path("reports/trainings.md"), help="the file of the tables")
    options = parser.parse_args(arguments)
    try:
        trainings = _trainings(options)
        with environment_of(options.commit) as python:
            for training in trainings:
                for seed in options.seeds:
                    place = options.folder / training.name / f"{options.commit}-{seed}"
                    _once(training, place, seed, options.commit, python)
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def _trainings(options: argparse.Namespace) -> list[Training]:
    known, words = step_cases("cpu"), tuple(shlex.split(options.options))
    simulated = [Training(name, known[name], options=("--points", str(known[name].points))) for name in options.cases]
    given = [
        Training(" ".join((path.stem, *words)).replace("/", "_"), data=path, options=words) for path in options.data
    ]
    drawn = [
        Training(
            f"{path.stem}, pictures",
            mesh=path,
            options=("--points", str(len(read_structure(path, UNIT_NM).points))),
            own=QUICK,
        )
        for path in options.mesh
    ]
    given += drawn
    names = [training.name for training in (*simulated, *given)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise HollyError(f"two files are named {twice[0]}; rename one, since runs are kept by this name")
    return [*simulated, *given]


def _once(training: Training, place: Path, seed: int, other: str, python: Path) -> None:
    """The figures of one seed, written beside its two runs."""
    if (place / "figures.json").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    data = training.written(place, seed)
    runs = {place / "here": sys.executable, place / "there": str(python)}
    options = [str(data), "--seed", str(seed), "--device", "cpu", "--overwrite", *training.options]
    commands = {
        run.with_suffix(".log"): [interpreter, "-P", "-m", "holly_triton", "train", *options, "--out", str(run)]
        for run, interpreter in runs.items()
    }
    commands[place / "here.log"] += training.own
    seconds = together(commands)
    found = [_found(run, training.sites) for run in runs]
    figures = {
        **here(),
        "other": other,
        "seed": seed,
        "figure": found[0][0],
        "seconds": seconds,
        "found": [value for _, value in found],
    }
    (place / "figures.json").write_text(json.dumps(figures), encoding="utf-8")
    print(training.name, json.dumps(figures), flush=True)


def together(commands: Mapping[Path, Sequence[str]]) -> list[float]:
    """Start all commands, with one thread each, and return the seconds of a processor that each took.

    Args:
        commands: Each by the file that gets what it prints.

    Raises:
        HollyError: One fails.
    """
    environment, started = {**os.environ, "OMP_NUM_THREADS": "1"}, []
    for log, command in commands.items():
        with log.open("w") as file:
            started.append(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT))
    seconds = []
    for process in started:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(used.ru_utime + used.ru_stime)
    for log, process in zip(commands, started, strict=True):
        if process.returncode:
            last = (log.read_text(encoding="utf-8").strip().splitlines() or ["it printed nothing"])[-1]
            raise HollyError(f"{log}: exit code {process.returncode}; {last}")
    return seconds


def _found(run: Path, sites: Array | None) -> tuple[str, float]:
    """The name of the figure that tells how good a run is, and the figure.

    Raises:
        HollyError: The run does not state it.
    """
    if sites is None:
        loss = read_metrics(run).loss_of_structure
        if loss is None:
            raise HollyError(f"{run}: states no loss of its structure, so that runs cannot be compared")
        return "loss", loss
    return "RMSD, nm", align(read_run_cloud(run), sites).rmsd


def report(folder: Path) -> str:
    """The report of all runs in a folder."""
    parts, every = [HEAD], []
    for place in sorted({path.parents[1] for path in folder.glob("*/*/figures.json")}):
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*/figures.json")]
        every += runs
        parts.append(f"## {place.name}\n")
        for other in sorted({run["other"] for run in runs}):
            some = sorted((run for run in runs if run["other"] == other), key=lambda run: int(run["seed"]))
            parts.append("\n".join([*table(some), ""]))
    return "\n".join([*parts, origin_of(every), "", TAIL])


def table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each seed, and the medians."""
    other, figure = str(runs[0]["other"])[:7], runs[0]["figure"]
    rows = [(*run["seconds"], run["seconds"][0] / run["seconds"][1], *run["found"]) for run in runs]
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    names = [str(run["seed"]) for run in runs] + [f"median of {counted(len(runs), 'seed')}"]
    return [
        f"| seed | s | s, {other} | ratio | {figure} | {figure}, {other} |", f"| --- |{' ---: |' * 5}",
        *(
            f"| {name} | {new:.0f} | {old:.0f} | {ratio:.2f} | {ours:.3g} | {theirs:.3g} |"
            for name, (new, old, ratio, ours, theirs) in zip(names, [*rows, middle], strict=True)
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
