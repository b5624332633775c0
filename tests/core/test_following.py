"""The last line of a command: what to do next."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.commands.following import DRIFT, LAST, NEXT, OWN, Line, _followed, _say
from holly_triton.commands.tomo.simulate import what_follows
from holly_triton.io.particle_lists import ParticleList, joined, write_particles
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.config.simulation import SimulationSettings


def lines_of(words: str) -> dict[str, str]:
    """What follows a command, by the option on which it depends, and by "instead" where the file is refused."""
    lines = NEXT[words]
    if isinstance(lines, Line):
        return {"": lines.says} | ({"instead": lines.instead} if lines.instead else {})
    return {"": lines} if isinstance(lines, str) else lines


def command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command of some words, and the words behind it."""
    found: click.Command = main
    while words and isinstance(found, click.Group):
        found, words = found.commands[words[0]], words[1:]
    return found, words


@pytest.mark.parametrize(("words", "option"), [(words, option) for words in NEXT for option in lines_of(words)])
def test_what_follows_is_a_command_with_options_that_exist(words: str, option: str) -> None:
    line = lines_of(words)[option]
    following, rest = command(line.split()[1:])
    known = {option for parameter in following.params for option in parameter.opts}
    assert {word.partition("{")[0] for word in rest if word.startswith("--")} <= known
    names = {parameter.name or "": "a" for parameter in command(words.split())[0].params}
    repeated = {name: "" for parameter in command(words.split())[0].params for name in parameter.opts}
    assert "{" not in line.format_map(names | repeated)
    assert {word for word in re.findall("{(--[a-z-]+)}", line)} <= known
    assert option in ("", "instead") or option in names


def test_every_command_says_what_follows_or_is_the_last() -> None:
    def every(group: click.Group, *above: str) -> Iterator[str]:
        for name, one in group.commands.items():
            if isinstance(one, click.Group):
                yield from every(one, *above, name)
            elif not one.hidden:
                yield " ".join((*above, name))

    assert sorted(every(main)) == sorted([*NEXT, *OWN, *LAST])


@pytest.mark.parametrize(("given", "said"), [("--train", "--model out/model.pt"), ("--seed=1", "--features")])
def test_it_depends_on_an_option_where_it_must(given: str, said: str) -> None:
    @click.command()
    @click.argument("data")
    @click.argument("out")
    @click.option("--train", "training", is_flag=True)
    @click.option("--seed")
    @click.option("--voxel-size")
    def work(data: str, out: str, training: bool, seed: str | None, voxel_size: str | None) -> None:
        pass

    work.callback = _followed(work.callback, NEXT["tomo classify"])
    assert said in CliRunner().invoke(work, ["boxes.h5", "out", given]).output


@pytest.mark.parametrize(
    ("code", "options", "said"),
    [
        (0, [], True),
        (None, [], True),
        (3, [], False),
        (1, [], False),
        (0, ["--json"], False),
        (None, ["--json"], False),
    ],
)
def test_it_is_said_after_a_good_end_only_and_never_among_json(
    code: int | None, options: list[str], said: bool
) -> None:
    @click.command()
    @click.argument("out")
    @click.option("--json", is_flag=True)
    def work(out: str, json: bool) -> None:
        if code is not None:
            sys.exit(code)

    work.callback = _followed(work.callback, "holly-triton measure {out}")
    ran = CliRunner().invoke(work, ["my run", *options])
    assert ran.exit_code == (code or 0)
    assert ("Next: holly-triton measure 'my run'" in ran.output) is said


def test_it_is_left_out_where_its_argument_is_not_known() -> None:
    @click.command()
    @click.option("--out")
    def work(out: str | None) -> None:
        click.echo("done")

    work.callback = _followed(work.callback, "holly-triton measure {out}")
    assert CliRunner().invoke(work, []).output == "done\n"


def said_after(words: str, given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The line after the command of these words with these arguments."""
    _say(NEXT[words], given)
    return capsys.readouterr().out.strip().removeprefix("Next: holly-triton ")


@pytest.mark.parametrize(("rows", "frames"), [(5000, 100), (4999, 100), (5000, 4), (0, 1)])
def test_drift_is_measured_where_localisations_and_frames_suffice(
    rows: int, frames: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    numbers = np.column_stack([np.arange(rows) % frames + 1, np.random.default_rng(1).uniform(0, 1e4, (rows, 2))])
    np.savetxt(table, numbers, delimiter=",", header='"frame","x [nm]","y [nm]"', comments="", fmt="%g")
    _say(DRIFT, {"out": table})
    said = capsys.readouterr().out
    if not rows:  # nothing reads an empty table
        assert not said
        return
    following, rest = command(next_words(said))
    assert following.name == ("undrift" if (rows, frames) == (5000, 100) else "info")
    ran = CliRunner().invoke(following, [word.replace("still.csv", str(tmp_path / "still.csv")) for word in rest])
    assert ran.exit_code == 0, ran.exception


def test_the_drift_of_evaluated_localisations_is_measured_in_their_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    rows = np.column_stack([np.arange(5000) % 100 + 1, np.random.default_rng(1).uniform(0, 100, (5000, 2))])
    np.savetxt(table, rows, delimiter=",", header="frame,x,y", comments="", fmt="%g")
    given = {"localisations": table, "unit": "px", "pixel_size": 100.0}
    assert (
        said_after("frames evaluate", given, capsys) == f"frames undrift {table} still.csv --unit px --pixel-size 100.0"
    )


@pytest.mark.parametrize(
    ("words", "name"), [("tomo render", "picks"), ("tomo evaluate", "picks"), ("tomo combine", "out")]
)
@pytest.mark.parametrize("count", [0, 3, 4])
def test_an_average_is_named_where_there_are_picks_for_one(
    words: str, name: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picks = tmp_path / "picks.csv"
    picks.write_text("class,x,y,z\nb,1,2,3\n" + "a,1,2,3\n" * count)
    given = {name: picks, "tomogram": "t.mrc", "voxel_size": 13.0}
    said = said_after(words, given, capsys)
    assert said.startswith("tomo average") is (count == 4)
    # The combined list is in Å; the option was of those that were read.
    assert not said or said.endswith("--voxel-size 13.0") is (words != "tomo combine")


@pytest.mark.parametrize(("name", "read"), [("picks.star", True), ("picks.cmm", False), ("picks.json", False)])
def test_picks_are_drawn_and_averaged_where_their_file_can_be_read(
    name: str, read: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places, out = np.random.default_rng(1).uniform(0, 100, (8, 3)), tmp_path / name
    # Of two classes copick has two files, of which none is called as was asked.
    write_particles(out, joined([ParticleList.of(one, places, tomogram="t") for one in ("a", "b")]))
    given = {"tomogram": "t.mrc", "out": out, "voxel_size": None}
    for words in ("tomo pick", "tomo match", "tomo combine"):
        assert bool(said_after(words, given, capsys)) is read


def test_a_density_in_em_is_no_list(tmp_path: Path) -> None:
    volume = tmp_path / "t.em"
    write_volume(volume, np.random.default_rng(1).normal(size=(16, 16, 16)).astype(np.float32), 10.0)
    ran = CliRunner().invoke(main, ["tomo", "info", str(volume), "--voxel-size", "12"])
    assert next_words(ran.output)[:3] == ["tomo", "pick", str(volume)]
    assert next_words(ran.output)[-2:] == ["--voxel-size", "12.0"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("--images 7", "info {out}"),
        ("--images 8", "train {out}"),
        ("--images 40 --also torus 0.4 --dimensions 3", "train {out}"),
        ("--images 52 --also torus 0.4 --dimensions 3", "train {out} --structures 2"),
        ("--images 200 --also torus 0.4 --also tripod 0.2 --dimensions 3", "train {out} --structures 3"),
        ("--images 40 --stretch 8 --dimensions 3", "train {out}"),
        ("--images 60 --stretch 8 --dimensions 3", "train {out} --deformation --held-out 0.1"),
    ],
)
def test_what_is_named_after_a_simulation_is_what_its_particles_suffice_for(
    words: str, wanted: str, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    ran = CliRunner().invoke(main, ["simulate", "nuclear-pore", str(out), *words.split()])
    assert " ".join(next_words(ran.output)) == wanted.format(out=out)
    if "stretch" not in words and "info" not in wanted:  # info sees what was simulated, but for a stretch
        ran = CliRunner().invoke(main, ["info", str(out)])
        assert " ".join(next_words(ran.output)) == wanted.format(out=out)


def test_after_several_structures_the_most_frequent_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "structure-1").mkdir(parents=True)
    _say("holly-triton render {run}", {"run": tmp_path / "run"})
    assert capsys.readouterr().out.strip().endswith("structure-1")
    _say("holly-triton render {run}", {"run": tmp_path})
    assert not capsys.readouterr().out.strip().endswith("structure-1")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (SimulationSettings(), "tomo info 'a b/tomogram_1.mrc'"),
        (SimulationSettings(tomograms=2), "tomo train 'a b' model.pt"),
        (SimulationSettings(subtomograms=5), "tomo classify 'a b/subtomograms.h5' classes --train"),
    ],
)
def test_nothing_is_trained_on_a_single_tomogram(settings: SimulationSettings, wanted: str) -> None:
    assert what_follows(Path("a b"), settings) == f"holly-triton {wanted}"


def next_words(output: str) -> list[str]:
    """The command that an output names last, as a shell splits it."""
    return shlex.split(output.rsplit("Next: ", 1)[1].strip())[1:]


@pytest.mark.parametrize("marked", [True, False], ids=["particles", "field of view"])
def test_what_follows_reads_the_table_as_it_was_read(marked: bool, tmp_path: Path) -> None:
    table, rng = tmp_path / "my table.csv", np.random.default_rng(1)
    rows = np.column_stack([rng.uniform(0, 300, (200, 3)), np.repeat(np.arange(10), 20)])
    np.savetxt(table, rows, delimiter=",", header="a,b,c,copy", comments="")
    columns = "x=a[px],y=b[px]" + (",particle=copy" if marked else "")
    options = ["--columns", columns, "--pixel-size", "130.0", "--where", "c < 250"]
    ran = CliRunner().invoke(main, ["info", str(table), *options])
    assert ran.exit_code == 0, ran.output
    following, rest = command(next_words(ran.output))
    assert following.name == ("train" if marked else "pick")
    context = following.make_context("following", rest)
    assert table in context.params.values()
    read = (context.params["columns"], context.params["pixel_size"], context.params["where"])
    assert read == (columns, 130.0, "c < 250")


@pytest.mark.parametrize("repeated", [False, True], ids=["stated", "not stated"])
def test_what_follows_repeats_the_options_that_are_used(repeated: bool, tmp_path: Path) -> None:
    table, rng = tmp_path / "table.csv", np.random.default_rng(1)
    rows = np.column_stack([rng.uniform(0, 0.3, (200, 2)), np.repeat(np.arange(10), 20)])
    names = "x,y,particle" if repeated else "x [nm],y [nm],particle"
    np.savetxt(table, rows * (1 if repeated else (1000, 1000, 1)), delimiter=",", header=names, comments="")
    ran = CliRunner().invoke(main, ["info", str(table), "--unit", "um", "--pixel-size", "100"])
    assert ran.exit_code == 0, ran.output
    following, rest = command(next_words(ran.output))
    params = following.make_context("following", rest).params
    assert params["unit"] == ("um" if repeated else None) and params["pixel_size"] is None


def test_a_simulation_in_a_folder_with_a_space_names_it_as_a_shell_takes_it(tmp_path: Path) -> None:
    out = tmp_path / "my pores"
    ran = CliRunner().invoke(main, ["simulate", "nuclear-pore", str(out), "--images", "8"])
    assert ran.exit_code == 0 and next_words(ran.output) == ["train", str(out)]


@pytest.mark.usefixtures("report_as_before")
@pytest.mark.parametrize("words", ["simulate nuclear-pore {out} --images 2", "tomo info {list}", "info {field}"])
@pytest.mark.parametrize("first", [True, False], ids=["before the command", "behind it"])
def test_quiet_leaves_out_what_follows_and_nothing_else_of_the_results(words: str, first: bool, tmp_path: Path) -> None:
    places = {"out": tmp_path / "out", "list": tmp_path / "picks.csv", "field": tmp_path / "field.csv"}
    places["list"].write_text("class,x,y,z,qx,qy,qz,qw,score,tomogram\na,1,2,3,0,0,0,1,1,t\n")
    places["field"].write_text("x [nm],y [nm]\n" + "\n".join(f"{row},{row % 7}" for row in range(100)))
    asked = words.format(**places).split()
    said = CliRunner().invoke(main, asked).stdout
    shutil.rmtree(places["out"], ignore_errors=True)
    ran = CliRunner().invoke(main, ["-q", *asked] if first else [*asked, "--quiet"])
    assert ran.exit_code == 0 and not ran.stderr
    assert "Next: " in said and ran.stdout == said[: said.index("Next: ")] != ""
