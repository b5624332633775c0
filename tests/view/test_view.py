import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from holly_triton import view
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.view import colours, scene, sheet, window

RADIUS_NM = 130.0


def sphere_of_rings() -> Array:
    """A ring of known radius in each coordinate plane, so that every orthogonal view shows a circle of that radius."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    circle = RADIUS_NM * np.stack([np.cos(angle), np.sin(angle), np.zeros(120)], axis=1)
    return np.concatenate([circle, circle[:, [2, 0, 1]], circle[:, [1, 2, 0]]]) + [4000.0, -300.0, 70.0]


def panels(path: Path, count: int = 4) -> list[Array]:
    """The views ``[S, S, 3]`` from 0 to 1, without the line around each."""
    pixels = imread(path)[:, :, :3]
    corners = [sheet.corner(index) for index in range(count)]
    inset, size = 3, sheet.PANEL_PX
    return [pixels[top + inset : top + size - inset, left + inset : left + size - inset] for left, top in corners]


def ink(panel: Array) -> Array:
    """Where something is drawn ``[S, S]``."""
    return np.asarray(panel.min(axis=2) < 0.97)


def extent(panel: Array) -> tuple[int, int]:
    """Width and height of what is drawn, px."""
    rows, columns = np.nonzero(ink(panel))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def middle(panel: Array) -> Array:
    """Centroid of the ink from the panel's middle, as a part of its half width: right and down are positive."""
    rows, columns = np.nonzero(ink(panel))
    return np.array([columns.mean(), rows.mean()]) / (len(panel) / 2) - 1


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("view") / "rings.png"
    view.render_cloud(sphere_of_rings(), path, title="Three rings <of> $known$ radius")
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of half the size, for tests that need no detail."""
    monkeypatch.setattr(sheet, "PANEL_PX", 380)


def test_the_sheet_has_four_views_with_something_in_each(rings: Path) -> None:
    left, top = sheet.corner(3)
    height, width = imread(rings).shape[:2]
    assert width == left + sheet.PANEL_PX + sheet.SIDE_PX
    assert height == top + sheet.PANEL_PX + sheet.BELOW_PX
    assert all(0.01 < ink(panel).mean() < 0.5 for panel in panels(rings))


def test_all_views_share_one_scale_and_nothing_is_stretched(rings: Path) -> None:
    sides = [side for panel in panels(rings) for side in extent(panel)]
    front = sides[0]
    # The oblique view of three rings is a little smaller than their common sphere, and never larger.
    assert sides[:6] == pytest.approx([front] * 6, abs=2)
    assert all(0.8 * front < side <= front + 2 for side in sides[6:])


def test_no_point_is_cut_off(rings: Path) -> None:
    for panel in panels(rings):
        seen = ink(panel)
        assert not np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]]).any()


def test_the_scale_bar_is_a_round_number_of_nm(rings: Path) -> None:
    left, top = sheet.corner(0)
    row = imread(rings)[top + sheet.PANEL_PX + 24, :, :3].max(axis=1) < 0.5
    bar_px = int(np.argmin(row[left + 5 :])) + 5
    # Neighbours on a ring are 6.8 nm apart, so a sphere is no wider than that; half of one lies beyond each end.
    nm_per_px = 2 * (RADIUS_NM + 3.1) / extent(panels(rings)[0])[0]
    assert bar_px * nm_per_px == pytest.approx(50.0, rel=0.02)


@pytest.mark.usefixtures("small")
def test_x_is_right_and_y_down_in_front_and_the_others_follow(tmp_path: Path) -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 100.0
    heavy = np.random.default_rng(0).normal([60, 60, 60], 12, size=(300, 3))
    view.render_cloud(np.concatenate([corners, heavy]), tmp_path / "marked.png")
    front, side, top, _ = (middle(panel) for panel in panels(tmp_path / "marked.png"))
    assert (front > 0.2).all(), "x right, y down"
    assert (side > 0.2).all(), "z right, y down"
    assert top[0] > 0.2 and top[1] < -0.2, "x right, z up"


def test_the_axes_are_named_only_where_they_are_the_clouds_own() -> None:
    assert [one.axes for one in scene.views_of(None)][0] == "x to the right, y down"
    turned = scene.views_of("Front, along its axis")
    assert turned[0].name == "Front, along its axis"
    assert not any(one.axes for one in turned)


@pytest.mark.usefixtures("small")
def test_near_is_darker_than_far(tmp_path: Path) -> None:
    plane = np.stack([*np.meshgrid(np.linspace(-100, -20, 8), np.linspace(-100, 100, 16)), np.zeros((16, 8))], -1)
    near, far = plane.reshape(-1, 3) - [0, 0, 50], plane.reshape(-1, 3) * [-1, 1, 1] + [0, 0, 50]
    view.render_cloud(np.concatenate([near, far]), tmp_path / "depth.png")
    front = panels(tmp_path / "depth.png")[0]
    half = front.shape[1] // 2
    left, right = (part[ink(part)].mean() for part in (front[:, :half], front[:, half:]))
    assert left < right - 0.2


@pytest.mark.usefixtures("small")
def test_truth_is_orange_and_the_result_blue_where_they_agree(tmp_path: Path) -> None:
    points = sphere_of_rings()[::6]
    view.render_cloud(points, tmp_path / "both.png", truth=points)
    for panel in panels(tmp_path / "both.png"):
        red, blue = panel[..., 0], panel[..., 2]
        assert ((red > blue + 0.2) & ink(panel)).sum() > 120
        assert ((blue > red + 0.2) & ink(panel)).sum() > 120


@pytest.mark.usefixtures("small")
def test_colour_tells_the_spread_whatever_the_depth(tmp_path: Path) -> None:
    far_apart = np.array([[x, y, 50 * x * y] for x in (-1, 1) for y in (-1, 1)]) * [100, 100, 1]
    points = np.concatenate([far_apart + step for step in np.random.default_rng(1).normal(0, 3, (40, 3))])
    view.render_cloud(points, tmp_path / "spread.png", spread=np.where(points[:, 0] > 0, 9.0, 1.0))
    front = panels(tmp_path / "spread.png")[0]
    half = len(front) // 2
    for part, nm in ((front[:, :half], 1.0), (front[:, half:], 9.0)):
        seen = part[ink(part)].mean(axis=0)
        hue = colours.by_spread(np.array([nm]), 9.0)[0] / 255
        # Light and rim change how bright a colour is, never which of its parts leads.
        assert np.corrcoef(seen, hue)[0, 1] > 0.9


@pytest.mark.parametrize(("largest", "limit"), [(4.21, 4.3), (37.0, 37.0), (0.0, 1e-9)])
def test_the_colours_end_at_about_the_largest_spread(largest: float, limit: float) -> None:
    usual = np.full(1000, largest)
    usual[0] = 50 * largest  # a stray does not set the scale
    assert colours.spread_limit(usual) == pytest.approx(limit)


def test_the_colours_of_the_spread_grow_lighter_throughout() -> None:
    red, green, blue = colours.by_spread(np.linspace(0, 1, 50), 1.0).T.astype(float)
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > 0).all()


def test_truth_and_spread_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="truth or the spread"):
        scene.scene_of(np.eye(3), truth=np.eye(3), spread=np.ones(3))


@pytest.mark.usefixtures("small")
def test_a_pair_is_drawn_side_by_side_in_one_frame(tmp_path: Path) -> None:
    first = sphere_of_rings()[::4]
    view.render_halves(first, first[:30] + [30.0, 0, 0], tmp_path / "pair.png")
    drawn = panels(tmp_path / "pair.png", 6)
    assert imread(tmp_path / "pair.png").shape[0] == sheet.corner(5)[1] + sheet.PANEL_PX + sheet.BELOW_PX
    nm_per_px = 2 * (RADIUS_NM + 10) / extent(drawn[0])[0]
    left, right = (np.nonzero(ink(panel))[1].max() for panel in drawn[:2])
    assert (right - left) * nm_per_px == pytest.approx(30, rel=0.2), "the second lies 30 nm further right"
    for own, other in zip(drawn[::2], drawn[1::2], strict=True):
        assert ink(own).sum() > 1.5 * ink(other).sum(), "each cloud in its own column"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.eye(3) * 1e6])
def test_any_extent_is_drawn(points: Array, tmp_path: Path) -> None:
    view.render_cloud(points, tmp_path / "few.png")
    assert all(ink(panel).any() for panel in panels(tmp_path / "few.png"))


def test_what_is_flat_is_not_shown_as_a_line(tmp_path: Path) -> None:
    flat = np.random.default_rng(0).normal(size=(50, 3)) * (50, 30, 0)
    assert [one.name[:5] for one in scene.views_not_edge_on(scene.VIEWS, flat)] == ["Front", "Obliq"]
    view.render_cloud(flat, tmp_path / "flat.png")
    assert all(ink(panel).any() for panel in panels(tmp_path / "flat.png", 2))
    assert imread(tmp_path / "flat.png").shape[0] == sheet.corner(1)[1] + sheet.PANEL_PX + sheet.BELOW_PX


def test_a_picture_that_is_no_png_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match=r"must end in \.png"):
        view.render_cloud(np.eye(3), tmp_path / "cloud.jpg")


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="cannot be written"):
        view.render_cloud(np.eye(3), tmp_path / "absent" / "cloud.png")


def test_without_a_display_no_window_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HollyError, match="no display"):
        view.interactive(np.eye(3))


@pytest.mark.parametrize(("longest", "bar"), [(1.0, 1.0), (99.9, 50.0), (0.3, 0.2), (2000.0, 2000.0)])
def test_scale_bars_are_one_two_or_five(longest: float, bar: float) -> None:
    assert view.round_length(longest) == pytest.approx(bar)


def test_the_window_has_the_colours_of_the_spread_and_keeps_depth_right_as_it_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "WINDOW_PX", 200)
    points = sphere_of_rings()[::6]
    by_depth = window.window_of(scene.scene_of(points), off_screen=True)
    by_spread = window.window_of(scene.scene_of(points, spread=np.linspace(0, 4, len(points))), off_screen=True)
    try:
        assert list(by_spread.plotter.scalar_bars.keys()) == ["spread, nm"]
        for stage, changes in ((by_depth, True), (by_spread, False)):
            before = np.array(stage.clouds[0][1]["rgb"])
            stage.plotter.camera.azimuth = 90
            stage.plotter.iren.interactor.InvokeEvent("InteractionEvent")
            assert (stage.clouds[0][1]["rgb"] != before).any() == changes
    finally:
        by_depth.plotter.close()
        by_spread.plotter.close()


def test_triton_can_be_loaded_after_a_picture_was_drawn(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="only Triton's LLVM clashes with that of the drawing")
    code = """
import sys
from pathlib import Path
import numpy as np
from holly_triton.view import sheet
sheet.PANEL_PX = 100
sheet.render_cloud(np.eye(3), Path(sys.argv[1]))
import triton
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "drawn.png"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
