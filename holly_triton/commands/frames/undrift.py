"""``holly-triton frames undrift``: localisations without the drift of the sample."""

from pathlib import Path

import click

from holly_triton.frames.config.drift import Drifting

from ..options import CAMERA_PIXEL, SOME_PATH, of_setting, overwrite_out_option, unit_option

DEFAULT = Drifting()


@click.command()
@click.argument("localisations", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="Frames of the movie. [default: the last one with a localisation]")  # fmt: skip
@click.option("--segment", type=of_setting(Drifting, "localisations"), default=DEFAULT.localisations, show_default=True, metavar="N", help="Localisations of a segment on average; fewer follow a faster drift, with a larger error.")  # fmt: skip
@click.option("--largest", type=of_setting(Drifting, "largest_nm"), default=DEFAULT.largest_nm, show_default=True, metavar="NM", help="Largest lateral drift that is looked for.")  # fmt: skip
@unit_option
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help="Size of a camera pixel in nm.")
@click.option("--form", metavar="NAME", help="Format, where the suffix of OUT stands for several.")
@overwrite_out_option
def undrift(
    localisations: Path, out: Path, frames: int | None, segment: int, largest: float, unit: str | None,
    pixel_size: float | None, form: str | None, overwrite: bool,
) -> None:  # fmt: skip
    """Measure the drift of the sample in LOCALISATIONS, take it away, and write OUT (.csv of ThunderSTORM, .hdf5 of Picasso).

    Redundant cross-correlation (Wang et al. 2014), along x, y and z: segments of the movie are correlated in pairs. The error
    is estimated from two random halves of the localisations; axes along which the drift is within twice its error are left as
    they are. OUT-drift.png and OUT-drift.csv show the drift. Any fiducial beads may stay in the table.

    \b
    Examples:
      holly-triton frames undrift localisations.csv still.csv
      holly-triton frames undrift locs.hdf5 still.hdf5 --segment 1000
    """
    from holly_triton.frames.drift.command import undrift as take_away

    settings = Drifting(localisations=segment, largest_nm=largest)
    written = take_away(
        localisations,
        out,
        frames=frames,
        unit=unit,
        pixel_nm=pixel_size,
        form=form,
        overwrite=overwrite,
        settings=settings,
    )
    click.echo("\n".join(written.said))
    click.echo(f"See {written.picture}")
