"""ThunderSTORM-style tables."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.particles.data import Localisations, open_dataset

PARTICLES, EMITTERS = 10, 6


def table(seed: int = 0) -> np.ndarray:
    """Columns x, y, z, intensity, uncertainty, particle."""
    rng = np.random.default_rng(seed)
    xyz = rng.normal(scale=30, size=(PARTICLES * EMITTERS, 3)) + 2e4
    extra = rng.uniform(5, 15, size=(len(xyz), 2))
    return np.column_stack([xyz, extra, np.repeat(np.arange(PARTICLES) + 5, EMITTERS)])


def write(path: Path, header: str, rows: np.ndarray, delimiter: str = ",") -> Path:
    np.savetxt(path, rows, fmt="%.6f", delimiter=delimiter, header=header, comments="", encoding="utf-8")
    return path


FULL = '"x [nm]","y [nm]","z [nm]","intensity [photon]","uncertainty_xy [nm]","group"'


def read(path: Path, **options: object) -> Localisations:
    data = open_dataset(path, **options)  # type: ignore[arg-type]
    assert isinstance(data, Localisations)
    return data


def test_a_table_is_read_with_all_it_says(tmp_path: Path) -> None:
    rows = table()
    data = read(write(tmp_path / "locs.csv", FULL, rows))
    assert data.has_z and data.names == [str(i + 5) for i in range(PARTICLES)] and data.notes == []
    assert data.photons is not None and data.precision_nm is not None
    first = rows[:EMITTERS, :3]
    np.testing.assert_allclose(data.xyz[:EMITTERS].numpy(), first - first.mean(0), atol=1e-4)
    np.testing.assert_allclose(data.photons.numpy(), rows[:, 3], rtol=1e-6)
    assert data.precision_nm == pytest.approx(np.median(rows[:, 4]), rel=0.05)


@pytest.mark.parametrize("name", ["group", "Particle", "CLUSTER", "id_particle"])
def test_every_name_of_a_particle_column_works(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "locs.csv", f"x [nm],y [nm],{name}", table()[:, [0, 1, 5]])
    data = read(path)
    assert len(data) == PARTICLES and not data.has_z and data.photons is None and data.precision is None


@pytest.mark.parametrize("again", ["x [nm]", "X [nm]"])
def test_of_two_columns_of_one_name_it_is_said_which_was_used(tmp_path: Path, again: str) -> None:
    rows = table()[:, [0, 1, 2, 5]]
    path = write(tmp_path / "locs.csv", f"x [nm],y [nm],{again},particle", rows)
    data = read(path)
    assert data.notes == ["2 columns are named x [nm]; that in place 1 was used (--columns x=PLACE names another)."]
    chosen = read(path, columns="x=3")
    assert chosen.notes == []
    for found, column in ((data, 0), (chosen, 2)):
        assert float(found.centres[0, 0]) == pytest.approx(rows[:EMITTERS, column].mean(), abs=0.01)


@pytest.mark.parametrize("row", [0, 40])
def test_words_in_the_column_of_particles_are_refused_in_one_line(tmp_path: Path, row: int) -> None:
    cells = table()[:, [0, 1, 5]].astype(str)
    cells[row, 2] = "cell7"
    path = tmp_path / "locs.csv"
    path.write_text("\n".join(["x [nm],y [nm],particle", *map(",".join, cells)]))
    with pytest.raises(
        HollyError, match=rf"convert string 'cell7' .* in line {row + 2}, column 3; .* numbers"
    ) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_rows_of_a_particle_may_lie_anywhere(tmp_path: Path) -> None:
    rows = table()
    mixed = rows[np.random.default_rng(2).permutation(len(rows))]
    one, other = (read(write(tmp_path / f"{i}.csv", FULL, r)) for i, r in enumerate((rows, mixed)))
    assert one.names == other.names and torch.equal(one.counts, other.counts)
    torch.testing.assert_close(one.centres, other.centres)


def test_sigma_is_the_psf_and_no_precision(tmp_path: Path) -> None:
    path = write(tmp_path / "locs.csv", "x [nm],y [nm],sigma [nm],particle", table()[:, [0, 1, 4, 5]])
    assert read(path).precision_nm is None


def test_camera_counts_are_no_photons(tmp_path: Path) -> None:
    path = write(tmp_path / "locs.csv", "x [nm],y [nm],intensity [ADU],particle", table()[:, [0, 1, 3, 5]])
    assert read(path).photons is None


@pytest.mark.parametrize(
    ("header", "options", "nm"),
    [
        ("x [um],y [um],particle", {}, 1000.0),
        ("x [µm],y [µm],particle", {}, 1000.0),
        ("x [px],y [px],particle", {"pixel_size_nm": 107.0}, 107.0),
        ("x,y,particle", {}, 1.0),
        ("x,y,particle", {"unit": "um"}, 1000.0),
        ("x,y,particle", {"unit": "px", "pixel_size_nm": 160.0}, 160.0),
        ("x (nm),y (nm),particle", {"unit": "um"}, 1.0),
    ],
)
def test_positions_end_in_nm_whatever_they_were(tmp_path: Path, header: str, options: dict, nm: float) -> None:
    rows = table()[:, [0, 1, 5]]
    data = read(write(tmp_path / "locs.csv", header, rows), **options)
    np.testing.assert_allclose(data.centres[0].numpy(), rows[:EMITTERS, :2].mean(0) * nm, rtol=1e-6)


def test_assumptions_about_units_are_said(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.csv", "x,y,particle", table()[:, [0, 1, 5]])
    stated = write(tmp_path / "stated.csv", "x [nm],y [nm],particle", table()[:, [0, 1, 5]])
    assert "nm was assumed" in read(bare).notes[0]
    assert read(bare, unit="nm").notes == []
    assert read(stated, unit="um", pixel_size_nm=100.0).notes == [
        "The file states nm, so --unit um was not used.",
        "Positions are in nm, so --pixel-size was not used.",
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_seen(tmp_path: Path, delimiter: str) -> None:
    header = delimiter.join(["x [nm]", "y [nm]", "particle"])
    assert len(read(write(tmp_path / "locs.csv", header, table()[:, [0, 1, 5]], delimiter))) == PARTICLES


def test_a_table_quoted_as_a_whole_is_read(tmp_path: Path) -> None:
    header = '"x [nm],""y [nm]"",""group"""'
    assert len(read(write(tmp_path / "locs.csv", header, table()[:, [0, 1, 5]]))) == PARTICLES


def test_ids_below_zero_are_unclustered_and_dropped(tmp_path: Path) -> None:
    rows = table()
    rows[:EMITTERS, 5] = -1
    data = read(write(tmp_path / "locs.csv", FULL, rows))
    assert len(data) == PARTICLES - 1 and "6 of 60 localisations are marked as noise" in data.notes[0]


def test_large_ids_that_can_be_told_apart_keep_their_digits(tmp_path: Path) -> None:
    rows = table()[:, [0, 1, 5]]
    rows[:, 2] += 2**52
    path = tmp_path / "locs.csv"
    np.savetxt(path, rows, fmt="%.3f,%.3f,%d", header="x [nm],y [nm],particle", comments="")
    assert read(path).names[0] == str(2**52 + 5)


def test_empty_cells_are_missing_positions(tmp_path: Path) -> None:
    lines = write(tmp_path / "locs.csv", FULL, table()).read_text().splitlines()
    lines[1] = "," + lines[1].split(",", 1)[1]
    (tmp_path / "locs.csv").write_text("\n".join(lines))
    data = read(tmp_path / "locs.csv")
    assert data.counts[0] == EMITTERS - 1 and "1 of 60 localisations has no finite position" in data.notes[0]
