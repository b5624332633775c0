import dataclasses

import pytest

from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Config, Schedule


def test_what_is_written_is_complete_and_reads_back_equal(tmp_path):
    config = Config(data="/data/x.csv", points=90, pixel_size=12.5, schedule=Schedule(search_steps=7, sizes=(8, 16)))
    write_config(tmp_path / "config.toml", config)
    assert read_config(tmp_path / "config.toml", Config) == config
    text = (tmp_path / "config.toml").read_text()
    assert all(f.name in text for f in dataclasses.fields(Schedule))


def test_settings_left_out_keep_their_defaults(tmp_path):
    (tmp_path / "c.toml").write_text("points = 50\n[schedule]\nsearch_steps = 3\n")
    config = read_config(tmp_path / "c.toml", Config)
    assert config.points == 50
    assert config.schedule == dataclasses.replace(Schedule(), search_steps=3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points = ", "not a TOML file"),
        ("pionts = 3", "unknown setting 'pionts'"),
        ("points = 'many'", "must be a whole number"),
        ("points = true", "must be a whole number"),
        ("pose = 'guess'", "must be one of"),
        ("schedule = 3", "must be a table"),
        ("[schedule]\nsizes = [16, 'x']", "list of whole numbers"),
        ("[schedule]\nsigma_start = 'x'", "must be a number"),
        ("[schedule]\nbatch = 0", "at least 1"),
    ],
)
def test_a_bad_file_is_named_with_what_would_be_right(tmp_path, text, says):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(HollyError, match=says) as caught:
        read_config(path, Config)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("points", [3, 5_000_000])
def test_as_many_points_as_the_command_line_allows(tmp_path, points):
    (tmp_path / "config.toml").write_text(f"points = {points}\n")
    with pytest.raises(HollyError, match="from 4 to 1000000"):
        read_config(tmp_path / "config.toml", Config)
