"""The study from the start to its report: networks are trained, then evaluated on the same frames.

Finished networks and finished evaluations are kept and not repeated, and an interrupted training continues, so that the same
command resumes the study or adds seeds. The report is written anew after each network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing, replacing
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.frames.config.network import Device
from holly_triton.frames.localise import Model

from .cells import Bench, Cell, all_cells
from .comparison import Results
from .config import Arm, StudyScale
from .evaluations import Store
from .nets import Net, trained
from .report import write_report

FAILED = 1


@dataclass(frozen=True)
class Study:
    """What is compared, and where it is kept.

    Attributes:
        name: Of the scale.
        scale: How large networks and trainings are.
        arms: What is compared.
        seeds: Networks of each arm.
        positions: A truth whose distinct positions are the microtubules of the test, or None.
        out: Folder of the report.
        device: Where networks are trained and used.
        cells: The test frames.
    """

    name: str
    scale: StudyScale
    arms: Sequence[Arm]
    seeds: int
    positions: Path | None
    out: Path
    device: Device = "auto"
    cells: Sequence[Cell] = tuple(all_cells())

    @property
    def nets(self) -> list[Net]:
        """Every arm once before any arm twice."""
        return [Net(arm, seed, self.out / "nets" / self.name) for seed in range(self.seeds) for arm in self.arms]

    @property
    def store(self) -> Store:
        """Its evaluations."""
        return Store(self.out / "nets" / self.name / "evaluations", Bench(self.scale, self.positions))


def reproduce(study: Study) -> int:
    """Carry out a study from its current state; return the exit code.

    Raises:
        HollyError: The positions can't be read, or a file can't be written.
    """
    if study.positions is not None and not study.positions.is_file():
        raise missing(study.positions, "the truth of the challenge, activations.csv")
    _make_folder(study)
    code = DONE
    with stoppable() as stop:
        for net in study.nets:
            try:
                if not _perform(study, net, stop):
                    code = STOPPED
                    break
            except HollyError as error:  # one network that fails must not cost the others
                LOG.error("%s: %s", net.name, error)
                code = FAILED
        print(f"wrote {report(study)}")
    if code == STOPPED:
        print("Stopped. The same command continues: finished networks and evaluations are kept.")
    return code


def report(study: Study) -> Path:
    """Write the report of what is finished.

    Raises:
        HollyError: A file is damaged, or can't be written.
    """
    store = study.store
    ceilings = {cell: found for cell in study.cells if (found := store.ceiling(cell)) is not None}
    results = Results(store.finished(study.nets, study.cells))
    return write_report(study.out, study.name, study.nets, results, ceilings, store.bench)


def _perform(study: Study, net: Net, stop: Stop) -> bool:
    """Train and evaluate one network; False if it was stopped before the end."""
    model = trained(net, study.scale, study.device, stop)
    if model is None or not _evaluate(study, net, model.to(find_device(study.device)), stop):
        return False
    LOG.info("%s: done; wrote %s", net.name, report(study))
    return True


def _evaluate(study: Study, net: Net, model: Model, stop: Stop) -> bool:
    store, said = study.store, False
    for cell in study.cells:
        wants_ceiling = cell.kind != "empty" and store.ceiling(cell) is None
        if store.read(net, cell) is not None and not wants_ceiling:
            continue
        if stop.asked:
            return False
        if not said:
            LOG.info("%s: evaluating", net.name)
            said = True
        made = store.bench.draw(cell)
        if store.read(net, cell) is None:
            store.evaluate(net, model, cell, made)
        if wants_ceiling:
            store.ceiling(cell, made)
    return True


def _make_folder(study: Study) -> None:
    """The folder of networks and evaluations, which git ignores."""
    folder = study.out / "nets"
    try:
        (folder / study.name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{study.out}: cannot be written ({error.strerror}); choose another --out") from error
    if not (folder / ".gitignore").is_file():
        with replacing(folder / ".gitignore") as partial:
            partial.write_text("*\n", encoding="utf-8")
