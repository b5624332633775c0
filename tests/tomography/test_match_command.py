"""The command ``tomo match``."""

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.geometry.volumes import wedge
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.match import command
from holly_triton.tomography.structures import DECOYS, draw_map

PLACE = (17, 20, 30)
"""z, y, x."""


@pytest.fixture
def folder(tmp_path):
    """A noisy tomogram with one disc, dark, and a map of the disc."""
    disc = draw_map(DECOYS["disc"](), 21, 20.0, 40.0).numpy()
    volume = np.random.default_rng(0).normal(0, disc.max() / 4, (34, 40, 52)).astype(np.float32)
    part = tuple(slice(middle - 10, middle + 11) for middle in PLACE)
    volume[part] -= disc
    write_volume(tmp_path / "tomogram.mrc", volume, 20.0)
    write_volume(tmp_path / "disc.mrc", disc, 20.0)
    return tmp_path


def run(*words):
    return CliRunner().invoke(main, ["tomo", "match", *map(str, words)])


def test_a_map_and_a_name_find_the_same(folder):
    found = run(folder / "tomogram.mrc", folder / "disc.mrc", folder / "a.csv", "--tilt", "90", "--angle", "30", "--symmetry", "d2", "--scores", folder / "s.mrc")  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "1 particle: disc 1" in found.output
    named = run(folder / "tomogram.mrc", "disc", folder / "b.star", "--tilt", "-90,90", "--angle", "30")
    assert named.exit_code == 0, named.output
    for name in ("a.csv", "b.star"):
        particles = read_particles(folder / name, voxel_size=20.0)
        assert particles.labels.tolist() == ["disc"]
        assert np.abs(particles.positions[0] / 20 - np.array(PLACE[::-1])).max() < 0.5
        axis = particles.rotations[0][:, 2]
        assert abs(axis[2]) > np.cos(np.radians(30))
    scores = read_volume(folder / "s.mrc")
    assert scores.values.max() > 5 and scores.voxel >= 20


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--symmetry", "Q3"], 1, "--symmetry: 'Q3' is no known symmetry"),
        (["--symmetry", "C1", "--symmetry", "C2"], 1, "1 template"),
        (["--voltage", "200"], 2, "needs --defocus"),
        (["--tilt", "60,-60"], 2, "no range"),
        (["--tilt", "sixty"], 2, "neither an angle"),
        (["--template-mask", "tomogram.mrc"], 1, "mask"),
    ],
)
def test_wrong_words_end_in_a_line(folder, monkeypatch, more, code, words):
    monkeypatch.chdir(folder)
    found = run("tomogram.mrc", "disc.mrc", "out.csv", *more)
    assert found.exit_code == code and words in found.output
    assert not (folder / "out.csv").exists()


def test_what_exists_is_kept(folder):
    (folder / "out.csv").write_text("mine")
    found = run(folder / "tomogram.mrc", folder / "disc.mrc", folder / "out.csv")
    assert found.exit_code == 1 and (folder / "out.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("out", "scores", "words"),
    [
        ("out.txt", "s.mrc", "out.txt: is not a list"),
        ("nowhere/out.csv", "s.mrc", "no folder nowhere"),
        ("out.csv", "s.png", "s.png: is not a volume"),
        ("out.csv", "nowhere/s.mrc", "no folder nowhere"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_search(folder, monkeypatch, out, scores, words):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(command, "match_tomogram", lambda *given, **more: pytest.fail("the search began"))
    found = run("tomogram.mrc", "disc.mrc", out, "--scores", scores)
    assert found.exit_code == 1 and words in found.output and len(found.output.splitlines()) == 1


def test_a_stop_writes_nothing(folder, monkeypatch):
    original = command.match_tomogram

    def stopping(*given, **more):
        return original(*given, **{**more, "stopped": lambda: True})

    monkeypatch.setattr(command, "match_tomogram", stopping)
    found = run(folder / "tomogram.mrc", folder / "disc.mrc", folder / "out.csv", "--angle", "60")
    assert found.exit_code == 3 and not (folder / "out.csv").exists()


def test_voxel_sizes_and_tilts_that_do_not_fit_are_said(folder, caplog):
    write_volume(folder / "unstated.mrc", read_volume(folder / "disc.mrc").values, 1.0)
    found = run(folder / "tomogram.mrc", folder / "unstated.mrc", folder / "u.csv")
    assert found.exit_code == 1 and "--template-voxel-size" in found.output + caplog.text
    given = run(folder / "tomogram.mrc", folder / "unstated.mrc", folder / "u.csv", "--template-voxel-size", "20", "--angle", "40", "--tilt", "90")  # fmt: skip
    assert given.exit_code == 0 and "1 particle" in given.output
    volume = read_volume(folder / "tomogram.mrc").values
    seen = np.fft.irfftn(
        np.fft.rfftn(volume) * wedge(volume.shape, (-40.0, 40.0)).numpy(), s=volume.shape, axes=(0, 1, 2)
    )
    write_volume(folder / "tilted.mrc", seen.astype(np.float32), 20.0)
    write_volume(folder / "turned.mrc", seen.transpose(1, 0, 2).astype(np.float32), 20.0)
    assert run(folder / "tilted.mrc", "disc", folder / "t.csv", "--angle", "60").exit_code == 0
    assert "--tilt" in caplog.text
    found = run(folder / "turned.mrc", "disc", folder / "v.csv")
    assert found.exit_code == 1 and "missing wedge" in found.output + caplog.text


def test_other_contrast_is_warned_about(folder, caplog):
    found = run(folder / "tomogram.mrc", folder / "disc.mrc", folder / "o.csv", "--contrast", "bright", "--tilt", "90", "--angle", "30")  # fmt: skip
    assert found.exit_code == 0
    assert "opposite contrast" in caplog.text + found.output
