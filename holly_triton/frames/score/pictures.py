"""Pictures of an evaluation: truth and localisations side by side, errors, bias within a pixel, and figures by z."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.view.page import round_length

from .figures import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("rendered.png", "errors.png", "bias.png", "by_z.png")
RENDER_NM = 10.0
"""Side of a pixel of the rendered pictures."""
MOST_PX = 1280
"""Longest side of a rendered picture; pixels of larger fields are larger."""
BLUR_PX = 1.0
BRIGHTEST = 0.995
"""Quantile of the pixels above 0 that is drawn white."""
BLUE, ORANGE, GREY = "#2f6fb5", "#d9730d", "#7d8590"
FEWEST = 2


def draw(folder: Path, localisations: Array, truth: Array, score: Score) -> list[Path]:
    """Write ``rendered.png`` and, where there are pairs for them, ``errors.png``, ``bias.png`` and ``by_z.png``.

    Args:
        folder: Where; it is made.
        localisations: The table that was compared.
        truth: The true emitters.
        score: What ``evaluate`` gave for these two.

    Raises:
        HollyError: A file can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{folder}: cannot be made ({error.strerror}); give another folder with --out") from error
    figures = {"rendered.png": _rendered(localisations, truth, score)}
    if len(score.errors) >= FEWEST:
        figures["errors.png"] = _errors(score)
    if any(score.checkerboard[axis] for axis in "xy"):
        figures["bias.png"] = _bias(score)
    if score.against_z is not None:
        figures["by_z.png"] = _by_z(score)
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)  # else one of an earlier comparison would stay
    for name, figure in figures.items():
        with replacing(folder / name) as partial:
            figure.savefig(partial, format="png", dpi=100)
    return [folder / name for name in figures]


def render(table: Array, width_nm: float, height_nm: float) -> tuple[Array, float]:
    """Positions drawn as points of 10 nm pixels and blurred by one pixel; ``[H, W]``, and the side of a pixel, nm."""
    from scipy.ndimage import gaussian_filter

    pixel = max(RENDER_NM, max(width_nm, height_nm) / MOST_PX)
    shape = int(np.ceil(height_nm / pixel)), int(np.ceil(width_nm / pixel))
    ranges = (0, shape[0] * pixel), (0, shape[1] * pixel)
    placed = np.isfinite(table["x"]) & np.isfinite(table["y"])
    counts, _, _ = np.histogram2d(table["y"][placed], table["x"][placed], bins=shape, range=ranges)
    return np.asarray(gaussian_filter(counts, BLUR_PX)), pixel


def _rendered(localisations: Array, truth: Array, score: Score) -> "Figure":
    settings = score.settings
    width, height = settings.width_nm, settings.height_nm
    figure = _figure(12.4, 0.8 + 6.0 * min(1.6, height / width))
    pictures = [(name, *render(table, width, height)) for name, table in (("truth", truth), ("localisations", localisations))]  # fmt: skip
    bright = [picture[picture > 0] for _, picture, _ in pictures]
    most = max((float(np.quantile(values, BRIGHTEST)) for values in bright if len(values)), default=1.0)
    bar = round_length(width / 5)
    for axes, (name, picture, pixel) in zip(figure.subplots(1, 2), pictures, strict=True):
        axes.imshow(picture, cmap="inferno", vmin=0, vmax=most, extent=(0, width, height, 0), interpolation="nearest")
        axes.set_title(f"{name}: {len(truth if name == 'truth' else localisations)} positions, pixels of {pixel:g} nm", fontsize=11)  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.plot([0.04 * width, 0.04 * width + bar], [0.96 * height] * 2, color="white", linewidth=3)
        axes.text(0.04 * width, 0.94 * height, f"{bar:g} nm", color="white", fontsize=10)
        if settings.border_nm:
            border = settings.border_nm
            sides = np.array([[border, border], [width - border, border], [width - border, height - border]])
            sides = np.concatenate([sides, [[border, height - border], [border, border]]])
            axes.plot(*sides.T, color="white", linewidth=0.7, linestyle=":")
    return figure


def _errors(score: Score) -> "Figure":
    figure = _figure(12.4, 3.6)
    flat = score.dimensions == 2
    for axes, (i, axis) in zip(figure.subplots(1, 2 if flat else 3), enumerate("xy" if flat else "xyz"), strict=True):
        error = score.errors[:, i]
        reach = float(np.quantile(np.abs(error), 0.99)) or 1.0
        axes.hist(error, bins=61, range=(-1.2 * reach, 1.2 * reach), color=BLUE, density=True)
        spread = f"mean {error.mean():+z.1f}, s.d. {error.std():.1f} nm"
        bound = score.limits[:, i] if score.limits is not None else np.empty(0)
        if len(bound := bound[np.isfinite(bound) & (bound > 0)]):
            x = np.linspace(-1.2 * reach, 1.2 * reach, 200)
            # Bounds differ from emitter to emitter, by far more than a factor of 10 in a crowd: their Gaussians are averaged.
            scales = np.quantile(bound, np.linspace(0.005, 0.995, 100))[:, None]
            density = (np.exp(-0.5 * (x / scales) ** 2) / (scales * np.sqrt(2 * np.pi))).mean(axis=0)
            axes.plot(x, density, color=ORANGE, label="at the Cramér-Rao bound")
            axes.legend(fontsize=8, frameon=False)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_title(spread, fontsize=10)
        axes.set_xlabel(f"error of {axis}, nm")
        axes.set_yticks([])
        _plain(axes)
    figure.axes[0].set_ylabel("density of localisations")
    return figure


def _bias(score: Score) -> "Figure":
    figure = _figure(9.4, 3.6)
    for axes, axis in zip(figure.subplots(1, 2, sharey=True), "xy", strict=True):
        found: dict[str, Any] | None = score.checkerboard[axis]
        axes.axhline(0, color=GREY, linewidth=0.8)
        if found is not None:
            curve, bias = found["curve"], found["bias"]
            axes.errorbar(curve["phase"], curve["mean"], curve["error"], fmt="o", markersize=3, color=BLUE, linewidth=1)
            axes.set_title(
                f"{bias['peak_to_peak']:.1f} nm from lowest to highest, p = {bias['p_value']:.1g}", fontsize=10
            )
        axes.set_xlabel(f"true {axis} within a pixel of {score.settings.pixel_nm:g} nm, as a fraction")
        _plain(axes)
    figure.axes[0].set_ylabel("mean error and its standard error, nm")
    return figure


def _by_z(score: Score) -> "Figure":
    by_z = score.against_z
    assert by_z is not None
    figure = _figure(9.4, 3.6)
    left, right = figure.subplots(1, 2)
    left.step(by_z.z, by_z.recall, where="mid", color=GREY, linewidth=1, label="in each bin")
    left.plot(by_z.z, by_z.smooth_recall, color=BLUE, label="smoothed")
    left.set_ylim(0, 1.02)
    left.set_ylabel("recall")
    if np.isfinite([by_z.low, by_z.high]).all():
        left.axvspan(by_z.low, by_z.high, color=BLUE, alpha=0.08, linewidth=0, label="above half of its largest value")
    right.plot(by_z.z, by_z.rmse_lateral, ".-", color=BLUE, label="lateral")
    right.plot(by_z.z, by_z.rmse_axial, ".-", color=ORANGE, label="axial")
    right.set_ylabel("RMSE, nm")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("z of the emitter, nm")
        axes.legend(fontsize=8, frameon=False)
        _plain(axes)
    return figure


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure
