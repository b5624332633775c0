from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from holly_triton import view
from holly_triton.errors import HollyError

Array = NDArray[Any]

RADIUS_NM = 130.0


def sphere_of_rings() -> Array:
    """A ring of known radius in each coordinate plane, so that every orthogonal view shows a circle of that radius."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    circle = RADIUS_NM * np.stack([np.cos(angle), np.sin(angle), np.zeros(120)], axis=1)
    return np.concatenate([circle, circle[:, [2, 0, 1]], circle[:, [1, 2, 0]]]) + [4000.0, -300.0, 70.0]


def panels(path: Path) -> list[Array]:
    """The four views ``[S, S, 3]`` from 0 to 1, without the line around each."""
    sheet = imread(path)[:, :, :3]
    corners = [view.corner(index) for index in range(4)]
    inset, size = 3, view.PANEL_PX
    return [sheet[top + inset : top + size - inset, left + inset : left + size - inset] for left, top in corners]


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
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("view") / "rings.png"
    view.render_cloud(sphere_of_rings(), path, title="Three rings <of> $known$ radius")
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of half the size, for tests that need no detail."""
    monkeypatch.setattr(view, "PANEL_PX", 380)


def test_the_sheet_has_four_views_with_something_in_each(sheet: Path) -> None:
    left, top = view.corner(3)
    height, width = imread(sheet).shape[:2]
    assert width == left + view.PANEL_PX + view.SIDE_PX
    assert height == top + view.PANEL_PX + view.BELOW_PX
    assert all(0.01 < ink(panel).mean() < 0.5 for panel in panels(sheet))


def test_all_views_share_one_scale_and_nothing_is_stretched(sheet: Path) -> None:
    sides = [side for panel in panels(sheet) for side in extent(panel)]
    front = sides[0]
    # The oblique view of three rings is a little smaller than their common sphere, and never larger.
    assert sides[:6] == pytest.approx([front] * 6, abs=2)
    assert all(0.8 * front < side <= front + 2 for side in sides[6:])


def test_no_point_is_cut_off(sheet: Path) -> None:
    for panel in panels(sheet):
        seen = ink(panel)
        assert not np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]]).any()


def test_the_scale_bar_is_a_round_number_of_nm(sheet: Path) -> None:
    left, top = view.corner(0)
    row = imread(sheet)[top + view.PANEL_PX + 24, :, :3].max(axis=1) < 0.5
    bar_px = int(np.argmin(row[left + 5 :])) + 5
    # Neighbours on a ring are 6.8 nm apart, so a sphere is no wider than that; half of one lies beyond each end.
    nm_per_px = 2 * (RADIUS_NM + 3.1) / extent(panels(sheet)[0])[0]
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
@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.eye(3) * 1e6])
def test_any_extent_is_drawn(points: Array, tmp_path: Path) -> None:
    view.render_cloud(points, tmp_path / "few.png")
    assert all(ink(panel).any() for panel in panels(tmp_path / "few.png"))


def test_a_turntable_turns_once_in_a_gif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(view, "GIF_FRAMES", 4)
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = 100 * np.stack([np.cos(angle), np.sin(angle), np.zeros(60)], axis=1) + 1e6
    view.turntable(ring, tmp_path / "turn.gif", truth=ring)
    with Image.open(tmp_path / "turn.gif") as movie:
        widths = []
        for index in range(4):
            movie.seek(index)
            frame = np.asarray(movie.convert("RGB")) / 255
            widths.append(extent(frame)[0])
            assert not ink(frame)[:, [0, -1]].any(), "cut off"
        assert movie.info["loop"] == 0
    # Face on, edge on, and the same from behind.
    assert widths[0] == pytest.approx(widths[2], abs=2) and widths[1] == pytest.approx(widths[3], abs=2)
    assert widths[1] < 0.2 * widths[0]


@pytest.mark.parametrize("name", ["turn.mp4", "turn"])
def test_a_movie_that_is_no_gif_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(HollyError, match=r"must end in \.gif"):
        view.turntable(np.eye(3), tmp_path / name)


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
