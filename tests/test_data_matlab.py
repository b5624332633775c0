"""MATLAB cell arrays of particles."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from holly_triton.data import Localisations, open_dataset

NPC = Path(__file__).parents[1] / "../shared/data/npc-particles"


def particles(dimensions: int, counts: tuple[int, ...] = (5, 9, 4, 7, 8, 6, 10, 12)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=40, size=(n, dimensions)) for n in counts]


def write(path: Path, cells: list, name: str = "particles") -> Path:
    array = np.empty((1, len(cells)), dtype=object)
    array[0, :] = cells
    scipy.io.savemat(path, {name: array, "scale": 3.0}, do_compression=True)
    return path


def read(path: Path, **options: object) -> Localisations:
    data = open_dataset(path, **options)  # type: ignore[arg-type]
    assert isinstance(data, Localisations)
    return data


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_positions_are_read_whichever_way_they_lie(tmp_path: Path, dimensions: int, transposed: bool) -> None:
    cells = particles(dimensions)
    data = read(write(tmp_path / "p.mat", [c.T if transposed else c for c in cells]))
    assert data.has_z == (dimensions == 3) and data.names == [str(i) for i in range(1, 9)]
    for p, cell in enumerate(cells):
        own = data.xyz[data.offsets[p] : data.offsets[p + 1]].numpy()
        np.testing.assert_allclose(own, cell - cell.mean(0), atol=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("dimensions", "square"), [(2, 2), (3, 3), (2, 3), (3, 2)])
def test_a_cell_that_could_lie_either_way_lies_as_the_others_do(
    tmp_path: Path, transposed: bool, dimensions: int, square: int
) -> None:
    doubtful = particles(dimensions, (square,))[0] + 1000
    cells = [*particles(dimensions), doubtful]
    data = read(write(tmp_path / "p.mat", [c.T if transposed else c for c in cells]))
    np.testing.assert_allclose(data.centres[-1].numpy(), doubtful.mean(0))


def test_doubtful_cells_alone_hold_an_emitter_in_each_column(tmp_path: Path) -> None:
    cells = particles(2, (2,) * 8)
    np.testing.assert_allclose(read(write(tmp_path / "p.mat", cells)).centres[0].numpy(), cells[0].mean(axis=1))


def test_structs_bring_their_points_and_lateral_precision(tmp_path: Path) -> None:
    cells = [
        {"points": points, "sigma": np.column_stack([np.full(len(points), 2.5), np.full(len(points), 9.0)])}
        for points in particles(3)
    ]
    data = read(write(tmp_path / "p.mat", cells), unit="px", pixel_size_nm=100.0)
    assert data.has_z and data.precision_nm == pytest.approx(250.0)
    assert read(write(tmp_path / "q.mat", [{"points": p} for p in particles(2)])).precision_nm is None


def test_empty_cells_are_skipped_and_said(tmp_path: Path) -> None:
    cells = particles(2)
    data = read(write(tmp_path / "p.mat", [np.empty((0, 0)), *cells, np.empty((0, 2))]))
    assert data.names[0] == "2" and len(data) == 8
    assert "2 of 10 particles hold no emitter and were skipped." in data.notes


@pytest.mark.parametrize(
    ("options", "nm"), [({}, 1), ({"unit": "um"}, 1000), ({"unit": "px", "pixel_size_nm": 130}, 130)]
)
def test_the_unit_is_nm_unless_said_otherwise(tmp_path: Path, options: dict, nm: float) -> None:
    cells = [c + 500 for c in particles(2)]
    data = read(write(tmp_path / "p.mat", cells), **options)
    np.testing.assert_allclose(data.centres[0].numpy(), cells[0].mean(0) * nm)
    assert any("nm was assumed" in note for note in data.notes) == (not options)


def test_a_structure_smaller_than_light_can_show_raises_a_doubt_about_the_unit(tmp_path: Path) -> None:
    data = read(write(tmp_path / "p.mat", [c / 100 for c in particles(2)]))
    assert "is the unit right" in data.notes[-1]


@pytest.mark.parametrize(
    ("name", "count", "emitters", "has_z", "precision"),
    [
        ("fig5k_306_3DNUP_PAINT.mat", 306, 27_006, True, None),
        ("fig4e_304_2D_gp210.mat", 304, 95_301, False, None),
        ("SimulatedNup107With65%DOL.mat", 200, 8_308, True, 1.6),
    ],
)
def test_published_nuclear_pores_are_read(
    name: str, count: int, emitters: int, has_z: bool, precision: float | None
) -> None:
    if not NPC.is_dir():
        pytest.skip("the published particles are not beside this repository")
    data = read(NPC / name)
    assert (len(data), len(data.xyz), data.has_z) == (count, emitters, has_z)
    assert data.precision_nm == (None if precision is None else pytest.approx(precision, abs=0.05))
