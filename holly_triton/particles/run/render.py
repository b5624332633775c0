"""The command ``render``: pictures and movies of the structure of a run or a study."""

from pathlib import Path

import numpy as np

from holly_triton import view
from holly_triton.core.console import console
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.io.run_files import read_run_channels, read_run_cloud, read_run_points, read_spread
from holly_triton.structures import read_structure
from holly_triton.validation.alignment import align
from holly_triton.view.orientation import upright


def render_run(
    folder: Path,
    out: Path | None = None,
    truth: Path | None = None,
    unit_nm: float | None = None,
    movie: Path | None = None,
    growth: Path | None = None,
    *,
    amplitude: float | None = None,
    interactive: bool = False,
) -> list[Path]:
    """Draw the structure in the folder of a run; return the files that were written.

    A study is coloured by its spread, and two half sets are drawn side by side, unless the truth is given. With a truth the
    structure is drawn in the frame of the truth, else in its canonical orientation.

    Args:
        folder: Folder of a run or a study.
        out: A .png; by default one in the folder's ``pictures``.
        truth: A cloud's file or the name of a structure, drawn behind the result, which is rotated into its frame.
        unit_nm: nm per unit of a truth that states none; nm if not given.
        movie: A .mp4 or .gif of the rotating structure.
        growth: A .mp4 or .gif of the structure's trajectory during training.
        amplitude: Of the deformation at which the structure is drawn, in standard deviations, in the orientation of the run's cloud;
            the run's cloud if not given.
        interactive: Whether to open a window too, and wait until it is closed.

    Raises:
        HollyError: There is no cloud, or no deformation for an amplitude, a file of the folder or the truth can't be read, or a file can't be written.
    """
    points, known, spread, front = read_run_points(folder, amplitude), None, None, None
    channels = read_run_channels(folder)
    if truth is None:
        spread = read_spread(folder, len(points))
        frame, front = upright(read_run_cloud(folder))
        points = points @ frame
    else:
        given = read_structure(truth, unit_nm)
        for note in given.notes:
            console.print(note)
        known = given.points
        points = align(points, known).aligned
    halves = [folder / half for half in ("half-1", "half-2")]
    if truth is None and all((half / "cloud.ply").is_file() for half in halves):
        out = out or folder / "pictures" / "halves.png"
        first, second = (read_run_cloud(half) for half in halves)
        frame, front = upright(first)
        view.render_halves(first @ frame, align(second, first).aligned @ frame, out, front=front)
    else:
        out = out or folder / "pictures" / _name(truth, amplitude)
        view.render_cloud(points, out, truth=known, spread=spread, front=front, channels=channels)
    if movie is not None:
        view.turntable(points, movie, truth=known, spread=spread, channels=channels)
    if growth is not None:
        states, captions = _read_growth(folder / "growth.npz")
        view.growth(states @ upright(states[-1]).frame, captions, growth)
    if interactive:
        view.interactive(points, truth=known, spread=spread, channels=channels)
    return [path for path in (out, movie, growth) if path is not None]


def _name(truth: Path | None, amplitude: float | None) -> str:
    """Of the picture, so that those of several amplitudes lie side by side."""
    shown = "cloud" if truth is None else "truth"
    return f"{shown}.png" if amplitude is None else f"{shown}-amplitude{amplitude:+g}.png"


def _read_growth(path: Path) -> tuple[Array, list[str]]:
    """The trajectory of a run's cloud ``[K, N, 3]``, nm, with a caption for each state."""
    if not path.is_file():
        raise HollyError(
            f"{path}: is missing, so the trajectory can't be shown; pass the folder of one run (of a study, repeat-1 or half-1)"
        )
    with foreign(path, "the growth of a run"), np.load(path) as held:
        step, sigma, points = (held[name] for name in ("step", "sigma_nm", "points"))
        if points.ndim != 3 or points.shape[2] != 3 or not points.size or not len(points) == len(step) == len(sigma):
            raise ValueError(f"points {points.shape}, step {step.shape}, sigma_nm {sigma.shape}")
        if not np.isfinite(points).all():
            raise ValueError("NaN or infinity in its points")
        return points, [f"step {int(s)}, sigma {nm:.3g} nm" for s, nm in zip(step, sigma, strict=True)]
