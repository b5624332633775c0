"""``--exclude``: pictures that a table of ``sort`` marks as bad are left out, and no others."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Config
from holly_triton.particles.run.run import open_data
from holly_triton.particles.run.study import make_study

PICTURES, BAD = 40, "7"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    xyz = np.random.default_rng(0).normal(size=(PICTURES, 9, 3)) * 50
    np.save(tmp_path / "data.npy", xyz)
    rows = "".join(f"{name},{'yes' if str(name) == BAD else 'no'}\n" for name in range(PICTURES))
    (tmp_path / "ranking.csv").write_text("picture,bad\n" + rows)
    return Config(data=str(tmp_path / "data.npy"), exclude=str(tmp_path / "ranking.csv"))


def test_bad_pictures_are_left_out_of_the_whole_and_of_the_half_that_has_them(config: Config) -> None:
    kept = {
        part: open_data(Config(data=config.data, exclude=config.exclude, part=part)).names
        for part in ("all", "odd", "even")
    }
    assert kept["all"] == [str(name) for name in range(PICTURES) if str(name) != BAD]
    assert sorted(map(len, kept.values())) == [19, 20, 39]


def test_a_table_of_other_columns_is_refused(config: Config) -> None:
    Path(str(config.exclude)).write_text("particle,worst\n1,yes\n")
    with pytest.raises(HollyError, match=r"ranking.csv: has no columns picture and bad"):
        open_data(config)


def test_a_table_of_other_pictures_is_refused(config: Config) -> None:
    Path(str(config.exclude)).write_text("picture,bad\nthe first,yes\n")
    with pytest.raises(HollyError, match=r"ranking.csv: names none of these particles"):
        open_data(config)


def test_views_that_each_run_draws_anew_can_not_be_excluded_from_several(config: Config, tmp_path: Path) -> None:
    several = Config(data=config.data, exclude=config.exclude, views="random", repeats=2)
    with pytest.raises(HollyError, match="--exclude: names views of one run"):
        make_study(several, tmp_path / "run", overwrite=False)
