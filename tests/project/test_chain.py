"""The order and the memory of a project, with steps that take no time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holly_triton.core.errors import HollyError
from holly_triton.core.stop import DONE, STOPPED
from holly_triton.project import chain
from holly_triton.project.chain import resume_project, start_project, unused
from holly_triton.project.config import LEDGER, REPORT, SETTINGS, Asked
from holly_triton.project.ledger import fingerprint
from holly_triton.project.steps import DRIFT, Files, Outcome, Step, steps_of

Work = Callable[[Asked, Files, Path, bool], Outcome]


class Bench:
    """Three steps, of which each copies what it reads: ``localise``, ``pick``, ``reconstruct``; and which of them were done."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, list[str]()
        self.ends: dict[str, int | BaseException] = {}
        self.continued: dict[str, bool] = {}
        self.movie = folder / "movie.tif"
        self.movie.write_bytes(b"frames")
        self.project = folder / "project"

    def step(self, name: str, options: tuple[str, ...], reads: str, writes: str) -> Step:
        def work(asked: Asked, files: Files, place: Path, continued: bool) -> Outcome:
            self.done.append(name)
            self.continued[name] = continued
            end = self.ends.pop(name, DONE)
            if isinstance(end, BaseException):
                raise end
            out = place / "out"
            out.write_bytes(files[reads].read_bytes() + name.encode())
            print(f"{name} printed 1 line")
            return Outcome(end, {writes: out})

        return Step(name, name, options, (reads,), work)

    def steps(self, asked: Asked, movie: bool) -> list[Step]:
        return [
            self.step("localise", ("camera",), "data", "localisations"),
            self.step("pick", ("diameter",), "localisations", "particles"),
            self.step("reconstruct", ("points", "seed"), "particles", "structure"),
        ]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(chain, "steps_of", made.steps)
    monkeypatch.setattr("holly_triton.project.report.steps_of", made.steps)
    return made


def asked(bench: Bench, **options: object) -> Asked:
    return Asked.of({"data": str(bench.movie), "model": "default", **options}, "test")


def test_each_step_is_done_once_and_what_is_done_is_not_repeated(bench: Bench) -> None:
    assert start_project(bench.project, asked(bench)) == DONE
    assert bench.done == ["localise", "pick", "reconstruct"]
    assert (bench.project / "6-structure" / "out").read_bytes() == b"frameslocalisepickreconstruct"
    assert resume_project(bench.project) == DONE
    assert bench.done == ["localise", "pick", "reconstruct"]


def test_a_changed_option_repeats_what_depends_on_it_and_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    start_project(bench.project, asked(bench))
    bench.done.clear()
    with caplog.at_level("INFO"):
        assert resume_project(bench.project, points=200) == DONE
    assert bench.done == ["reconstruct"]
    assert "--points: none, now 200" in caplog.text
    assert "done again (points none, now 200)" in caplog.text
    assert resume_project(bench.project) == DONE  # the new value is kept
    assert bench.done == ["reconstruct"]


def test_the_page_gives_the_options_with_their_units(bench: Bench) -> None:
    start_project(bench.project, asked(bench, diameter=120.0))
    page = (bench.project / REPORT).read_text(encoding="utf-8")
    assert "<td>diameter, nm</td><td>120</td>" in page and "<td>None</td>" not in page


def test_an_early_option_whose_result_is_the_same_repeats_no_later_step(bench: Bench) -> None:
    start_project(bench.project, asked(bench))
    bench.done.clear()
    resume_project(bench.project, camera="scmos")
    assert bench.done == ["localise"]


def test_another_input_file_repeats_all_that_read_it(bench: Bench) -> None:
    start_project(bench.project, asked(bench))
    bench.done.clear()
    bench.movie.write_bytes(b"others")
    resume_project(bench.project)
    assert bench.done == ["localise", "pick", "reconstruct"]


def test_a_result_that_was_deleted_is_made_again(bench: Bench) -> None:
    start_project(bench.project, asked(bench))
    bench.done.clear()
    (bench.project / "5-particles" / "out").unlink()
    resume_project(bench.project)
    assert bench.done == ["pick"]


@pytest.mark.parametrize("end", [STOPPED, KeyboardInterrupt()], ids=["signal", "interrupt"])
def test_a_stop_keeps_what_is_done_and_goes_on_where_it_was(
    bench: Bench, end: int | BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.ends["pick"] = end
    assert start_project(bench.project, asked(bench)) == STOPPED
    assert f"process --resume {bench.project}" in capsys.readouterr().out.splitlines()[-1]
    page = (bench.project / REPORT).read_text(encoding="utf-8")
    assert "1 of 3 steps done" in page
    bench.done.clear()
    assert resume_project(bench.project) == DONE
    assert bench.done == ["pick", "reconstruct"]
    assert bench.continued == {"localise": False, "pick": True, "reconstruct": False}


def test_a_movie_that_is_not_there_is_said_before_its_psf_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="no such file"):
        start_project(tmp_path / "project", Asked.of({"data": str(tmp_path / "movie.tif")}, "test"))


@pytest.mark.parametrize(("held", "said"), [(None, "empty folder"), ("notes.txt", "holds no TIFF")])
def test_a_folder_without_a_movie_is_said_before_its_psf_is_asked_for(
    held: str | None, said: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if held is not None:
        (data / held).write_text("x")
    with pytest.raises(HollyError, match=said):
        start_project(tmp_path / "project", Asked.of({"data": str(data)}, "test"))
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("options", "movie", "names"),
    [
        ({"psf": "psf.h5", "minutes": 3.0, "diameter": 100.0, "drift": False}, False, ["psf", "minutes"]),
        ({"model": "default", "minutes": 3.0, "camera": "scmos", "seed": 1}, True, ["minutes"]),
        ({"psf": "psf.h5", "minutes": 3.0, "quick": True}, True, []),
    ],
)
def test_options_that_no_step_reads_are_known(options: dict[str, object], movie: bool, names: list[str]) -> None:
    asked = Asked.of({"data": "data", **options}, "test")
    assert unused(asked, steps_of(asked, movie)) == names


def test_an_option_that_is_not_used_is_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    start_project(bench.project, asked(bench, tilt=0.0))
    assert "--tilt is not used" in caplog.text


@pytest.mark.parametrize(
    ("rows", "said"), [("x [nm],y [nm]\n1,2\n3,4\n", "frames"), ("frame,x [nm],y [nm]\n1,1,2\n2,3,4\n", "too few")]
)
def test_a_table_that_shows_no_drift_goes_on_without(
    rows: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(rows)
    asked = Asked.of({"data": str(table)}, "test")
    outcome = DRIFT.run(asked, {"data": table, "localisations": table}, tmp_path, False)
    assert outcome == Outcome(DONE, {}) and said in capsys.readouterr().out


def test_a_step_that_fails_names_the_way_on(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.ends["pick"] = HollyError("no particle was found")
    with pytest.raises(HollyError, match="no particle"):
        start_project(bench.project, asked(bench))
    assert "step 2 of 3" in caplog.text and "--resume" in caplog.text
    assert resume_project(bench.project, diameter=100.0) == DONE
    assert bench.done == ["localise", "pick", "pick", "reconstruct"]


def test_what_a_step_prints_is_kept(bench: Bench) -> None:
    start_project(bench.project, asked(bench))
    ledger = json.loads((bench.project / LEDGER).read_text(encoding="utf-8"))
    assert ledger["steps"]["pick"]["said"] == ["pick printed 1 line"]


def test_a_folder_in_use_is_refused_and_overwrite_begins_anew(bench: Bench) -> None:
    start_project(bench.project, asked(bench))
    with pytest.raises(HollyError, match="--overwrite"):
        start_project(bench.project, asked(bench))
    bench.done.clear()
    start_project(bench.project, asked(bench), overwrite=True)
    assert bench.done == ["localise", "pick", "reconstruct"]


def test_what_is_no_project_and_what_is_damaged_is_said(bench: Bench) -> None:
    with pytest.raises(HollyError, match=f"no {SETTINGS}"):
        resume_project(bench.folder)
    start_project(bench.project, asked(bench))
    (bench.project / LEDGER).write_text("{", encoding="utf-8")
    with pytest.raises(HollyError, match="damaged"):
        resume_project(bench.project)


def test_a_missing_file_is_named_before_any_work(bench: Bench) -> None:
    with pytest.raises(HollyError, match="none.tif"):
        start_project(bench.project, asked(bench, beads=str(bench.folder / "none.tif"), step=50.0))
    assert not bench.done and not bench.project.exists()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"beads": "b.tif", "step": 50.0}, ["calibrate", "model", "localise", "drift", "pick", "reconstruct"]),
        ({"psf": "p.h5"}, ["model", "localise", "drift", "pick", "reconstruct"]),
        ({"model": "m.pt", "drift": False}, ["localise", "pick", "reconstruct"]),
    ],
    ids=["beads", "psf", "model"],
)
def test_the_steps_of_a_movie_follow_from_what_is_known(options: dict[str, object], names: list[str]) -> None:
    found = steps_of(Asked.of({"data": "movie.tif", **options}, "test"), movie=True)
    assert [step.name for step in found] == names


def test_localisations_need_three_steps_and_a_movie_its_psf() -> None:
    table = Asked(data="found.csv")
    assert [step.name for step in steps_of(table, movie=False)] == ["drift", "pick", "reconstruct"]
    with pytest.raises(HollyError, match="--beads BEADS --step NM"):
        steps_of(Asked(data="movie.tif"), movie=True)


@pytest.mark.parametrize("options", [{"data": ""}, {"beads": "b.tif"}, {"beads": "b", "step": 9.0, "psf": "p"}])
def test_options_that_do_not_go_together_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(HollyError):
        Asked.of({"data": "movie.tif", **options}, "test")


def test_a_fingerprint_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert fingerprint(file) == "absent"
    file.write_bytes(b"a" * 10)
    before = fingerprint(file)
    file.write_bytes(b"a" * 9 + b"b")
    assert fingerprint(file) != before
    folder = fingerprint(tmp_path)
    (tmp_path / "another").write_bytes(b"")
    assert fingerprint(tmp_path) != folder
