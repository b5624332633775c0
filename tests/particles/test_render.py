from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holly_triton import view
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry import mirror
from holly_triton.io.clouds import write_cloud
from holly_triton.io.ply import write_ply
from holly_triton.particles.run.render import render_run
from holly_triton.structures import nuclear_pore
from holly_triton.validation.alignment import align
from holly_triton.view.orientation import upright

POINTS = np.random.default_rng(7).normal(0, 50, (30, 3))


class Drawn(dict[str, dict[str, Any]]):
    """What was to be drawn, by the function that would have drawn it."""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Puts listeners in the place of all drawing, which has tests of its own."""
    calls = Drawn()

    def listen(name: str) -> Any:
        return lambda *args, **options: calls.update({name: {"args": args, **options}})

    for name in ("render_cloud", "render_halves", "turntable", "growth", "interactive"):
        monkeypatch.setattr(view, name, listen(name))
    return calls


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_cloud(tmp_path / "cloud.ply", POINTS)
    return tmp_path


def write_spread(folder: Path, spread: Array) -> None:
    table = np.column_stack([POINTS[: len(spread)], spread])
    np.savetxt(folder / "spread.csv", table, delimiter=",", header="x,y,z,spread [nm]", comments="")


def write_growth(folder: Path, **changed: Array) -> None:
    states = {"step": np.arange(3), "sigma_nm": np.array([90.0, 30, 10.44]), "points": np.ones((3, 5, 3), np.float32)}
    np.savez(folder / "growth.npz", **{**states, **changed})


def test_a_run_is_drawn_without_the_spread(run: Path, drawn: Drawn) -> None:
    assert render_run(run) == [run / "pictures" / "cloud.png"]
    assert list(drawn) == ["render_cloud"]
    assert drawn["render_cloud"]["spread"] is None


def test_a_pore_is_drawn_along_its_axis_in_all_that_is_asked_for(tmp_path: Path, drawn: Drawn) -> None:
    pore = nuclear_pore()
    lying = pore[:, [2, 0, 1]]
    write_cloud(tmp_path / "cloud.ply", lying)
    write_growth(tmp_path, points=np.stack([0 * lying, 0.5 * lying, lying]))
    render_run(tmp_path, movie=tmp_path / "turn.gif", growth=tmp_path / "grow.gif", interactive=True)
    assert drawn["render_cloud"]["front"] == "Front, along its axis"
    states = drawn["growth"]["args"][0]
    np.testing.assert_allclose(states[1], 0.5 * states[2], atol=1e-9)
    for points in (states[2], *(drawn[name]["args"][0] for name in ("render_cloud", "turntable", "interactive"))):
        np.testing.assert_allclose(np.hypot(*points.T[:2]), np.hypot(*pore.T[:2]), atol=0.5)


def test_all_that_is_asked_for_is_drawn_alike_and_listed(run: Path, drawn: Drawn) -> None:
    write_spread(run, np.arange(30.0))
    write_growth(run)
    names = [run / name for name in ("still.png", "turn.gif", "grow.mp4")]
    assert render_run(run, names[0], movie=names[1], growth=names[2], interactive=True) == names
    for name in ("render_cloud", "turntable", "interactive"):
        np.testing.assert_allclose(drawn[name]["spread"], np.arange(30.0))
    states, captions, path = drawn["growth"]["args"]
    assert states.shape == (3, 5, 3) and path == names[2]
    assert captions == ["step 0, sigma 90 nm", "step 1, sigma 30 nm", "step 2, sigma 10.4 nm"]


@pytest.mark.usefixtures("quick_alignment")
def test_over_the_truth_the_colours_of_the_spread_are_left_out(run: Path, drawn: Drawn, tmp_path: Path) -> None:
    write_spread(run, np.arange(30.0))
    write_cloud(tmp_path / "truth.ply", mirror(POINTS) + 300.0)
    assert render_run(run, truth=tmp_path / "truth.ply") == [run / "pictures" / "truth.png"]
    points, _ = drawn["render_cloud"]["args"]
    assert drawn["render_cloud"]["spread"] is None
    np.testing.assert_allclose(points, drawn["render_cloud"]["truth"], atol=1e-3)


def test_where_no_two_runs_agree_there_is_no_spread_to_show(run: Path, drawn: Drawn) -> None:
    write_spread(run, np.full(30, np.nan))
    render_run(run)
    assert drawn["render_cloud"]["spread"] is None


@pytest.mark.usefixtures("quick_alignment")
def test_half_sets_are_drawn_side_by_side_in_one_hand(run: Path, drawn: Drawn) -> None:
    for half, points in (("half-1", POINTS), ("half-2", mirror(POINTS)[:, [1, 2, 0]])):
        (run / half).mkdir()
        write_cloud(run / half / "cloud.ply", points)
    assert render_run(run) == [run / "pictures" / "halves.png"]
    first, second, _ = drawn["render_halves"]["args"]
    assert align(second, first).rmsd == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(second, first, atol=1e-3)


def test_a_folder_without_growth_says_so(run: Path, drawn: Drawn) -> None:
    with pytest.raises(HollyError, match=r"growth\.npz: is missing.*the folder of one run"):
        render_run(run, growth=run / "grow.gif")


@pytest.mark.parametrize(
    "changed",
    [
        {"points": np.ones((3, 5))},
        {"points": np.ones((3, 0, 3))},
        {"points": np.full((3, 5, 3), np.nan)},
        {"step": np.arange(2)},
        {"points": np.array([{}], dtype=object)},
    ],
    ids=["flat", "empty", "nan", "steps", "objects"],
)
def test_odd_growth_is_one_line(changed: dict[str, Array], run: Path, drawn: Drawn) -> None:
    write_growth(run, **changed)
    with pytest.raises(HollyError, match=r"growth\.npz: cannot be read"):
        render_run(run, growth=run / "grow.gif")


@pytest.mark.parametrize(("content", "said"), [("a,b\n1,2\n", "cannot be read"), (None, "20 values for the 30 points")])
def test_an_odd_spread_is_one_line(content: str | None, said: str, run: Path, drawn: Drawn) -> None:
    write_spread(run, np.ones(20))
    if content is not None:
        (run / "spread.csv").write_text(content)
    with pytest.raises(HollyError, match=said):
        render_run(run)


def test_amplitudes_of_a_deformation_are_drawn_in_one_orientation(run: Path, drawn: Drawn) -> None:
    """That of the run's cloud, so that pictures of several amplitudes can be compared."""
    displacement = np.random.default_rng(1).normal(size=POINTS.shape)
    write_ply(run / "deformation.ply", POINTS, ["unit nm"], displacements=displacement)
    (run / "metrics.json").write_text('{"deformation": {"sd_nm": 20.0}}')
    assert render_run(run, amplitude=-2) == [run / "pictures" / "cloud-amplitude-2.png"]
    frame = upright(POINTS).frame
    np.testing.assert_allclose(drawn["render_cloud"]["args"][0], (POINTS - 40 * displacement) @ frame)
