"""The demonstration: a movie of microtubules is simulated, localised with the model that ships, and compared with the truth."""

import dataclasses
from pathlib import Path

import numpy as np

from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE
from holly_triton.core.types import Array
from holly_triton.io.movies.opening import open_movie

from .camera import camera_preset
from .coloured import write_comparison
from .config.shipped import DEMO
from .config.simulation import MovieSettings
from .localise.command import Options, localise_movie
from .movie import FRAMES, TRUTH, write_movie
from .psf import default_psf
from .score.figures import Score
from .score.reading import read_localisations, read_truth
from .score.report import compare

TABLE, PICTURE = "localisations.csv", "comparison.png"


def run_demo(folder: Path, *, quick: bool, overwrite: bool) -> int:
    """Simulate, localise, evaluate, and draw truth and result side by side; return the exit code.

    In the folder are the movie (``frames.tif``, ``truth.csv``), ``localisations.csv`` and ``comparison.png``.

    Raises:
        HollyError: The folder exists or can't be written.
    """
    check_free(folder, overwrite, "demo")
    frames = DEMO.quick_frames if quick else DEMO.frames
    psf = default_psf()
    LOG.info(
        "Simulating %d frames of microtubules: %g emitters in a square micrometre of each, as crowded as random ones of "
        "that density; z from %.0f to %.0f nm, encoded in the shape of the spots by a cylindrical lens.",
        frames, DEMO.density, *psf.z_range_nm,
    )  # fmt: skip
    settings = dataclasses.replace(
        MovieSettings(), frames=frames, sampling="structure", density=DEMO.density, seed=DEMO.seed
    )
    write_movie(folder, settings, psf, camera_preset("photons"), overwrite=overwrite)
    movie, table, truth = folder / FRAMES, folder / TABLE, folder / TRUTH
    code = localise_movie(movie, table, None, Options(overwrite=True))
    if code != DONE:
        return code
    score = compare(table, truth, {}).score
    _draw(folder / PICTURE, movie, table, truth, psf.z_range_nm, score)
    print(_words(score, folder))
    return DONE


def _draw(path: Path, movie: Path, table: Path, truth: Path, z_range_nm: tuple[float, float], score: Score) -> None:
    recorded = open_movie(movie)
    first, total = recorded.frame(0), np.zeros(recorded.shape[1:])
    for _, block in recorded.blocks():
        total += block.sum(axis=0, dtype=np.float64)
    tables: tuple[Array, Array] = read_truth(truth).table, read_localisations(table).table
    head = (
        f"{len(recorded)} frames; {score.main['recall']:.0%} of the emitters found, {score.main['precision']:.1%} of the "
        f"localisations right, error {score.main['rmse_lateral']:.0f} nm lateral, {score.main['rmse_axial']:.0f} nm axial"
    )
    pixel_nm = recorded.pixel_nm or default_psf().pixel_nm
    write_comparison(path, (first, total / len(recorded)), pixel_nm, tables, z_range_nm, head)


def _words(score: Score, folder: Path) -> str:
    main, counts = score.main, score.counts
    per_frame = score.emitters / max(1, len(score.per_frame.frame))
    return (
        f"Of {score.emitters} emitters away from the edges, {per_frame:.0f} in each frame, {main['recall']:.1%} were found, and {counts['false']} of "
        f"{score.localisations} localisations have no emitter within reach. The errors (RMSE) are {main['rmse_lateral']:.0f} nm "
        f"lateral and {main['rmse_axial']:.0f} nm axial; the efficiency in 3D is {main['efficiency_3d']:.2f}, where 1 is perfect.\n"
        f"Look at {folder / PICTURE}: its colour is z. In a single frame the spots overlap, and the mean of all frames is "
        "blurred; the localisations show the same filaments in the same colours as the truth. Where filaments cross or run "
        "side by side, emitters are missed, and localisations lie between them.\n"
        f"All figures: holly-triton frames evaluate {folder / TABLE} --truth {folder / TRUTH} --bound --out {folder / 'figures'}"
    )
