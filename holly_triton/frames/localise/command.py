"""The command ``frames localise``: a movie's file to a table's and a picture, with doubts about the movie in words."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import console, watched
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera, MappedCamera, ask_for_camera
from holly_triton.frames.config import SAME_PIXEL
from holly_triton.frames.preview import Kept, write_preview
from holly_triton.io.movies.movie import Movie
from holly_triton.io.movies.opening import open_movie
from holly_triton.io.tables.writing import Append, localisation_file

from . import Model, localise_blocks, read_model
from .doubts import crowded, doubts_about
from .shipped import SHIPPED, check_suits, model_path

SETTINGS = "settings.toml"
"""What ``frames simulate`` writes beside a movie."""


class Options(NamedTuple):
    """What the command line gives, beside the files."""

    camera: str | None = None
    pixel_nm: float | None = None
    threshold: float | None = None
    max_sigma_nm: float | None = None
    channel: int | None = None
    form: str | None = None
    device: str = "auto"
    polished: bool = True
    overwrite: bool = False


def localise_movie(path: Path, out: Path, given: Path | None, options: Options) -> int:
    """Localise a movie; return the exit code.

    Args:
        path: The movie.
        out: The table.
        given: File of the model, or ``default``; None where a person gave none.
        options: All else.

    Raises:
        HollyError: A file can't be read or written, or the model is of other pixels or another camera than the movie.
    """
    preview = out.with_name(f"{out.stem}-preview.png")
    for place in (out, preview):
        if place.exists() and not options.overwrite:
            raise HollyError(f"{place}: exists already; choose another name for the table, or pass --overwrite")
    movie = open_movie(path, options.channel)
    file = model_path(given, path)
    model = read_model(file, find_device(options.device))
    for note in movie.notes:
        LOG.info("%s: %s", path, note)
    pixel_nm = _check_pixel(movie, model, file, options.pixel_nm)
    camera = _camera(movie, model, options.camera)
    if file == SHIPPED:
        check_suits(model, movie, options.pixel_nm, camera)
    for sentence in doubts_about(movie, camera, model):
        LOG.warning("%s: %s", path, sentence)
    with stoppable() as stop, localisation_file(out, pixel_nm, movie.shape, form=options.form) as append:
        kept = _localise(model, movie, camera, options, stop, append)
    for sentence in crowded(kept.found, kept.frames, math.prod(movie.shape[1:]) * (pixel_nm / 1000) ** 2):
        LOG.warning("%s: %s", path, sentence)
    stopped = kept.frames < len(movie)
    counted = f"{kept.found} localisations in {f'the first {kept.frames} of ' if stopped else ''}{len(movie)} frames"
    print(f"{'Stopped. ' if stopped else ''}{out}: {counted}")
    write_preview(preview, movie, kept.table(), pixel_nm, counted=counted)
    print(f"{preview}: some of them drawn over their frames; look at it before using the table")
    return STOPPED if stopped else DONE


def _localise(model: Model, movie: Movie, camera: Camera, options: Options, stop: Stop, append: Append) -> Kept:
    """Localise block by block under a bar; the numbers of frames and of localisations, and some for a picture."""
    columns = TextColumn("localising"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"), TimeElapsedColumn()
    sizes: list[int] = []
    kept = Kept()

    def blocks() -> Iterator[tuple[int, Array]]:
        for first, adu in movie.blocks():
            if stop.asked:
                return
            sizes.append(len(adu))
            yield first, adu

    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task("localising", total=movie.shape[0])
        tables = localise_blocks(model, blocks(), camera, lowest=options.threshold, polished=options.polished)
        for index, table in enumerate(tables):
            if options.max_sigma_nm is not None:
                table = table[np.hypot(table["sigma_x"], table["sigma_y"]) <= math.sqrt(2) * options.max_sigma_nm]
            append(table)
            kept.add(sizes[index], table)
            bar.update(task, completed=kept.frames)
    return kept


def _check_pixel(movie: Movie, model: Model, model_path: Path, given_nm: float | None) -> float:
    """Side of the movie's pixels, nm; the model must be of the same."""
    trained = model.psf.pixel_nm
    pixel_nm, where = (given_nm, "--pixel-size") if given_nm is not None else movie.stated or (trained, "")
    if abs(pixel_nm / trained - 1) > SAME_PIXEL:
        raise HollyError(
            f"{movie.path}: its pixels are {pixel_nm:g} nm by {where}, and {model_path} was trained for {trained:g} nm; train a "
            "model for these pixels, or give the true size with --pixel-size"
        )
    return trained


def _camera(movie: Movie, model: Model, given: str | None) -> Camera:
    """The movie's camera: as given, as stated beside it, or the model's where that is a real one."""
    beside = movie.path.parent / SETTINGS
    if given is None and beside.is_file():
        given = str(beside)
    real = given is None and model.camera.kind != "photons"
    camera = model.camera if real else ask_for_camera(given, movie.path)
    if isinstance(camera, MappedCamera) and camera.maps.shape != movie.shape[1:]:
        raise HollyError(
            f"{movie.path}: its frames are {movie.shape[2]} x {movie.shape[1]} px, and the camera's maps "
            f"{camera.maps.shape[1]} x {camera.maps.shape[0]} px; give --camera with the maps of these pixels"
        )
    return camera
