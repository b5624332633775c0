"""The study from the start to its report: tomograms simulated, networks trained, particles picked, averages made.

What is finished is kept and not repeated, and an interrupted training continues, so that the same command resumes the study or
adds seeds. The report is written anew after each seed.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.io.particle_lists.particle_list import joined
from holly_triton.tomography.config.network import Device
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.structures import Density

from .averages import average_all, read_averaged
from .classes import nine_classes
from .config import CONDITIONS, METHODS, NETWORKS, Condition, Method, StudyScale
from .methods import Method as Picker
from .methods import deepfinder_method, matching_method, network_method
from .nets import Net, trained
from .pytme import find_pytme, pytme_method
from .report import write_report
from .results import SETTINGS, Results
from .store import Cell, Found, read_found, write_found
from .tomograms import Bench

FAILED = 1


@dataclass(frozen=True)
class Study:
    """What is compared, and where it is kept.

    Attributes:
        name: Of the scale.
        scale: How large tomograms and trainings are.
        methods: What is compared.
        seeds: Repetitions of everything.
        structures: Folders of the maps and models of the paper's classes.
        out: Folder of the report.
        device: Where networks are trained and tomograms simulated.
        pytme: The program of the peer, or None for that on the search path.
        conditions: Those of the test tomograms.
        classes: Others than the paper's; None reads these.
    """

    name: str
    scale: StudyScale
    methods: Sequence[Method]
    seeds: int
    structures: tuple[Path, ...]
    out: Path
    device: Device = "auto"
    pytme: Path | None = None
    conditions: Sequence[Condition] = CONDITIONS
    classes: Sequence[Density] | None = None

    @property
    def folder(self) -> Path:
        """Where tomograms, networks and picks are kept."""
        return self.out / "runs" / self.name

    @cached_property
    def bench(self) -> Bench:
        """What draws the tomograms."""
        classes = nine_classes(self.structures) if self.classes is None else self.classes
        return Bench(self.scale, classes, self.folder / "tomograms", find_device(self.device))

    @property
    def cells(self) -> Iterator[Cell]:
        """Every cell: the conditions of one seed after the other, each by all methods."""
        for seed in range(self.seeds):
            for condition in self.conditions:
                for method in METHODS:
                    if method in self.methods:
                        yield Cell(method, seed, condition)

    def path(self, cell: Cell) -> Path:
        """The file of a cell."""
        return self.folder / "picks" / f"{cell.name}.json"

    def key(self, cell: Cell) -> dict[str, Any]:
        """All that the picks of a cell follow from, as JSON holds it."""
        classes = [[density.name, round(density.mass), density.symmetry] for density in self.bench.classes]
        return {"scale": self.scale.table(), "classes": classes, "cell": cell.name}


def reproduce(study: Study) -> int:
    """Carry out a study from its current state; return the exit code.

    Raises:
        HollyError: Structures are absent, or a file can't be written.
    """
    notes: list[str] = []
    study.bench  # noqa: B018  absent structures are reported before anything is written
    _make_folder(study)
    if "pytme" in study.methods and (reason := find_pytme(study.pytme).reason):
        notes.append(reason)
    methods = [method for method in study.methods if method != "pytme" or not notes]
    code = DONE
    with stoppable() as stop:
        for seed in range(study.seeds):
            code = max(code, _carry_out(study, seed, methods, stop))
            print(f"wrote {report(study, notes)}")
            if code == STOPPED:
                print("Stopped. The same command continues: what is finished is kept.")
                break
    return code


def _carry_out(study: Study, seed: int, methods: Sequence[Method], stop: Stop) -> int:
    """All cells of a seed, and its averages; return the exit code so far."""
    code = DONE
    for cell in study.cells:
        if cell.seed != seed or cell.method not in methods or read_found(study.path(cell), study.key(cell)) is not None:
            continue
        try:
            if not _perform(study, cell, stop):
                return STOPPED
        except HollyError as error:  # one cell that fails must not cost the others
            LOG.error("%s: %s", cell.name, error)
            code = FAILED
    if "network" in methods:
        model = trained(Net("network", seed, study.folder), study.bench, study.device, stop)
        if model is None or stop.asked:
            return STOPPED
        average_all(study.bench, seed, model, study.folder / "averages")
    return code


def report(study: Study, notes: Sequence[str]) -> Path:
    """Write the report of what is finished.

    Raises:
        HollyError: A file is damaged, or can't be written.
    """
    found = {cell: each for cell in study.cells if (each := read_found(study.path(cell), study.key(cell))) is not None}
    folder = study.folder / "averages"
    made = [read_averaged(study.bench, seed, folder) for seed in range(study.seeds)]
    averaged = [each for each in made if each is not None]
    return write_report(study.out, study.name, study.scale, Results(found), averaged, notes)


def _perform(study: Study, cell: Cell, stop: Stop) -> bool:
    """Pick the test tomograms of a cell; False if it was stopped before the end."""
    made = _picker(study, cell, stop)
    if made is None or stop.asked:
        return False
    picker, training_seconds = made
    LOG.info("%s: picking", cell.name)
    picks, truths, seconds = [], [], []
    thresholds: dict[str, float] = {}
    for specimen in study.bench.test(cell.seed, cell.condition):
        since = time.monotonic()
        picked = picker(specimen, cell.condition)
        seconds.append(time.monotonic() - since)
        picks.append(picked.picks)
        truths.append(specimen.truth)
        thresholds.update(picked.thresholds)
        if stop.asked:
            return False
    found = Found(joined(picks), thresholds, joined(truths), seconds, training_seconds)
    write_found(study.path(cell), study.key(cell), found)
    score = evaluate(found.taken(), found.truth, SETTINGS)
    LOG.info("%s: mean F1 %.3f, %.0f s a tomogram", cell.name, score.macro["f1"], sum(seconds) / len(seconds))
    return True


def _picker(study: Study, cell: Cell, stop: Stop) -> tuple[Picker, float | None] | None:
    """The method of a cell and the time of its training; None if that was stopped."""
    bench = study.bench
    if cell.method in NETWORKS:
        model = trained(Net(cell.method, cell.seed, study.folder), bench, study.device, stop)
        if model is None:
            return None
        if cell.method == "deepfinder":
            return deepfinder_method(model, [*bench.validation(cell.seed)]), model.figures["seconds"]
        return network_method(model), model.figures["seconds"]
    if cell.method == "matching":
        return matching_method(bench.classes, study.scale, bench.device), None
    return pytme_method(find_pytme(study.pytme), bench.classes, study.scale), None


def _make_folder(study: Study) -> None:
    """The folder of what is kept, which git ignores."""
    folder = study.out / "runs"
    try:
        (folder / study.name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{study.out}: cannot be written ({error.strerror}); choose another --out") from error
    if not (folder / ".gitignore").is_file():
        with replacing(folder / ".gitignore") as partial:
            partial.write_text("*\n", encoding="utf-8")
