"""The command ``frames fit``: a movie's file to a table's, block by block."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import absolute, check_new
from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera, ask_for_camera, stated_camera
from holly_triton.frames.config.fitting import CROWDED_SHARE, FIT_PIXELS, SAME_PIXEL, Fitting
from holly_triton.frames.likeness import Ranges, compare, look_at, widths_of
from holly_triton.frames.localisations import KIND
from holly_triton.frames.preview import Kept
from holly_triton.frames.psf import GaussianPsf, Psf, read_psf
from holly_triton.frames.unfinished import Block, Job, check_none, finish, go_on, job_of, localised
from holly_triton.io.movies.movie import Movie
from holly_triton.io.movies.opening import open_movie
from holly_triton.io.tables.writing import check_name, localisation_file

from .frames import fit_frames, scale_of
from .round import RoundPsf


class Options(NamedTuple):
    """What the command line gives, beside the files and the settings."""

    psf: Path | None
    width_nm: float | None
    camera: str | None
    pixel_nm: float | None
    channel: int | None
    form: str | None
    overwrite: bool


class Summary(NamedTuple):
    """What became of the candidates of a movie."""

    kept: Kept
    """Frames that were fitted and localisations in them, and some of these for a picture."""
    unlike: int
    uncertain: int
    sigma_nm: tuple[float, float]
    """Median lateral and axial standard deviations, nm."""

    def lines(self) -> list[str]:
        """Sentences for the person who asked for the fit."""
        lateral, axial = self.sigma_nm
        said = []
        if math.isfinite(lateral):
            z = f", {axial:.1f} nm in z" if math.isfinite(axial) else ""
            said.append(f"Standard deviations by the Cramér-Rao bound, median: {lateral:.1f} nm along x and y{z}")
        said.append(
            f"Left out: {self.unlike} spots that one emitter does not explain (--max-misfit), {self.uncertain} of larger "
            "standard deviations (--max-sigma)"
        )
        return said


def fit_movie(path: Path, out: Path, settings: Fitting, options: Options) -> int:
    """Localise a movie by maximum likelihood; return the exit code.

    Raises:
        HollyError: A file can't be read or written; no camera is known; the PSF is of other pixels than the movie or has no
            astigmatism; or frames are smaller than a region.
    """
    check_name(out, options.form)
    if not options.overwrite:
        check_none(out)
        check_new(out)
    return _carry_out(path, out, settings, options, None)


def resume_fitting(path: Path, out: Path) -> int:
    """Continue what was stopped, with its own options; return the exit code.

    Raises:
        HollyError: There is nothing to resume, or as ``fit_movie``.
    """
    job = job_of("fit", path, out)
    given = dict(job.options)
    settings = Fitting.of(given.pop("settings"), str(path))
    psf = None if job.made_by is None else Path(job.made_by)
    return _carry_out(path, out, settings, Options(psf=psf, **given), job)


def _carry_out(path: Path, out: Path, settings: Fitting, options: Options, begun: Job | None) -> int:
    movie = open_movie(path, options.channel)
    for note in movie.notes:
        LOG.info("%s: %s", path, note)
    psf = _psf(movie, options)
    camera = _camera(movie, options.camera)
    region = scale_of(psf, settings.region_px).region_px
    if min(movie.shape[1:]) < region:
        height, width = movie.shape[1:]
        raise HollyError(
            f"{path}: has frames of {width} x {height} px; the region about an emitter has {region} x {region}; give frames "
            "that are not cropped so far, or a smaller --region"
        )
    _doubt(movie, psf, camera)
    given = options._replace(camera=absolute(options.camera))._asdict() | {"settings": settings.table()}
    job = Job.of("fit", movie, max(1, FIT_PIXELS // math.prod(movie.shape[1:])), given.pop("psf"), given)
    job = job if begun is None else begun.continued(path, job)
    summary = _fit(movie, out, psf, camera, settings, options.form, job, resumed=begun is not None)
    kept = summary.kept
    if summary.unlike > CROWDED_SHARE * (kept.found + summary.unlike):
        LOG.warning(
            "%s: one emitter does not explain most of the spots: either emitters overlap, and a fit of single ones is not the "
            "method for this movie (frames train and frames localise are), or the PSF or the camera are of another microscope.",
            path,
        )
    elif not kept.found:
        LOG.warning(
            "%s: no emitter was found: are there spots in the picture? If so, check the camera and the PSF.", path
        )
    if kept.frames == len(movie):
        finish(out)
    return kept.report(out, movie, psf.pixel_nm, go_on("fit", path, out), summary.lines())


def _fit(
    movie: Movie, out: Path, psf: Psf, camera: Camera, settings: Fitting, form: str | None, job: Job, *, resumed: bool
) -> Summary:  # fmt: skip
    kept, unlike, uncertain = Kept(), 0, 0
    sigmas: list[Array] = []

    def work(first: int, adu: Array) -> Block:
        photons = camera.photons(torch.from_numpy(np.asarray(adu, np.float32)))
        found = fit_frames(photons, psf, camera, settings, first=first + 1)
        return Block(found.table, (found.unlike, found.uncertain))

    with localisation_file(out, psf.pixel_nm, movie.shape, form=form, flat=isinstance(psf, RoundPsf)) as append:
        for frames, (table, left_out) in localised(movie, out, job, work, append, resumed=resumed):
            kept.add(frames, table[list(KIND.names or ())].astype(KIND))
            unlike, uncertain = unlike + left_out[0], uncertain + left_out[1]
            if len(table):
                lateral = np.hypot(table["sigma_x"], table["sigma_y"]) / math.sqrt(2)
                sigmas.append(np.array([np.median(lateral), np.median(table["sigma_z"])]))
    lateral, axial = np.median(sigmas, axis=0).tolist() if sigmas else (math.nan, math.nan)
    return Summary(kept, unlike, uncertain, (lateral, axial))


def _psf(movie: Movie, options: Options) -> Psf:
    """The PSF, whose pixels must be the movie's."""
    if options.psf is None or options.width_nm is not None:
        if options.width_nm is None or options.psf is not None:
            raise HollyError(
                f"{movie.path}: needs either --psf FILE, from frames calibrate, for a movie in 3D, or --width NM, the standard "
                "deviation of a spot in focus, for a movie in 2D"
            )
        pixel_nm = options.pixel_nm or movie.pixel_nm
        if pixel_nm is None:
            raise HollyError(f"{movie.path}: does not state its pixel size; give it with --pixel-size NM")
        return RoundPsf(options.width_nm, pixel_nm)
    psf = read_psf(options.psf, pixel_nm=options.pixel_nm or movie.pixel_nm)
    pixel_nm, where = (options.pixel_nm, "--pixel-size") if options.pixel_nm else movie.stated or (psf.pixel_nm, "")
    if abs(pixel_nm / psf.pixel_nm - 1) > SAME_PIXEL:
        raise HollyError(
            f"{movie.path}: its pixels are {pixel_nm:g} nm by {where}, and {options.psf} is for {psf.pixel_nm:g} nm; calibrate "
            "for these pixels, or give the true size with --pixel-size"
        )
    if isinstance(psf, GaussianPsf) and psf.x == psf.y:
        raise HollyError(
            f"{options.psf}: has no astigmatism: above and below the focus it is alike, so that z can't be found; give --width "
            f"{psf.x.sigma0_nm:.0f} in its place for a fit in 2D"
        )
    return psf


def _camera(movie: Movie, given: str | None) -> Camera:
    """As given, or as stated beside a simulated movie."""
    return ask_for_camera(stated_camera(given, movie.path), movie.path).seeing(1, movie.shape[1:], torch.Generator())


def _doubt(movie: Movie, psf: Psf, camera: Camera) -> None:
    """Warn where the movie does not look like what the camera and the PSF would give."""
    widths = (0.0, math.inf) if isinstance(psf, RoundPsf) else widths_of(psf)
    for sentence in compare(look_at(movie, camera), Ranges((0.0, math.inf), widths, psf.pixel_nm)):
        LOG.warning("%s: %s", movie.path, sentence)
