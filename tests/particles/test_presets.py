"""The paper's experiments as presets: all of them read, each is a row of its own, and train takes their settings."""

import dataclasses
import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Config
from holly_triton.particles.paper.presets import TABLES, presets_of, read_preset
from holly_triton.particles.run import training
from holly_triton.structures import STRUCTURES

FILES = {"bunny_large.obj", "teapot_large.obj"}
"""Clouds that come with HOLLy and are not shipped."""
NAMES = [preset.name for table in TABLES for preset in presets_of(table)]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_reads_and_names_a_cloud_that_there_is(name: str) -> None:
    preset = read_preset(name)
    assert preset.name == name
    assert preset.table in TABLES
    assert preset.cloud in FILES | set(STRUCTURES)
    assert preset.train.points is not None
    assert 0 <= preset.scatter <= 0.15
    assert 0 <= preset.missing <= 0.9
    assert (preset.max_spawn, preset.spawn_rate) in {(1, 1.0), (4, 0.3), (4, 0.6)}


def test_every_file_is_a_row_of_some_table() -> None:
    folder = Path(__file__).parents[2] / "holly_triton" / "particles" / "paper" / "presets"
    assert sorted(NAMES) == sorted(path.name.removesuffix(".toml") for path in folder.glob("*.toml"))


def test_rows_are_the_paper_s() -> None:
    baselines = {preset.name: preset.train.points for preset in presets_of("5.1")}
    assert baselines == {"bunny": 350, "cep152": 180, "teapot": 230}
    assert [preset.scatter for preset in presets_of("5.2")] == [0.03, 0.06, 0.09, 0.12, 0.15]
    assert [preset.missing for preset in presets_of("5.3")] == [0.1, 0.3, 0.5, 0.7, 0.9]
    spawn = [(preset.missing, preset.scatter, preset.spawn_rate) for preset in presets_of("5.4")]
    assert spawn == list(itertools.product((0.1, 0.3), (0.06, 0.12), (0.3, 0.6)))
    assert [preset.row for preset in presets_of("5.4")] == [f"6.{letter}" for letter in "ABCDEFGH"]
    assert [preset.row for preset in presets_of("5.6")] == [f"7.{letter}" for letter in "ABCDEFGHI"]
    assert {preset.train.pose for preset in presets_of("5.6")} == {"direct"}


def test_rows_come_in_the_order_of_their_numbers() -> None:
    assert [preset.train.points for preset in presets_of("5.5")] == [100, 350, 1000]


def test_noise_reads_as_words() -> None:
    assert read_preset("bunny").noise == "none"
    assert read_preset("spawn-6.H").noise == "scatter 0.12, missing 0.3, up to 4 fluorophores, rate 0.6"


@pytest.mark.parametrize(("wrong", "near"), [("buny", "bunny"), ("6.H", "spawn-6.H"), ("scater-0.12", "scatter-0.12")])
def test_an_unknown_preset_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(HollyError, match=f"did you mean {near}\\?"):
        read_preset(wrong)


def test_an_unknown_table_is_answered_with_the_known_ones() -> None:
    with pytest.raises(HollyError, match="5.1 baselines"):
        presets_of("9")


def train(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Result, list[Config]]:
    """What the command line would have trained with."""
    started: list[Config] = []
    monkeypatch.setattr(training, "start_training", lambda config, folder, **options: started.append(config))
    return CliRunner().invoke(main, ["train", *words]), started


def test_train_takes_the_preset_s_settings_and_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    result, (config,) = train(monkeypatch, "data.csv", "--preset", "direct-7.E", "--seed", "3")
    assert result.exit_code == 0
    assert (config.points, config.pose, config.direct.optimiser, config.seed) == (230, "direct", "sgd", 3)
    assert train(monkeypatch, "data.csv", "--preset", "teapot", "--points", "50")[1][0].points == 50


def test_preset_and_config_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    result, started = train(monkeypatch, "data.csv", "--preset", "bunny", "--config", "config.toml")
    assert result.exit_code == 2
    assert "--preset" in result.output
    assert not started


def test_an_unknown_preset_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result, started = train(monkeypatch, "data.csv", "--preset", "buny")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert not started


def test_no_two_presets_are_the_same_experiment() -> None:
    presets = [read_preset(name) for name in NAMES]
    alike = {}
    for preset in presets:
        # A baseline may stand in a second table under another name.
        same = dataclasses.replace(preset, name="", row="")
        assert same not in alike.values(), f"{preset.name} repeats {[n for n, p in alike.items() if p == same]}"
        alike[preset.name] = same
