"""The command ``frames localise``: a movie's file to a table's and a picture, with doubts about the movie in words."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import absolute, check_new
from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera, MappedCamera, ask_for_camera, stated_camera
from holly_triton.frames.config.fitting import SAME_PIXEL
from holly_triton.frames.config.localisation import STEP_PIXELS
from holly_triton.frames.preview import Kept, preview_beside
from holly_triton.frames.unfinished import Block, Job, check_none, finish, go_on, job_of, localised
from holly_triton.io.movies.movie import Movie
from holly_triton.io.movies.opening import open_movie
from holly_triton.io.tables.writing import check_name, localisation_file

from . import Model, localise_block, read_model
from .doubts import crowded, doubts_about
from .shipped import NAME, SHIPPED, check_suits, model_path


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
    check_name(out, options.form)
    if not options.overwrite:
        check_none(out)
        check_new(out, preview_beside(out))
    return _carry_out(path, out, model_path(given, path), options, None)


def resume_localising(path: Path, out: Path) -> int:
    """Continue what was stopped, with its own options; return the exit code.

    Raises:
        HollyError: There is nothing to resume, or as ``localise_movie``.
    """
    job = job_of("localise", path, out)
    return _carry_out(path, out, Path(job.made_by or NAME), Options(**job.options), job)


def _carry_out(path: Path, out: Path, file: Path, options: Options, begun: Job | None) -> int:
    movie = open_movie(path, options.channel)
    model = read_model(file, find_device(options.device))
    for note in movie.notes:
        LOG.info("%s: %s", path, note)
    pixel_nm = _check_pixel(movie, model, file, options.pixel_nm)
    camera = _camera(movie, model, options.camera)
    if file == SHIPPED:
        check_suits(model, movie, options.pixel_nm, camera)
    for sentence in doubts_about(movie, camera, model):
        LOG.warning("%s: %s", path, sentence)
    device = next(model.localiser.network.parameters()).device.type
    job = Job.of(
        "localise",
        movie,
        max(1, STEP_PIXELS[device] // math.prod(movie.shape[1:])),
        file,
        options._replace(camera=absolute(options.camera))._asdict(),
    )
    job = job if begun is None else begun.continued(path, job)
    kept = Kept()
    with localisation_file(out, pixel_nm, movie.shape, form=options.form) as append:
        around = model.localiser.settings.frames_at_once // 2
        for frames, block in localised(
            movie, out, job, _work(model, camera, options), append, resumed=begun is not None, around=around
        ):
            kept.add(frames, block.table)
    for sentence in crowded(kept.found, kept.frames, math.prod(movie.shape[1:]) * (pixel_nm / 1000) ** 2):
        LOG.warning("%s: %s", path, sentence)
    if not kept.found:
        LOG.warning(
            "%s: no emitter was found%s: are there spots in the picture? If so, check the camera and the PSF.",
            path,
            _limits(options),
        )
    if kept.frames == len(movie):
        finish(out)
    return kept.report(out, movie, pixel_nm, go_on("localise", path, out))


def _limits(options: Options) -> str:
    """Options that leave localisations out, where they were given."""
    given = {"--threshold": options.threshold, "--max-sigma": options.max_sigma_nm}
    said = " and ".join(f"{name} {value:g}" for name, value in given.items() if value is not None)
    return f" within {said}" if said else ""


def _work(model: Model, camera: Camera, options: Options) -> Callable[[int, Array], Block]:
    def work(first: int, adu: Array) -> Block:
        table = localise_block(model, first, adu, camera, lowest=options.threshold, polished=options.polished)
        if options.max_sigma_nm is not None:
            table = table[np.hypot(table["sigma_x"], table["sigma_y"]) <= math.sqrt(2) * options.max_sigma_nm]
        return Block(table)

    return work


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
    given = stated_camera(given, movie.path)
    real = given is None and model.camera.kind != "photons"
    camera = model.camera if real else ask_for_camera(given, movie.path)
    if isinstance(camera, MappedCamera) and camera.maps.shape != movie.shape[1:]:
        raise HollyError(
            f"{movie.path}: its frames are {movie.shape[2]} x {movie.shape[1]} px, and the camera's maps "
            f"{camera.maps.shape[1]} x {camera.maps.shape[0]} px; give --camera with the maps of these pixels"
        )
    return camera
