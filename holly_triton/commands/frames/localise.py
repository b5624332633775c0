"""``holly-triton frames localise``: localisations in a movie by a trained network."""

import sys
from pathlib import Path

import click

from holly_triton.frames.config.network import Device

from ..options import ABOVE_ZERO, CAMERA_PIXEL, SOME_PATH, Number, given_options, overwrite_out_option, words


@click.command()
@click.argument("movie", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--model", type=SOME_PATH, metavar="MODEL|default", help="What frames train has written; default: the model that ships, for the default PSF of frames simulate and pixels of 100 nm. [default: default, for a movie of frames simulate]")  # fmt: skip
@click.option("--camera", metavar="CAMERA", help="Camera of the movie: scmos or challenge, with changes such as scmos,offset_adu=98, or a file. [default: from settings.toml beside MOVIE, else the model's]")  # fmt: skip
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help="Size of a camera pixel in nm. [default: from the file, else the model's]")  # fmt: skip
@click.option("--threshold", type=Number(0.1, 1), metavar="P", help="Least probability of a localisation. [default: the model's]")  # fmt: skip
@click.option("--max-sigma", type=ABOVE_ZERO, metavar="NM", help="Leave out localisations with a larger lateral standard deviation.")  # fmt: skip
@click.option("--channel", type=click.IntRange(min=1), metavar="N", help="Channel to read, where there are several.")
@click.option("--form", metavar="NAME", help="Format, where the suffix of OUT stands for several.")
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--polish/--no-polish", "polished", default=True, show_default=True, help="Fit isolated emitters, by maximum likelihood.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue what was stopped, with its own options.")
@overwrite_out_option
@click.pass_context
def localise(
    ctx: click.Context, /, movie: Path, out: Path, model: Path | None, camera: str | None, pixel_size: float | None, threshold: float | None,
    max_sigma: float | None, channel: int | None, form: str | None, device: str, polished: bool, resume: bool,
    overwrite: bool,
) -> None:  # fmt: skip
    """Localise the emitters in MOVIE in 3D and write them to OUT (.csv of ThunderSTORM, .hdf5 of Picasso).

    MOVIE is a TIFF, an OME-TIFF, a folder of TIFFs, .dax or .raw, of any length. Each localisation has a probability and a
    standard deviation along x, y and z. Ctrl-C saves what was found so far; --resume continues.

    \b
    Examples:
      holly-triton frames localise movie.tif localisations.csv --model net.pt
      holly-triton frames localise movie.tif localisations.hdf5 --model net.pt --camera scmos,offset_adu=100
      holly-triton frames localise movie.tif localisations.csv --resume
    """
    if resume and given_options(ctx):
        raise click.UsageError("--resume continues with the options of what was stopped; give it alone")
    from holly_triton.frames.localise.command import Options, localise_movie, resume_localising

    if resume:
        sys.exit(resume_localising(movie, out))
    options = Options(camera, pixel_size, threshold, max_sigma, channel, form, device, polished, overwrite)
    sys.exit(localise_movie(movie, out, model, options))
