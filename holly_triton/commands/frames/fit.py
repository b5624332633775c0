"""``holly-triton frames fit``: localisations in a movie by maximum likelihood."""

import sys
from pathlib import Path

import click

from holly_triton.frames.config.fitting import Fitting

from ..options import ABOVE_ZERO, CAMERA_PIXEL, SOME_PATH, given_options, overwrite_out_option

DEFAULT = Fitting()


@click.command()
@click.argument("movie", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--psf", type=SOME_PATH, metavar="FILE", help="PSF with astigmatism, for a movie in 3D: from frames calibrate, or of SMAP, Picasso or ThunderSTORM.")  # fmt: skip
@click.option("--width", type=ABOVE_ZERO, metavar="NM", help="In place of --psf for a movie in 2D: standard deviation of a spot in focus, such as 130.")  # fmt: skip
@click.option("--camera", metavar="CAMERA", help="Camera of the movie: scmos or challenge, with changes such as scmos,offset_adu=98, or a file. [default: from settings.toml beside MOVIE]")  # fmt: skip
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help="Size of a camera pixel in nm. [default: from the file, else the PSF's]")  # fmt: skip
@click.option("--threshold", type=ABOVE_ZERO, default=DEFAULT.threshold, show_default=True, metavar="T", help="Least height of a spot, in standard deviations of the noise after a band-pass.")  # fmt: skip
@click.option("--max-misfit", type=ABOVE_ZERO, default=DEFAULT.max_misfit, show_default=True, metavar="M", help="Leave out spots with a larger log-likelihood ratio (deviance per degree of freedom); 1 is a perfect fit.")  # fmt: skip
@click.option("--max-sigma", type=ABOVE_ZERO, default=DEFAULT.max_sigma_nm, show_default=True, metavar="NM", help="Leave out localisations with a larger lateral standard deviation.")  # fmt: skip
@click.option("--region", type=click.IntRange(5, 127), metavar="PX", help="Side of the region about an emitter, odd. [default: from the PSF]")  # fmt: skip
@click.option("--passes", type=click.IntRange(1, 9), default=DEFAULT.passes, show_default=True, metavar="N", help="Times that spots are sought; after the first, in what is left over. 1 is faster.")  # fmt: skip
@click.option("--channel", type=click.IntRange(min=1), metavar="N", help="Channel to read, where there are several.")
@click.option("--form", metavar="NAME", help="Format, where the suffix of OUT stands for several.")
@click.option("--resume", is_flag=True, help="Continue what was stopped, with its own options.")
@overwrite_out_option
@click.pass_context
def fit(
    ctx: click.Context, /, movie: Path, out: Path, psf: Path | None, width: float | None, camera: str | None, pixel_size: float | None,
    threshold: float, max_misfit: float, max_sigma: float, region: int | None, passes: int, channel: int | None,
    form: str | None, resume: bool, overwrite: bool,
) -> None:  # fmt: skip
    """Localise the emitters in MOVIE by maximum likelihood and write them to OUT (.csv of ThunderSTORM, .hdf5 of Picasso).

    This is the classical method, for emitters that seldom overlap: each local maximum is fitted with the PSF. In 3D the PSF is
    astigmatic; in 2D a round Gaussian is fitted, of which the table then has the width in the place of z. Standard deviations
    are those of the Cramér-Rao bound. Ctrl-C saves what was found so far; --resume continues.

    \b
    Examples:
      holly-triton frames fit movie.tif localisations.csv --psf psf.h5 --camera scmos,offset_adu=100
      holly-triton frames fit movie.tif localisations.hdf5 --width 130 --pixel-size 100 --camera challenge
      holly-triton frames fit movie.tif localisations.hdf5 --resume
    """
    if resume and given_options(ctx):
        raise click.UsageError("--resume continues with the options of what was stopped; give it alone")
    if region is not None and region % 2 == 0:
        raise click.BadParameter(f"{region} is even; a region has a pixel in its middle.", param_hint="--region")
    from holly_triton.frames.fit.command import Options, fit_movie, resume_fitting

    if resume:
        sys.exit(resume_fitting(movie, out))
    settings = Fitting(
        threshold=threshold, region_px=region, max_misfit=max_misfit, max_sigma_nm=max_sigma, passes=passes
    )
    sys.exit(fit_movie(movie, out, settings, Options(psf, width, camera, pixel_size, channel, form, overwrite)))
