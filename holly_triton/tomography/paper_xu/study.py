"""Table 2 from the start to its report: every network in every cell, each trained, then judged on the same subtomograms.

Finished networks are kept and not repeated, and an interrupted training continues, so that the same command goes on or adds
seeds. The report is written anew after each network.
"""

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, replacing
from holly_triton.core.jobs import Cluster, run_all
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.training import folder_of, make_training_folder, read_training
from holly_triton.core.training_command import carried_out
from holly_triton.core.types import Figures
from holly_triton.tomography.classify.evaluation import figures_of
from holly_triton.tomography.classify.model import Model, parameters
from holly_triton.tomography.classify.run import KIND, Run, carry_out, fit_baseline, trainer_for
from holly_triton.tomography.classify.sources import Source
from holly_triton.tomography.config.classification import EPOCHS, Device, Network, Training

from .cells import Bench, Cell, Examples, all_cells
from .config import ARMS, FIRST, Arm, TableScale
from .report import Record, write_report

FAILED = 1
Task = TypeVar("Task", bound=tuple[Any, ...])


@dataclass(frozen=True)
class Table:
    """What is compared, and where it is kept.

    Attributes:
        name: of the scale.
        scale: how large sets and trainings are.
        structures: folder of the files that the classes name.
        out: folder of the report.
        arms: what is compared.
        seeds: networks of each arm in each cell.
        device: where networks are trained.
        cells: SNRs and ranges of tilts.
        cluster: where each network is a job; None trains them here, one after the other.
    """

    name: str
    scale: TableScale
    structures: Path
    out: Path
    arms: Sequence[Arm] = tuple(ARMS)
    seeds: int = 1
    device: Device = "auto"
    cells: Sequence[Cell] = tuple(all_cells())
    cluster: Cluster | None = None

    @property
    def folder(self) -> Path:
        """Of networks and signals."""
        return self.out / "nets" / f"table-2-{self.name}"

    @property
    def work(self) -> list[tuple[int, Cell, Arm]]:
        """Every seed, cell and arm, the cell ``FIRST`` first."""
        cells = sorted(self.cells, key=lambda cell: (cell.snr, cell.tilt) != FIRST)
        return [(seed, cell, arm) for seed in range(self.seeds) for cell in cells for arm in self.arms]

    def place(self, seed: int, cell: Cell, arm: Arm) -> Path:
        """File of a network; its record lies beside it."""
        return self.folder / f"{cell.name}-{arm}-{seed}.pt"


def reproduce_table(table: Table) -> int:
    """Carry out Table 2 from its current state; return the exit code.

    Raises:
        HollyError: A structure can't be read, or a file can't be written.
    """
    bench = Bench(table.scale, table.structures, table.folder)
    bench.places(table.scale.classes)  # absent structures are reported before anything is written
    if table.cluster is not None:
        table.cluster.check()
    make_folder(table.folder)
    work = Work(table.work, table.place, functools.partial(_perform, table, bench), lambda: report(table))
    return carry_out_all(work, table.cluster, lambda: [bench.simulate(cell) for cell in table.cells])


class Work(NamedTuple, Generic[Task]):
    """What there is to do for a table."""

    tasks: Sequence[Task]
    place: Callable[..., Path]
    """File of a task's network, beside which its record lies."""
    perform: Callable[[Task, Path, Stop], bool]
    """Does one and writes its record; False if it was stopped before the end."""
    report: Callable[[], Path]
    """Writes the report of what is finished."""

    @property
    def left(self) -> list[tuple[Task, Path]]:
        """The tasks without a record, each with its file."""
        places = [(task, self.place(*task)) for task in self.tasks]
        return [(task, path) for task, path in places if not path.with_suffix(".json").is_file()]


def carry_out_all(work: Work[Task], cluster: Cluster | None, share: Callable[[], object]) -> int:
    """Do what has no record yet, here or as jobs, and write the report; return the exit code.

    Args:
        work: What there is to do.
        cluster: Where each task is a job; None does one after the other here.
        share: Writes the files that several tasks read, before there are jobs, which would write them at the same time.
    """
    with stoppable() as stop:
        if cluster is None:
            code = _in_turn(work, stop)
        else:
            with in_parts(1) as begin:
                begin("simulating subtomograms")
                share()
            code = _as_jobs(work, cluster, stop)
    print(f"wrote {work.report()}")
    if code == STOPPED:
        print("Stopped. The same command continues: what is finished is kept.")
    return code


def _in_turn(work: Work[Task], stop: Stop) -> int:
    """One after the other, with a report after each."""
    code = DONE
    for task, path in work.left:
        try:
            if stop.asked or not work.perform(task, path, stop):
                return STOPPED
        except HollyError as error:  # one that fails must not cost the others
            LOG.error("%s: %s", path.stem, error)
            code = FAILED
        work.report()
    return code


def _as_jobs(work: Work[Task], cluster: Cluster, stop: Stop) -> int:
    """Each as a job, whose log lies in the folder of its training."""
    records = {folder_of(path): path.with_suffix(".json") for _, path in work.left}
    calls = {folder_of(path): functools.partial(work.perform, task, path, Stop()) for task, path in work.left}

    def finished(folder: Path) -> bool:
        return records[folder].is_file()

    if not run_all(calls, cluster, finished=finished, say=LOG.info, should_stop=lambda: stop.asked):
        return STOPPED
    return DONE if all(map(finished, records)) else FAILED


def report(table: Table) -> Path:
    """Write the report of what is finished."""
    records = []
    for seed, cell, arm in table.work:
        path = table.place(seed, cell, arm).with_suffix(".json")
        if path.is_file():
            records.append(Record(seed, cell, arm, json.loads(path.read_text(encoding="utf-8"))))
    return write_report(table.out, table.name, table.scale, records)


def _perform(table: Table, bench: Bench, task: tuple[int, Cell, Arm], path: Path, stop: Stop) -> bool:
    """Train and judge one network; False if it was stopped before the end."""
    seed, cell, arm = task
    with in_parts(1) as begin:
        begin("simulating subtomograms")
        examples = examples_of(bench, cell)
    settings = training_of(table.scale, arm, f"table-2-{table.name}", seed, table.device)
    model = trained(settings, source_of(examples, arm), path, stop)
    if model is None:
        return False
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(as_json(_judged(model, examples)), encoding="utf-8")
    LOG.info("%s: done", path.stem)
    return True


def source_of(examples: Examples, arm: Arm) -> Source:
    """What a network is trained on."""
    return examples.anew if arm == "own-anew" else examples.fixed


@functools.lru_cache(maxsize=1)
def examples_of(bench: Bench, cell: Cell) -> Examples:
    """The subtomograms of a cell; those of the last one are kept in memory."""
    return bench.draw(cell)


def training_of(scale: TableScale, arm: Arm, data: str, seed: int, device: Device) -> Training:
    """The settings of a training of a scale."""
    network = Network(ARMS[arm][0])
    epochs = scale.epochs if network.name == "own" else EPOCHS[network.name]
    return Training(data=data, epochs=epochs, seed=seed, device=device, network=network)


def trained(settings: Training, source: Source, path: Path, stop: Stop) -> Model | None:
    """The finished network of a cell; None if it was stopped before the end."""
    settings = settings.planned(source.epoch)
    if settings.network.name == "rif-svm":
        return fit_baseline(settings, source)
    state = None
    if (folder_of(path) / "config.toml").is_file():
        settings, state = read_training(path, KIND, Training)
    else:
        write_config(make_training_folder(path) / "config.toml", settings)
    run = Run(path, trainer_for(settings, source, state))
    LOG.info("%s: training", path.stem)
    model = carried_out(run, stop, _words, carry_out)
    return model if run.trainer.done >= 1 else None


def _words(figures: Figures) -> str:
    return f"accuracy {figures['accuracy']:.3f}, top-2 {figures['top2']:.3f}"


def _judged(model: Model, examples: Examples) -> dict[str, Any]:
    """Figures on the test subtomograms, with what they cost."""
    test = examples.test
    start = time.monotonic()
    linear = model.linear(test.volumes)
    seconds = time.monotonic() - start
    return {
        **figures_of(linear, test.classes, model.temperature, model.classes),
        "parameters": parameters(model.network),
        "multiply_adds": multiply_adds(model),
        "per_second": len(test) / seconds,
        "device": _device_of(model),
        "training": model.figures,
    }


def _device_of(model: Model) -> str:
    """Where a network is, in words."""
    device = next(iter([*model.network.parameters(), *model.network.buffers()])).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def multiply_adds(model: Model) -> int:
    """Multiply-adds of a network for one subtomogram; 0 for the baseline, which has none."""
    if model.training.network.name == "rif-svm":
        return 0
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model.linear(torch.zeros(1, model.size, model.size, model.size))
    return int(counter.get_total_flops()) // 2


def make_folder(folder: Path) -> None:
    """A folder of networks and signals, which git ignores.

    Raises:
        HollyError: It can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
    ignored = folder.parent / ".gitignore"
    if not ignored.is_file():
        with replacing(ignored) as partial:
            partial.write_text("*\n", encoding="utf-8")
