"""``holly-triton bench --step``: what a training step costs, by the kinds of steps that a run consists of.

A few steps of each kind are measured, spread over those of the run. Workers (``step_worker``) carry them out; with another commit to
compare with there are two of them, which take turns at each step, so that both meet the same load of the machine.
"""

import dataclasses
import functools
import json
import math
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json
from holly_triton.core.origin import commit
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.config import DEMO
from holly_triton.structures import cep152, read_structure

from .command import resolve_device
from .gpu_steps import BUNNY, CARRIED
from .records import device_name, installed

BUNNY_SITES = 354
"""Of what stands in for the bunny."""
TURNS = 5
"""Steps of a kind that are measured."""
COUNTED = 3
"""Steps of a kind whose launches are counted."""
WARM_UP = {"cpu": 1, "cuda": 3}
"""Steps of a kind before those that are measured: on a GPU the first compiles and the second is captured."""
WIDTH = 120
"""Columns of a table that is not shown on a terminal."""
WORKER = Path(__file__).resolve().with_name("step_worker.py")


@dataclasses.dataclass(frozen=True)
class StepCase:
    """A training whose steps are measured."""

    name: str
    structure: str
    sites: list[list[float]]  # [N, 3], nm
    pictures: int
    points: int
    scatter_nm: float = 0.0
    missing: float = 0.0
    most: int | None = None
    """How many kinds of steps, from the first one on, are measured; None for all."""


@dataclasses.dataclass(frozen=True)
class StepRecord:
    """Steps of one kind of a training. Null where there is none, or where the device has none.

    Seconds are medians: ``step_s`` of the wall clock, ``cpu_s`` of the processor, all threads. ``launches`` and ``waits`` are
    those of a step; on a CPU they are counted as what the step would cost the processor of a GPU, without its graphs.
    ``device_busy_share`` is the share of ``step_s`` in which at least one kernel, copy or fill runs on the GPU. ``wall_ratio`` and
    ``cpu_ratio`` are medians of the ratios of this commit's times to those of ``against`` in the same turn.
    """

    case: str
    structure: str
    kind: str
    pictures: int
    points: int
    steps: int  # of this kind in a run
    timed: int
    step_s: float
    cpu_s: float
    pictures_per_s: float
    launches: float | None
    waits: float | None
    device_ms: float | None
    device_busy_share: float | None
    peak_mib: float
    against: str | None
    wall_ratio: float | None
    cpu_ratio: float | None
    device: str
    torch: str
    triton: str | None
    commit: str


def step_cases(device: str) -> dict[str, StepCase]:
    """The cases by name. On a CPU, of a million points the first kind of step alone is measured."""
    bunny, sites = bunny_sites()
    return {
        "demo": StepCase(
            "demo", "cep152", cep152().tolist(), DEMO.images, DEMO.points, DEMO.scatter_nm, DEMO.missing
        ),
        "bunny": StepCase("bunny", bunny, sites, DEMO.images, len(sites)),
        "million": StepCase("million", bunny, sites, DEMO.images, 1_000_000, most=1 if device == "cpu" else None),
    }  # fmt: skip


def bunny_sites() -> tuple[str, list[list[float]]]:
    """The paper's bunny, if HOLLY_TRITON_BUNNY says where it lies; else as many sites on an ellipsoid of its size, nm."""
    path = Path(os.environ.get(BUNNY, CARRIED))
    if path.is_file():
        return path.name, read_structure(path, UNIT_NM).points.tolist()
    spiral = torch.arange(BUNNY_SITES, dtype=torch.float64)
    height = 1 - (2 * spiral + 1) / BUNNY_SITES
    angle, across = spiral * math.pi * (3 - 5**0.5), (1 - height**2).sqrt()
    return "ellipsoid", (torch.stack([across * angle.cos(), across * angle.sin(), height], 1) * 200).tolist()


def bench_steps(
    cases: Sequence[str], device: str, against: str | None, json_path: Path | None, turns: int = TURNS
) -> int:
    """Measure the steps of some cases (none: all), and print a table; the exit code.

    Args:
        cases: Names.
        device: auto, cpu or cuda.
        against: A commit of this checkout to compare with, or None.
        json_path: Where to write the records, or None.
        turns: Steps of each kind.

    Raises:
        HollyError: The device is missing, the commit is unknown, or a training fails.
    """
    device, console, records = (
        resolve_device(device),
        Console(width=None if sys.stdout.isatty() else WIDTH),
        list[StepRecord](),
    )
    known = step_cases(device)
    console.print(f"{device_name(device)}, torch {torch.__version__}, commit {commit()}")
    with ExitStack() as stack:
        pythons = [sys.executable]
        if against is not None:
            pythons.append(str(stack.enter_context(environment_of(against))))
        for name in cases or known:
            found = measure_case(known[name], pythons, device, against, turns)
            records += found
            console.print(steps_table(found))
            if json_path is not None:  # after each case, so that an interrupted benchmark keeps its records
                json_path.write_text(as_json([dataclasses.asdict(record) for record in records]))
    return 0


@contextmanager
def environment_of(revision: str) -> Iterator[Path]:
    """The interpreter of a temporary environment with a commit of the present folder's checkout, and with the packages of this one.

    Raises:
        HollyError: The present folder is in no checkout, or that has no such commit.
    """
    with tempfile.TemporaryDirectory(prefix="holly-triton-") as place:
        folder = Path(place)
        done = subprocess.run(
            ["git", "archive", "--format=tar", f"--output={folder / 'tree.tar'}", revision],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise HollyError(f"--against {revision}: {done.stderr.strip() or 'not a commit of this checkout'}")
        with tarfile.open(folder / "tree.tar") as archive:
            archive.extractall(folder / "tree", filter="tar")
        venv.create(folder / "environment", with_pip=False)
        windows = sys.platform == "win32"
        python = folder / "environment" / ("Scripts/python.exe" if windows else "bin/python")
        packages = next((folder / "environment").rglob("site-packages"))
        present = [path for path in sys.path if "site-packages" in path or "dist-packages" in path]
        (packages / "present.pth").write_text("\n".join([str(folder / "tree"), *present]))
        yield python


class _Training:
    """A worker's process, which is asked one thing at a time."""

    def __init__(self, python: str, case: StepCase, device: str) -> None:
        self._process = subprocess.Popen(
            [python, "-P", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        self._name = case.name
        found = self.ask(
            sites=case.sites, pictures=case.pictures, scatter_nm=case.scatter_nm, missing=case.missing, points=case.points,
            seed=DEMO.seed, device=device,
        )  # fmt: skip
        self.kinds: list[str] = found["kinds"]

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            last = (self._process.communicate()[1].strip().splitlines() or ["it ended"])[-1]
            raise HollyError(f"bench --step, {self._name}: {last}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def measure_case(
    case: StepCase, pythons: Sequence[str], device: str, against: str | None = None, turns: int = TURNS
) -> list[StepRecord]:
    """A record of each kind of step.

    Args:
        case: The training.
        pythons: Interpreters: of this commit and, if there is another, of that one.
        device: cpu or cuda.
        against: The other commit.
        turns: Steps of each kind.
    """
    with ExitStack() as stack:
        trainings = []
        for python in pythons:
            trainings.append(_Training(python, case, device))
            stack.callback(trainings[-1].close)
        kinds = trainings[0].kinds
        if any(training.kinds != kinds for training in trainings):
            raise HollyError(
                f"--against {against}: its runs consist of other steps; compare whole trainings instead, with "
                f"python -m holly_triton.harness.trainings {against} FOLDER"
            )
        chosen = list(dict.fromkeys(kinds))[: case.most]
        measured = {}
        for kind in chosen:
            numbers = [step for step, one in enumerate(kinds) if one == kind]
            measured[kind] = _take_turns(trainings, _spread(numbers, turns), WARM_UP[device])
        costs = {kind: _cost(trainings[0], [step for step, one in enumerate(kinds) if one == kind]) for kind in chosen}
    make = functools.partial(_record, case, device, against)
    return [make(kind, kinds.count(kind), measured[kind], costs[kind]) for kind in chosen]


def _spread(numbers: Sequence[int], many: int) -> list[int]:
    """Some numbers, evenly spread, at least ``many``: a single one occurs repeatedly."""
    return [numbers[(2 * turn + 1) * len(numbers) // (2 * many)] for turn in range(many)]


def _take_turns(trainings: Sequence[_Training], numbers: Sequence[int], warm_up: int) -> list[list[dict[str, Any]]]:
    """What each training found in each turn, after a warm-up."""
    for _ in range(warm_up):
        for training in trainings:
            training.ask(step=numbers[0])
    found: list[list[dict[str, Any]]] = [[] for _ in trainings]
    for turn, number in enumerate(numbers):
        for place in range(len(trainings)):
            place = (place + turn) % len(trainings)  # each goes first as often
            found[place].append(trainings[place].ask(step=number))
    return found


def _cost(training: _Training, numbers: Sequence[int]) -> dict[str, float | None]:
    """Launches, waits and the GPU's time of the median step: now and then a step also records the cloud."""
    found = [training.ask(cost=number) for number in _spread(numbers, COUNTED)]
    return {
        name: None if found[0][name] is None else statistics.median(one[name] for one in found) for name in found[0]
    }


def _record(
    case: StepCase, device: str, against: str | None, kind: str, steps: int, found: list[list[dict[str, Any]]], cost: dict[str, float | None]
) -> StepRecord:  # fmt: skip
    own = found[0]
    seconds, cpu = (statistics.median(one[name] for one in own) for name in ("wall_s", "cpu_s"))
    wall_ratio = cpu_ratio = None
    if len(found) > 1:
        wall_ratio, cpu_ratio = (
            statistics.median(new[name] / old[name] for new, old in zip(*found, strict=True)) for name in ("wall_s", "cpu_s")
        )  # fmt: skip
    return StepRecord(
        case=case.name, structure=case.structure, kind=kind, pictures=case.pictures, points=case.points, steps=steps,
        timed=len(own), step_s=seconds, cpu_s=cpu,
        pictures_per_s=statistics.median(one["pictures"] for one in own) / seconds,
        launches=cost["launches"], waits=cost["waits"], device_ms=cost["device_ms"],
        device_busy_share=None if cost["device_ms"] is None else cost["device_ms"] / 1e3 / seconds,
        peak_mib=max(one["peak_mib"] for one in own), against=against, wall_ratio=wall_ratio, cpu_ratio=cpu_ratio,
        device=device_name(device), torch=str(torch.__version__), triton=installed("triton"), commit=commit(),
    )  # fmt: skip


def whole(records: Sequence[StepRecord], time: Callable[[StepRecord], float]) -> float:
    """Seconds of all steps of a run, from those of each kind."""
    return sum(record.steps * time(record) for record in records)


def steps_table(records: Sequence[StepRecord]) -> Table:
    """The records of one case, and the sum of a run's steps if every kind was measured."""
    first = records[0]
    table = Table(
        title=f"{first.case}: {first.structure}, {first.pictures} pictures, {first.points} points",
        box=SIMPLE_HEAD,
        title_justify="left",
    )
    names = ["kind", "steps", "s a step", "CPU s", "pictures/s", "launches", "waits", "busy", "MiB"]
    for name in [*names, *(["s ratio", "CPU ratio"] if first.against else [])]:
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    for record in records:
        busy = "" if record.device_busy_share is None else f"{record.device_busy_share:.0%}"
        table.add_row(
            record.kind, str(record.steps), f"{record.step_s:.4f}", f"{record.cpu_s:.4f}", f"{record.pictures_per_s:.0f}",
            f"{record.launches:.0f}", f"{record.waits:.0f}", busy, f"{record.peak_mib:.0f}", *_ratios(record),
        )  # fmt: skip
    wall, cpu = whole(records, lambda one: one.step_s), whole(records, lambda one: one.cpu_s)
    row = ["all of these", str(sum(record.steps for record in records)), f"{wall:.1f}", f"{cpu:.1f}", *[""] * 5]
    if first.against:
        old_wall = whole(records, lambda one: one.step_s / (one.wall_ratio or 1))
        old_cpu = whole(records, lambda one: one.cpu_s / (one.cpu_ratio or 1))
        row += [f"{wall / old_wall:.2f}", f"{cpu / old_cpu:.2f}"]
    table.add_row(*row)
    return table


def _ratios(record: StepRecord) -> list[str]:
    return [f"{ratio:.2f}" for ratio in (record.wall_ratio, record.cpu_ratio) if ratio is not None]
