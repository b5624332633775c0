"""Settings: what is written reads back equal, and every wrong value ends in one line that names the setting."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holly_triton.core.config import LARGEST, Kind, Settings, kinds, read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Config, Relocation, Schedule


def settings(of: type[Settings], within: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Kind]]:
    """Every setting by the names of the tables that lead to it."""
    for name, kind in kinds(of).items():
        if kind.settings is None:
            yield (*within, name), kind
        else:
            yield from settings(kind.settings, (*within, name))


EVERY = dict(settings(Config))
NUMBERS = {path: kind for path, kind in EVERY.items() if kind.plain in (int, float, tuple[int, ...])}


def table(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: table(path[1:], value)} if len(path) > 1 else {path[0]: value}


def refused(path: tuple[str, ...], value: Any) -> str:
    with pytest.raises(HollyError) as caught:
        Config.of(table(path, value), "c.toml")
    line = str(caught.value)
    assert line.startswith("c.toml") and "\n" not in line
    assert f"{path[-1]} is " in line and all(f"[{name}]" in line for name in path[:-1])
    return line


def outside(kind: Kind) -> Iterator[Any]:
    """Values just beyond each end of the bounds, and some that are no numbers of the kind at all."""
    bounds = kind.bounds
    assert bounds is not None
    whole = kind.plain is not float
    least = bounds.least if bounds.open_least else bounds.least - (1 if whole else 1e-6)
    ends = [least]
    if bounds.most < math.inf:
        ends.append(bounds.most if bounds.open_most else bounds.most + (1 if whole else 1e-6))
    for end in ends:
        yield [16, end] if kind.plain == tuple[int, ...] else end
    yield from ("16", True, [], math.nan, math.inf, {})
    if whole:
        yield 16.0
        yield LARGEST + 1


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_every_number_has_bounds_and_no_value_outside_them_passes(path: tuple[str, ...]) -> None:
    for value in outside(NUMBERS[path]):
        refused(path, value)


@pytest.mark.parametrize("path", sorted(EVERY.keys() - NUMBERS.keys()), ids=".".join)
def test_every_word_and_switch_refuses_what_it_is_not(path: tuple[str, ...]) -> None:
    for value in (3, [], {}, *([] if EVERY[path].plain is str else ["no such word"])):
        refused(path, value)


def test_defaults_lie_within_their_bounds() -> None:
    assert Config.of(Config().table(), "c.toml") == Config()
    assert Config().quick().schedule.search_steps < Config().schedule.search_steps


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"optimiser": {"momentum": 1.5}}, "below 1"),
        ({"optimiser": {"second_moment": 0.0}}, "above 0"),
        ({"search": {"sharpness": 0.0}}, "above 0"),
        ({"sharpen": {"constant": 1.0}}, "below 1"),
        ({"schedule": {"pixel_per_sigma": 0.0}}, "above 0"),
        ({"schedule": {"sigma_start": 0.0, "sigma_end": 0.0}}, "above 0"),
        ({"schedule": {"field_of_view": 0.0}}, "from 0.1"),
        ({"relocation": {"kept": 1000}}, "at most places, 512"),
        ({"tilt": 400.0}, "to 180"),
    ],
)
def test_values_that_ended_in_a_traceback_once_say_what_would_be_right(wrong: dict[str, Any], right: str) -> None:
    with pytest.raises(HollyError, match=right):
        Config.of(wrong, "c.toml")


def test_programs_meet_the_same_bounds() -> None:
    with pytest.raises(HollyError, match="points is 3; it must be a whole number from 4 to 1000000"):
        Config(points=3)
    with pytest.raises(HollyError, match="kept"):
        dataclasses.replace(Relocation(), places=4)
    assert Config(tilt=30).tilt == 30.0


def test_what_is_written_is_complete_and_reads_back_equal(tmp_path: Path) -> None:
    config = Config(data="/data/x.csv", points=90, pixel_size=12.5, schedule=Schedule(search_steps=7, sizes=(8, 16)))
    write_config(tmp_path / "config.toml", config)
    assert read_config(tmp_path / "config.toml", Config) == config
    text = (tmp_path / "config.toml").read_text()
    assert all(path[-1] in text for path, kind in EVERY.items() if not kind.optional)


def test_settings_left_out_keep_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("points = 50\n[schedule]\nsearch_steps = 3\n")
    config = read_config(tmp_path / "c.toml", Config)
    assert config.points == 50
    assert config.schedule == dataclasses.replace(Schedule(), search_steps=3)


def test_differences_are_named_by_their_tables() -> None:
    other = Config(seed=1, schedule=Schedule(sizes=(8,)))
    assert [*Config().differing(other)] == ["seed", "schedule.sizes"]
    assert not [*other.differing(other)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points = ", "not a TOML file"),
        ("pionts = 3", "unknown setting 'pionts'"),
        ("schedule = 3", "must be a table"),
        ("[schedule]\nbatch = 0", "at least 1"),
    ],
)
def test_a_bad_file_is_named_with_what_would_be_right(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(HollyError, match=says) as caught:
        read_config(path, Config)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
