"""Table 3: one class after the other is left out of a training, and searched for among subtomograms of all classes.

The cluster is chosen as a person would who does not know the classes: the first row of ``tomo discover``. What the truth would
have chosen is reported beside it.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.core.jobs import Cluster
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.resumption import JOB
from holly_triton.core.stop import STOPPED, Stop
from holly_triton.tomography.config.classification import Device
from holly_triton.tomography.config.discovery import Discovery
from holly_triton.tomography.discover import command
from holly_triton.tomography.discover.results import CLUSTERS, METRICS, read_clusters

from .cells import Bench, Cell, write_test
from .config import LEFT_OUT, OPTICS, Arm, TableScale
from .left_out_report import Left, write_left_out
from .study import Work, carry_out_all, examples_of, make_folder, source_of, trained, training_of

TENTH_OF_NM = 10.0
"""Å of a nm."""


@dataclass(frozen=True)
class LeaveOneOut:
    """What is left out, and where it is kept.

    Attributes:
        name: of the scale.
        scale: how large sets and trainings are.
        structures: folder of the files that the classes name.
        out: folder of the report.
        classes: which are left out, one at a time.
        arm: the network.
        seeds: repetitions.
        device: where it is done.
        cluster: where each class is a job; None does one after the other here.
    """

    name: str
    scale: TableScale
    structures: Path
    out: Path
    classes: Sequence[str]
    arm: Arm = "own-anew"
    seeds: int = 1
    device: Device = "auto"
    cluster: Cluster | None = None

    @property
    def folder(self) -> Path:
        """Of networks, signals, and what was found."""
        return self.out / "nets" / f"table-3-{self.name}"

    @property
    def cell(self) -> Cell:
        """SNR and tilts."""
        return Cell(*LEFT_OUT)

    @property
    def work(self) -> list[tuple[int, str]]:
        """Every seed and class."""
        return [(seed, name) for seed in range(self.seeds) for name in self.classes]

    def place(self, seed: int, name: str) -> Path:
        """File of the network that has not seen a class; its record, and the folder of what was found, lie beside it."""
        return self.folder / f"without-{name}-{self.arm}-{seed}.pt"


def reproduce_left_out(table: LeaveOneOut) -> int:
    """Carry out Table 3 from its current state; return the exit code.

    Raises:
        HollyError: A structure can't be read, or a file can't be written.
    """
    bench = Bench(table.scale, table.structures, table.folder)
    bench.places(table.scale.classes)  # absent structures are reported before anything is written
    if table.cluster is not None:
        table.cluster.check()
    make_folder(table.folder)
    work = Work(table.work, table.place, functools.partial(_perform, table, bench), lambda: report(table, bench))
    return carry_out_all(work, table.cluster, lambda: _test_set(table, bench))


def report(table: LeaveOneOut, bench: Bench) -> Path:
    """Write the report of what is finished."""
    places, found = bench.places(table.scale.classes), []
    for seed, name in table.work:
        path = table.place(seed, name).with_suffix(".json")
        if path.is_file():
            with foreign(path, "figures of a class that was left out"):
                figures = json.loads(path.read_text(encoding="utf-8"))
            found.append(Left(seed, name, figures, path.with_suffix(""), places[name]))
    return write_left_out(table.out, table.name, table.scale, table.arm, found)


def _perform(table: LeaveOneOut, bench: Bench, task: tuple[int, str], path: Path, stop: Stop) -> bool:
    """Train without a class, and search for it; False if it was stopped before the end."""
    seed, name = task
    with in_parts(1) as begin:
        begin("simulating subtomograms")
        test = _test_set(table, bench)
        examples = examples_of(bench, table.cell)
    settings = training_of(table.scale, table.arm, f"table-3-{table.name}", seed, table.device)
    model = trained(settings, source_of(examples.without(name), table.arm), path, stop)
    if model is None:
        return False
    found = path.with_suffix("")
    job = _job(table, bench, test, path, name, seed)
    if _discovered(found, job, []) == STOPPED:
        return False
    chosen = json.loads((found / METRICS).read_text(encoding="utf-8"))["look_first"][0]
    right = _right_clusters(found, name)
    # The choice by the truth, as the paper made it, is averaged after the other one has been made.
    if _discovered(found, job, right[:1]) == STOPPED:
        return False
    figures = _figures(found, chosen, right, name) | {"validation": model.figures["validation"]["accuracy"]}
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(as_json(figures), encoding="utf-8")
    LOG.info("%s: done", path.stem)
    return True


def _test_set(table: LeaveOneOut, bench: Bench) -> Path:
    """The subtomograms that are searched, which are written where they are not there."""
    test = table.folder / f"test-{table.cell.name}.h5"
    if not test.is_file():
        write_test(test, bench, examples_of(bench, table.cell))
    return test


def _job(table: LeaveOneOut, bench: Bench, test: Path, model: Path, name: str, seed: int) -> command.Job:
    truth = bench.places(table.scale.classes)[name]
    return command.Job(
        data=str(test.resolve()), model=str(model.resolve()), features=None, voxel_size=None, device=table.device,
        tilt=(-table.cell.tilt, table.cell.tilt), contrast="dark", optics=OPTICS.table(), truths=[str(truth.resolve())],
        settings=Discovery(averaged=table.scale.averaged, embedding="tsne", seed=seed).table(),
    )  # fmt: skip


def _discovered(out: Path, job: command.Job, chosen: Sequence[int]) -> int:
    """The search in a folder, begun or continued."""
    if (out / JOB).is_file():
        return command.resume(Path(job.data), out, chosen)
    return command.discover(out, job, chosen, overwrite=True)


def _right_clusters(found: Path, name: str) -> list[int]:
    """Clusters most of whose subtomograms are of a class, those with the most of it first.

    Raises:
        HollyError: The tables can't be read.
    """
    rows = [row for row in read_clusters(found / CLUSTERS) if row["label"] == name]
    return [
        int(row["cluster"]) for row in sorted(rows, key=lambda row: -float(row["purity"]) * int(row["subtomograms"]))
    ]


def _figures(found: Path, chosen: dict[str, Any], right: list[int], name: str) -> dict[str, Any]:
    """What the record of a class holds; lengths in nm, None where there is no agreement."""
    metrics = json.loads((found / METRICS).read_text(encoding="utf-8"))
    rows = read_clusters(found / CLUSTERS)
    best = next((entry for entry in metrics["look_first"] if right and entry["cluster"] == right[0]), None)
    return {
        "class": name,
        "chosen": _entry(chosen),
        "by_truth": None if best is None else _entry(best),
        "novelty_rank": min(right, default=None),
        "right_clusters": right,
        "clusters": metrics["clusters"],
        "largest_share": metrics["largest_share"],
        "sizes": sorted(int(row["subtomograms"]) for row in rows),
    }


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    main = entry["classes"][0] if entry["classes"] else {}
    nm = {key: main[f"{key}_angstrom"] / TENTH_OF_NM if main.get(f"{key}_angstrom") else None for key in ("discrepancy", "resolution")}  # fmt: skip
    kept = {key: entry[key] for key in ("cluster", "subtomograms", "label", "purity", "novelty")}
    return {**kept, "particles": main.get("particles", 0), "consistent": main.get("consistent", False), **{f"{key}_nm": value for key, value in nm.items()}}  # fmt: skip
