"""Calibration with beads: stacks that are drawn here, bad ones, and the SMLM challenge's."""

import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.frames.calibration import Calibration, calibrate, picture
from holly_triton.frames.calibration import command as calibration_command
from holly_triton.frames.calibration.beads import BORDER, DISAGREEING, FAINT, NEAR, SATURATED
from holly_triton.frames.calibration.ellipses import fit_ellipses
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import GaussianPsf, HuangCurve, SplinePsf, read_psf
from holly_triton.report.charts import new_figure

CHALLENGE = Path(__file__).parents[2] / "../shared/data/challenge-mt0/beads_as.tif"
Z = np.arange(-800, 801, 50.0)
PSF = GaussianPsf(
    HuangCurve(140, -240, 420, 0, 0.05), HuangCurve(150, 260, 400, 0, 0.1), 12.0, z_min_nm=-1200, z_max_nm=1200
)
PLACES = np.array([[2030.0, 2210], [6480, 2050], [2340, 6470], [6520, 6390], [4290, 4310]])
"""Beads, nm, in a field of 86 pixels."""
SETTINGS = Calibrating(roi_px=23)


def stack_of(
    places: np.ndarray, seed: int, *, psf: GaussianPsf = PSF, photons: float | np.ndarray = 40_000.0,
    heights: np.ndarray | float = 0.0, size: int = 86, z: np.ndarray = Z,
) -> np.ndarray:  # fmt: skip
    """Photons of beads at some places ``[n, 2]``, at their heights, over a background of 20."""
    number = len(places)
    depths = z[:, None] - np.broadcast_to(heights, number)  # [D, n]
    xyz = np.concatenate([np.broadcast_to(places, (len(z), number, 2)), depths[:, :, None]], axis=2).reshape(-1, 3)
    light = np.broadcast_to(photons, (len(z), number)).reshape(-1)
    emitters = Emitters(
        torch.as_tensor(xyz, dtype=torch.float32), torch.as_tensor(light.copy(), dtype=torch.float32),
        torch.arange(len(z) + 1) * number,
    )  # fmt: skip
    expected = psf.draw(emitters, (size, size)) + 20
    return torch.poisson(expected, generator=torch.Generator().manual_seed(seed)).numpy()


def run(stack: np.ndarray, settings: Calibrating = SETTINGS, **others: object) -> Calibration:
    return calibrate(stack, Z, 100.0, camera_preset("photons"), settings, **others)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clean() -> Calibration:
    return run(stack_of(PLACES, 0))


def test_the_gaussian_that_drew_the_beads_is_found(clean: Calibration) -> None:
    found = clean.gaussian
    assert found is not None
    assert found.tilt_deg == pytest.approx(12, abs=0.7)
    for curve, truth in ((found.x, PSF.x), (found.y, PSF.y)):
        assert curve.sigma0_nm == pytest.approx(truth.sigma0_nm, rel=0.02)
        assert curve.c_nm == pytest.approx(truth.c_nm, abs=12)
        # Depth of field, A and B make up for each other; what counts are the widths.
        z = torch.linspace(*found.z_range_nm, 50)
        assert (curve.variance(z)[0] / truth.variance(z)[0]).sqrt().tolist() == pytest.approx([1.0] * 50, abs=0.03)
    assert clean.widths_rms_px < 0.05 and clean.unexplained < 0.02


def test_the_table_agrees_with_what_drew_the_beads(clean: Calibration) -> None:
    assert isinstance(clean.psf, SplinePsf)
    z = torch.linspace(-500, 500, 21)
    xyz = torch.cat([torch.full((21, 2), 1150.0), z[:, None]], dim=1)
    found, truth = (psf.patches(xyz, 23)[0] for psf in (clean.psf, PSF))
    apart = (found / found.sum((1, 2), keepdim=True) - truth / truth.sum((1, 2), keepdim=True)).abs().sum((1, 2)) / 2
    assert apart.max() < 0.03
    assert found.sum((1, 2)).tolist() == pytest.approx([1.0] * 21, abs=0.02)


def test_beads_are_placed_within_a_twentieth_of_a_pixel(clean: Calibration) -> None:
    found = np.array([[bead.x + 0.5, bead.y + 0.5] for bead in clean.beads if bead.used]) * 100
    assert len(found) == 5
    offsets = np.array([place - PLACES[np.linalg.norm(PLACES - place, axis=1).argmin()] for place in found])
    assert np.abs(offsets).max() < 5


def test_the_usable_depths_lie_about_both_foci(clean: Calibration) -> None:
    least, most = clean.psf.z_range_nm
    assert least < -300 and most > 300 and (least, most) == clean.usable_nm
    z = torch.linspace(-200, 200, 401)
    crossing = float(z[(PSF.x.variance(z)[0] - PSF.y.variance(z)[0]).abs().argmin()])
    assert clean.widths.round_at_nm == pytest.approx(crossing, abs=10)
    # The bound of the table is that of the Gaussian, but for noise that looks like a slope.
    middle = np.abs(clean.z_nm) < 400
    assert 5 < np.sqrt((clean.bound_nm[middle, 2] ** 2).mean()) < 20


def test_asked_depths_are_those_of_the_file() -> None:
    stack = stack_of(PLACES, 1)
    found = run(stack, replace(SETTINGS, passes=1), depths_nm=(-600.0, 650.0))
    assert found.psf.z_range_nm == (-600.0, 650.0)
    with pytest.raises(HollyError, match=r"-900 to 650 nm were asked for.*-800 to 800"):
        run(stack, replace(SETTINGS, passes=1), depths_nm=(-900.0, 650.0))


def test_bad_beads_are_rejected_for_their_reasons(seed: int) -> None:
    bad = np.array([[500.0, 12500], [12100, 2500], [12900, 3000], [12500, 6500], [12300, 12300]])
    odd = np.array([[7500.0, 12300], [8080, 12300]])
    brightness = np.array([*[40_000.0] * 5, 40_000, 40_000, 40_000, 8000, 400_000, 20_000, 20_000])
    stack = np.minimum(stack_of(np.concatenate([PLACES, bad, odd]), seed, photons=brightness, size=150), 4095)
    found = run(stack, SETTINGS)
    reasons = {(round(b.x) // 10, round(b.y) // 10): b.reason for b in found.beads if not b.used}
    assert [bead.reason for bead in found.beads].count(NEAR) == 2
    assert reasons[0, 12] == BORDER and reasons[12, 6] == FAINT and reasons[12, 12] == SATURATED
    # Two beads 580 nm apart are one peak, whose shape is no bead's.
    assert reasons[7, 12] == DISAGREEING
    assert sum(bead.used for bead in found.beads) == 5


def test_a_bead_of_another_shape_is_unlike_the_others(seed: int) -> None:
    stack = stack_of(PLACES[:4], seed)
    stack += stack_of(PLACES[4:], seed + 1, psf=replace(PSF, x=HuangCurve(320, 0, 500), y=HuangCurve(320, 0, 500))) - 20
    found = run(stack)
    assert [bead.reason for bead in found.beads].count(DISAGREEING) == 1
    assert {(round(b.x), round(b.y)) for b in found.beads if not b.used} == {(42, 43)}


def test_beads_at_other_heights_are_aligned(seed: int) -> None:
    heights = np.array([-80.0, 80, -40, 40, 0])
    level, tilted = run(stack_of(PLACES, seed)), run(stack_of(PLACES, seed, heights=heights))
    assert sum(bead.used for bead in tilted.beads) == 5
    assert np.median(tilted.residual) < 1.3 * np.median(level.residual)
    assert level.gaussian is not None and tilted.gaussian is not None
    assert tilted.gaussian.x.sigma0_nm == pytest.approx(level.gaussian.x.sigma0_nm, rel=0.02)


def test_bleaching_is_taken_out_unless_it_is_kept(seed: int) -> None:
    fading = np.linspace(60_000, 20_000, len(Z))[:, None] * np.ones(5)
    stack = stack_of(PLACES, seed, photons=fading)
    xyz = torch.tensor([[1150.0, 1150, -400], [1150, 1150, 400]])
    even, kept = (run(stack, replace(SETTINGS, keep_brightness=keep)).psf for keep in (False, True))
    one, other = (psf.patches(xyz, 23)[0].sum((1, 2)) for psf in (even, kept))
    assert one.tolist() == pytest.approx([1, 1], abs=0.02)
    assert float(other[0] / other[1]) == pytest.approx(5 / 3, rel=0.03)


def test_known_places_put_the_wobble_into_the_table(seed: int) -> None:
    found = run(stack_of(PLACES + np.array([30.0, -40.0]), seed), known=PLACES)
    xyz = torch.tensor([[1150.0, 1150, 0]])
    image = found.psf.patches(xyz, 23)[0].double()
    centre = fit_ellipses(image, torch.ones_like(image))[0, :2] * 100
    assert centre.tolist() == pytest.approx([30, -40], abs=4)


def test_ellipses_are_found_again() -> None:
    psf = GaussianPsf(HuangCurve(250, 0, 400), HuangCurve(140, 0, 400), 30.0)
    image = 900 * psf.patches(torch.tensor([[1020.0, 1110, 0]], dtype=torch.float64), 21)[0] + 4
    x, y, xx, yy, xy, total, background = fit_ellipses(image, torch.ones_like(image))[0].tolist()
    assert [x, y] == pytest.approx([-0.3, 0.6], abs=1e-6)
    turned = 6.25 * math.cos(math.radians(30)) ** 2 + 1.96 * math.sin(math.radians(30)) ** 2 + 1 / 12
    assert [xx, total, background] == pytest.approx([turned, 900, 4], rel=1e-6)
    assert xy == pytest.approx((6.25 - 1.96) / 2 * math.sin(math.radians(60)), rel=1e-6) and yy < xx


def write(path: Path, stack: np.ndarray, **tiff: object) -> Path:
    tifffile.imwrite(path, stack.astype(np.uint16), **tiff)  # type: ignore[arg-type]
    return path


def command(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["frames", "calibrate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_slices_and_beads_are_labelled(clean: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(
        picture, "new_figure", lambda *size, **style: drawn.append(new_figure(*size, **style)) or drawn[0]
    )
    picture.draw_calibration(tmp_path / "psf.png", clean, Calibrating())
    shown = {text.get_text() for axes in drawn[0].axes for text in axes.texts if _is_within(text, axes)}
    depths = np.linspace(*clean.psf.z_range_nm, picture.SLICES)
    assert {text.get_text() for text in drawn[0].findobj(Text)} >= {f"{depth:.0f} nm" for depth in depths}
    assert shown >= {str(number) for number in range(1, len(clean.beads) + 1)}


def _is_within(text: Text, axes: Axes) -> bool:
    """Whether a text's place, in the data's coordinates, is inside its axes, beyond which it may be clipped."""
    (x, y), across, down = text.get_position(), sorted(axes.get_xlim()), sorted(axes.get_ylim())
    return across[0] <= x <= across[1] and down[0] <= y <= down[1]


@pytest.mark.parametrize("kind", ["spline", "gaussian"])
def test_the_command_writes_a_psf_and_a_picture(kind: str, tmp_path: Path, seed: int) -> None:
    beads = write(tmp_path / "beads.tif", stack_of(PLACES, seed)[::-1])
    out = tmp_path / "psf.h5"
    code, said, _ = command(beads, out, "--step", -50, "--pixel-size", 100, "--model", kind, "--roi", 23, "--zero", 16)
    assert code == 0 and "5 found, 5 used" in said and "Usable depths" in said
    psf = read_psf(out)
    assert isinstance(psf, SplinePsf if kind == "spline" else GaussianPsf)
    assert (tmp_path / "psf.png").read_bytes()[:4] == b"\x89PNG"
    # Plane 16 of the file is one above the middle one, as its first plane has the largest z.
    if isinstance(psf, GaussianPsf):
        assert psf.x.c_nm == pytest.approx(PSF.x.c_nm - 50, abs=15)


def test_a_calibration_is_not_replaced_unasked(tmp_path: Path, seed: int) -> None:
    beads, out = write(tmp_path / "beads.tif", stack_of(PLACES, seed)), tmp_path / "psf.h5"
    arguments = (beads, out, "--step", 50, "--pixel-size", 100, "--roi", 23)
    out.write_bytes(b"of last year")
    code, _, complaint = command(*arguments)
    assert code == 1 and "--overwrite" in complaint and out.read_bytes() == b"of last year"
    assert command(*arguments, "--overwrite")[0] == 0
    assert read_psf(out).pixel_nm == 100


def test_a_movie_without_beads_is_read_and_searched_no_further(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is shown as it begins, the reading too, which takes longest of a long movie."""
    begun: list[str] = []
    monkeypatch.setattr(calibration_command, "in_parts", lambda parts: nullcontext(begun.append))
    noise = np.random.default_rng(seed).poisson(100, (40, 48, 64)).astype(np.uint16)
    movie = write(tmp_path / "movie.tif", noise)
    code, _, complaint = command(movie, tmp_path / "psf.h5", "--step", 50, "--pixel-size", 100)
    assert code == 1 and begun == [f"reading {movie}", "finding beads"]
    assert "no beads were found" in complaint and complaint.count("\n") == 1


def wrong(tmp_path: Path, what: str) -> tuple[list[object], str]:
    """Arguments, and a part of what must be said."""
    beads, out = tmp_path / "beads.tif", tmp_path / "psf.h5"
    rest: list[object] = ["--step", 50, "--pixel-size", 100, "--roi", 23]
    stack = stack_of(PLACES, 0)
    if what == "one plane":
        stack = stack[:1]
    elif what == "few planes":
        stack = stack[:5]
    elif what == "round":
        stack = stack_of(PLACES, 0, psf=GaussianPsf(HuangCurve(140, 0, 400), HuangCurve(140, 0, 400)))
    elif what == "empty":
        stack = np.full_like(stack, 100)
    elif what == "small":
        stack = stack[:, 14:42, 14:42]
    elif what == "step 0":
        rest[1] = 0
    elif what == "even":
        rest[-1] = 24
    elif what == "suffix":
        out = tmp_path / "psf.txt"
    elif what == "plane":
        rest += ["--zero", 900]
    elif what == "camera":
        rest += ["--camera", "polaroid"]
    elif what == "deep":
        rest[rest.index("--step") + 1] = 20_000
    elif what == "pixel":
        rest = ["--step", 50]
    if what == "colour":
        tifffile.imwrite(beads, np.zeros((8, 40, 40, 3), np.uint8), photometric="rgb")
    elif what == "truncated":
        write(beads, stack)
        beads.write_bytes(beads.read_bytes()[:60_000])
    else:
        write(beads, stack)
    return [beads, out, *rest], {
        "deep": "more than 50; are they a stack of beads", "one plane": "has 1 plane", "few planes": "5 planes; a calibration needs at least 6", "round": "no astigmatism", "empty": "no beads were found",
        "small": "cut off by the border", "step 0": "--step 0", "even": "--roi 24", "suffix": ".h5", "plane": "--zero 900",
        "camera": "polaroid", "pixel": "--pixel-size", "colour": "colour", "truncated": "truncated",
    }[what]  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        "deep",
        "one plane",
        "few planes",
        "round",
        "empty",
        "small",
        "step 0",
        "even",
        "suffix",
        "plane",
        "camera",
        "pixel",
        "colour",
        "truncated",
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(what: str, tmp_path: Path) -> None:
    arguments, part = wrong(tmp_path, what)
    code, said, complaint = command(*arguments)
    assert code == 1 and not said
    assert part in complaint and complaint.count("\n") == 1
    assert not (tmp_path / "psf.h5").exists()
    # Without astigmatism the picture shows it.
    assert (tmp_path / "psf.png").exists() == (what == "round")


def test_without_a_step_the_usage_is_wrong(tmp_path: Path) -> None:
    code, _, complaint = command(write(tmp_path / "beads.tif", stack_of(PLACES, 0)), tmp_path / "psf.h5")
    assert code == 2 and "--step" in complaint


@pytest.mark.skipif(not CHALLENGE.exists(), reason="needs the challenge's bead stack in ../shared/data")
def test_the_beads_of_the_challenge() -> None:
    stack = tifffile.imread(CHALLENGE).astype(np.float32)[::3]
    z = np.arange(len(stack)) * 30.0 - 750
    found = calibrate(stack, z, 100.0, camera_preset("challenge"), Calibrating())
    assert sum(bead.used for bead in found.beads) == 6
    gaussian = found.gaussian
    assert gaussian is not None
    # An independent fit of pixel-integrated Gaussians to four of the beads gave 174, -54, 166 and 310 nm.
    assert gaussian.x.sigma0_nm == pytest.approx(174, abs=8) and gaussian.y.sigma0_nm == pytest.approx(166, abs=8)
    assert gaussian.x.c_nm == pytest.approx(-54, abs=15) and gaussian.y.c_nm == pytest.approx(310, abs=15)
    assert found.widths_rms_px < 0.08
    # This PSF is no Gaussian.
    assert 0.1 < found.unexplained < 0.3
