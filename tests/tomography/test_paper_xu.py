"""Table 2 of Xu et al. 2017 on toys: the same subtomograms for every network, records that are kept, and the report."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core import jobs as core_jobs
from holly_triton.core.errors import HollyError
from holly_triton.core.jobs import Cluster
from holly_triton.core.stop import Stop
from holly_triton.io.clouds import write_cloud
from holly_triton.tomography.classify.drawn import with_noise
from holly_triton.tomography.config import discovery
from holly_triton.tomography.config.simulation import NULL
from holly_triton.tomography.discover import pictures as discovered
from holly_triton.tomography.discover import sorting
from holly_triton.tomography.paper_xu import cells, config, left_out, left_out_report, study
from holly_triton.tomography.paper_xu.cells import Bench, Cell
from holly_triton.tomography.paper_xu.config import LARGE, PUBLISHED, SMALL, SNRS, TILTS, Stand, TableScale
from holly_triton.tomography.paper_xu.left_out import LeaveOneOut, reproduce_left_out
from holly_triton.tomography.paper_xu.study import Table, Work, carry_out_all, reproduce_table

CELL = Cell(0.5, 60.0)
LOCAL = Cluster("local")
SCALE = TableScale(size=12, train=10, test=6, epochs=2)


@pytest.fixture
def structures(tmp_path, monkeypatch) -> Path:
    """A folder with a rod and a plate, nm, in place of the classes."""
    steps = np.linspace(-8, 8, 40)
    rod = np.stack([steps, np.sin(steps), np.cos(steps)], axis=1)
    plate = np.stack([*np.meshgrid(steps[::4], steps[::4]), np.zeros((10, 10))], axis=-1).reshape(-1, 3)
    for name, points in (("rod", rod), ("plate", plate)):
        write_cloud(tmp_path / f"{name}.csv", points)
    stands = tuple(Stand(name, f"{name}.csv", "a toy") for name in ("rod", "plate"))
    monkeypatch.setattr(TableScale, "classes", property(lambda _: stands))
    study.examples_of.cache_clear()
    return tmp_path


def test_every_cell_is_compared_with_the_published_one():
    assert (
        {(cell.snr, cell.tilt) for cell in cells.all_cells()} == {*PUBLISHED} == {(a, b) for a in SNRS for b in TILTS}
    )
    assert len({stand.name for stand in LARGE}) == 22 and len(SMALL) == 10


def test_the_subtomograms_follow_from_the_cell(structures, tmp_path):
    bench = Bench(SCALE, structures, tmp_path)
    first, again = bench.draw(CELL), Bench(SCALE, structures, tmp_path).draw(CELL)
    assert torch.equal(first.test.volumes, again.test.volumes)  # the second from signals in a file
    assert bench.classes == (NULL, "plate", "rod")
    assert (len(first.fixed.training), len(first.fixed.validation), len(first.test)) == (27, 3, 18)
    assert torch.bincount(first.test.classes).tolist() == [6, 6, 6]
    other = bench.draw(Cell(0.1, 60.0))
    assert not torch.equal(first.test.volumes, other.test.volumes)
    fresh = [first.anew.batch(step, 27)[0] for step in (0, 1, 0)]
    assert torch.equal(fresh[0], fresh[2]) and not torch.equal(fresh[0].sort(0).values, fresh[1].sort(0).values)


def test_the_noise_has_the_stated_ratio(structures, tmp_path, seed):
    bench = Bench(SCALE, structures, tmp_path)
    settings = bench.settings(CELL)
    signals = bench.draw(CELL).anew.signals
    noise = with_noise(signals, settings, torch.Generator().manual_seed(seed)) - signals
    ratio = signals[signals.var(dim=(1, 2, 3)) > 0].var(dim=(1, 2, 3)).mean() / noise.var(dim=(1, 2, 3)).mean()
    assert float(ratio) == pytest.approx(0.5, rel=0.05)


def test_records_are_kept_and_reported(structures, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="the baseline needs scikit-learn")
    table = Table("toy", SCALE, structures, tmp_path / "out", arms=("own", "own-anew", "rif-svm"), cells=(CELL,))
    assert reproduce_table(table) == 0
    report = (tmp_path / "out" / "table-2-toy.md").read_text()
    row = next(line for line in report.splitlines() if line.startswith("| 0.5 |"))
    figures = json.loads(table.place(0, CELL, "rif-svm").with_suffix(".json").read_text())
    assert f"{figures['accuracy']:.3f} (0.929)" in row and figures["subtomograms"] == 18
    assert json.loads(table.place(0, CELL, "own").with_suffix(".json").read_text())["multiply_adds"] > 0

    def none_again(*_: object) -> bool:
        raise AssertionError("a finished network was trained again")

    monkeypatch.setattr(study, "_perform", none_again)
    assert reproduce_table(table) == 0


def test_each_network_can_be_a_job(structures, tmp_path, monkeypatch):
    """Jobs that are done here: what they are handed, and what they write."""
    pytest.importorskip("sklearn", reason="the baseline needs scikit-learn")
    pytest.importorskip("submitit", reason="jobs are those of submitit")
    table = Table("toy", SCALE, structures, tmp_path / "out", arms=("own", "rif-svm"), cells=(CELL,), cluster=LOCAL)

    def here(work, cluster, *, finished, say, should_stop):
        assert cluster is LOCAL and (table.folder / "signals-12-60.h5").is_file() and len(work) == 2
        for folder, call in work.items():
            assert not finished(folder) and call() and finished(folder)
        return True

    monkeypatch.setattr(study, "run_all", here)
    assert reproduce_table(table) == 0
    assert "| 0.5 |" in (tmp_path / "out" / "table-2-toy.md").read_text()
    monkeypatch.setattr(study, "run_all", lambda work, *_, **__: not work)
    assert reproduce_table(table) == 0


def note(task: tuple[int], path: Path, stop: Stop) -> bool:
    """What a job does in the next test: number 1 fails."""
    if task == (1,):
        raise HollyError("no luck")
    path.with_suffix(".json").write_text("{}")
    return True


def test_a_job_that_fails_costs_no_other(tmp_path, monkeypatch):
    cloudpickle = pytest.importorskip("cloudpickle", reason="jobs are those of submitit")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setattr(core_jobs, "POLL_S", 0.1)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no module that a job can import
    happened = []
    work = Work([(0,), (1,)], lambda number: tmp_path / f"net-{number}.pt", note, lambda: happened.append("report"))
    assert carry_out_all(work, LOCAL, lambda: happened.append("shared")) == 1
    assert happened == ["shared", "report"] and [task for task, _ in work.left] == [(1,)]
    (log,) = (tmp_path / "net-1-training" / "jobs").glob("*.err")
    assert "no luck" in log.read_text()


def test_the_command_repeats_table_2(structures, tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="the baseline needs scikit-learn")
    monkeypatch.setitem(config.SCALES, "small", SCALE)
    monkeypatch.setattr(study, "Table", partial(Table, cells=(CELL,)))
    given = ["tomo", "reproduce", "--table", "2", "--structures", str(structures), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*given, "--methods", "rif-svm", "--seeds", "2"])
    assert done.exit_code == 0, done.output
    row = next(
        line for line in (tmp_path / "out/table-2-small.md").read_text().splitlines() if line.startswith("| 0.5")
    )
    assert row.endswith("| 2 |") and "±" in row
    for wrong in (
        ["--methods", "pytme"],
        ["--steps", "3"],
        ["--structures", str(tmp_path)],
        ["--cluster-options", "time=6"],
    ):
        assert CliRunner().invoke(main, [*given, *wrong]).exit_code == 2
    absent = CliRunner().invoke(
        main, [*given[:4], "--structures", str(tmp_path / "none"), "--out", str(tmp_path / "new")]
    )
    assert absent.exit_code == 1 and "not found in" in absent.output and not (tmp_path / "new").exists()


def test_a_class_left_out_of_the_training_stays_in_the_test(structures, tmp_path):
    whole = Bench(SCALE, structures, tmp_path).draw(CELL)
    less = whole.without("plate")
    assert less.fixed.kinds.classes == less.anew.kinds.classes == (NULL, "rod")
    assert (len(less.fixed.training), len(less.fixed.validation), less.anew.epoch, len(less.test)) == (18, 2, 18, 18)
    volumes, classes = whole.fixed.training.read(np.arange(27))
    kept, labels = less.fixed.training.read(np.arange(18))
    assert torch.equal(kept, volumes[classes != 1]) and sorted(labels.tolist()) == [0] * 9 + [1] * 9


def test_table_3_is_carried_out_kept_and_reported(structures, tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="k-means is that of scikit-learn")
    monkeypatch.setattr(discovery, "CLUSTER_SIZE", 6)
    monkeypatch.setattr(sorting, "CONSENSUS", 1)
    monkeypatch.setattr(sorting, "WIDE", 0)
    monkeypatch.setattr(left_out, "LEFT_OUT", (1.0, 60.0))
    monkeypatch.setattr(left_out_report, "draw_averages", lambda *_: None)
    monkeypatch.setattr(discovered, "draw_averages", lambda *_: None)
    scale = TableScale(size=12, train=30, test=6, epochs=2, averaged=1)
    table = LeaveOneOut("toy", scale, structures, tmp_path / "out", classes=("plate",))
    assert reproduce_left_out(table) == 0
    figures = json.loads(table.place(0, "plate").with_suffix(".json").read_text())
    assert figures["clusters"] == 3 and sum(figures["sizes"]) == 18 and figures["chosen"]["particles"] > 0
    report = (tmp_path / "out" / "table-3-toy.md").read_text()
    row = next(line for line in report.splitlines() if line.startswith("| plate |"))
    assert len(row.split("|")) == 13 and (tmp_path / "out" / "table-3-toy-sizes.png").is_file()
    assert (tmp_path / "out" / "table-3-toy-features.png").is_file()

    def none_again(*_: object) -> bool:
        raise AssertionError("a finished class was left out again")

    monkeypatch.setattr(left_out, "_perform", none_again)
    assert reproduce_left_out(table) == 0


@pytest.mark.parametrize(
    "options", [["--leave-out", "GroEL,lid"], ["--methods", "rif-svm"], ["--methods", "own,dsrf3d"]]
)
def test_wrong_options_of_table_3(tmp_path, options):
    given = ["tomo", "reproduce", "--table", "3", "--structures", str(tmp_path), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, [*given, *options]).exit_code == 2
    assert (
        CliRunner().invoke(main, ["tomo", "reproduce", "--structures", str(tmp_path), "--leave-out", "GroEL"]).exit_code
        == 2
    )
