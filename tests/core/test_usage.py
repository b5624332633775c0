"""Errors of usage are one line that names the command and the option, with exit code 2."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main


@pytest.mark.parametrize(
    ("words", "command", "named"),
    [
        ("train x --points abc", "holly-triton train", "--points"),
        ("train x --bogus", "holly-triton train", "--bogus"),
        ("train x --points", "holly-triton train", "--points"),
        ("frames localise a b --model", "holly-triton frames localise", "--model"),
        ("train x --pose guess", "holly-triton train", "--pose"),
        ("frames evaluate x", "holly-triton frames evaluate", "--truth"),
        ("frames bogus", "holly-triton frames", "bogus"),
        ("tomo simulate out --tilt 200", "holly-triton tomo simulate", "--tilt"),
        ("simulate a b --axial-precision 3", "holly-triton simulate", "--axial-precision"),
        ("--bogus", "holly-triton", "--bogus"),
        ("-v -q info x", "holly-triton", "--quiet"),
        ("-v info x -q", "holly-triton", "--quiet"),
        ("frames evaluate x -q", "holly-triton frames evaluate", "--truth"),
        ("info x --log", "holly-triton", "--log"),
        ("info x --log=", "holly-triton", "--log FILE"),
        ("--log a.log info x --log b.log", "holly-triton", "give it once"),
        ("frames simulate out --density 1e6", "holly-triton frames simulate", "100"),
        ("frames calibrate beads.tif psf.h5 --step 10 --pixel-size 5000", "holly-triton frames calibrate", "1000"),
        ("tomo info t.mrc --voxel-size 1e-9", "holly-triton tomo info", "0.1"),
        ("frames undrift a.csv b.csv --largest 1", "holly-triton frames undrift", "--largest"),
        ("tomo train x net.pt --patch 50", "holly-triton tomo train", "--patch"),
        ("tomo match a.mrc sphere b.csv --voltage 5 --defocus 3", "holly-triton tomo match", "--voltage"),
        ("tomo average a b --tomogram c --voltage 5 --defocus 3", "holly-triton tomo average", "--voltage"),
        ("tomo simulate out --subtomograms 3 --size 600", "holly-triton tomo simulate", "--size"),
        ("tomo simulate out --resolution 1e-9", "holly-triton tomo simulate", "--resolution"),
        ("train x --quick --config f.toml", "holly-triton train", "give one of them"),
        ("tomo train x net.pt --quick --config f.toml", "holly-triton tomo train", "give one of them"),
        ("train x --quick --preset bunny", "holly-triton train", "give one of them"),
        ("tomo simulate out --quick --config f.toml", "holly-triton tomo simulate", "give one of them"),
    ],
)
def test_an_error_of_usage_is_one_line(words: str, command: str, named: str) -> None:
    ran = CliRunner().invoke(main, words.split(), prog_name="holly-triton")
    assert ran.exit_code == 2 and not ran.stdout
    assert ran.stderr.count("\n") == 1 and ran.stderr.startswith(f"{command}: ")
    assert named in ran.stderr and ran.stderr.endswith(f"{command} --help\n")


@pytest.mark.parametrize("words", ["", "frames", "tomo"])
def test_a_group_alone_shows_its_commands(words: str) -> None:
    ran = CliRunner().invoke(main, words.split(), prog_name="holly-triton")
    assert ran.exit_code == 2 and "Commands:" in ran.output


@pytest.mark.parametrize(
    "words", ["train {file} --preset -q", "tomo match {file} b c.csv --symmetry -q", "frames demo --out -q"]
)
def test_a_value_that_looks_like_an_option_of_all_commands_is_that_value(words: str, tmp_path: Path) -> None:
    asked = words.format(file=tmp_path / "missing").split()
    context = main.make_context("holly-triton", [*asked])
    assert context.params["quiet"] is False
    assert context.args == asked[1:]
    also = main.make_context("holly-triton", [*asked, "-q"])
    assert also.params["quiet"] is True and also.args == asked[1:]
