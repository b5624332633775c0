"""``holly-triton frames simulate``: camera frames of blinking emitters, with their truth."""

from pathlib import Path

import click

from holly_triton.frames.config.camera import CAMERAS
from holly_triton.frames.config.simulation import MovieSettings

from ..options import ABOVE_ZERO, SEED, SOME_PATH, Number, of_setting

DEFAULT = MovieSettings()


class Size(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """The size of a frame in pixels: a side, or ``WIDTHxHEIGHT``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(width, height), or a usage error."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(side.isascii() and side.isdecimal() and 0 < int(side) < 10**6 for side in sides):
            self.fail(f"{value} is neither a side nor WIDTHxHEIGHT in pixels.", param, ctx)
        return int(sides[0]), int(sides[-1])


@click.command()
@click.argument("out", type=SOME_PATH)
@click.option("--sampling", type=click.Choice(["random", "structure", "mixed"]), default=DEFAULT.sampling, show_default=True, help="Where emitters lie; mixed: half of the frames each.")  # fmt: skip
@click.option("--structure", metavar="NAME|CLOUD|RUN|TRUTH.csv", help="Structure: strands, walls or microtubules (both), a built-in structure, a cloud's file, the folder of a run of train, or a truth.csv, whose positions stay in place. [default: microtubules]")  # fmt: skip
@click.option("--orientation", type=click.Choice(["any", "upright"]), help="Of copies of a structure. [default: any, where they fit the depths]")  # fmt: skip
@click.option("--unit-nm", type=ABOVE_ZERO, metavar="NM", help="nm per unit of a cloud that states no unit. [default: 1]")  # fmt: skip
@click.option("--frames", type=click.IntRange(min=1), default=DEFAULT.frames, show_default=True, metavar="N", help="Frames.")  # fmt: skip
@click.option("--size", type=Size(), default=f"{DEFAULT.width_px}", show_default=True, metavar="PX|WIDTHxHEIGHT", help="Of a frame, pixels.")  # fmt: skip
@click.option("--density", type=of_setting(MovieSettings, "density"), metavar="PER_UM2", help=f"Nominal emitters per square micrometre of a frame: crowded as so many random ones. [default: {DEFAULT.density}]")  # fmt: skip
@click.option("--emitters", type=ABOVE_ZERO, metavar="N", help="Mean emitters of a frame, in place of --density.")
@click.option("--photons", type=ABOVE_ZERO, default=DEFAULT.photons, show_default=True, metavar="N", help="Mean photons of an emitter in a frame, as they arrive at the camera.")  # fmt: skip
@click.option("--spread", type=Number(min=0), default=DEFAULT.spread, show_default=True, metavar="S", help="Their relative standard deviation.")  # fmt: skip
@click.option("--background", type=Number(min=0), default=DEFAULT.background, show_default=True, metavar="N", help="Mean photons a pixel.")  # fmt: skip
@click.option("--background-variation", type=Number(min=0), default=DEFAULT.background_variation, show_default=True, metavar="S", help="Relative standard deviation of its smooth variation.")  # fmt: skip
@click.option("--on-time", type=ABOVE_ZERO, metavar="FRAMES", help="Let emitters blink, with this mean on-time. [default: frames are independent, emitters on for the whole of theirs]")  # fmt: skip
@click.option("--drift", type=Number(min=0), default=DEFAULT.drift, show_default=True, metavar="NM", help="Let the sample drift, to this largest lateral distance from its place in the first frame, and half of it in z; written to drift.csv.")  # fmt: skip
@click.option("--psf", type=SOME_PATH, metavar="FILE", help="PSF, from frames calibrate. [default: an astigmatic Gaussian]")  # fmt: skip
@click.option("--camera", default="photons", show_default=True, metavar="CAMERA", help=f"{', '.join(CAMERAS)}, with changes such as scmos,offset_adu=98, or a file of its settings (TOML).")  # fmt: skip
@click.option("--beads", type=click.IntRange(min=1, max=10000), metavar="N", help="Also write a stack of N beads through focus, beads.tif.")  # fmt: skip
@click.option("--step", type=ABOVE_ZERO, metavar="NM", help="Distance of the planes of the bead stack.")
@click.option(
    "--seed", type=SEED, default=0, show_default=True, metavar="I", help="The same seed gives the same bytes."
)
@click.option("--overwrite", is_flag=True, help="Replace the movie in an existing folder.")
def simulate(
    out: Path, sampling: str, structure: str | None, orientation: str | None, unit_nm: float | None, frames: int,
    size: tuple[int, int], density: float | None, emitters: float | None, photons: float, spread: float,
    background: float, background_variation: float, on_time: float | None, drift: float, psf: Path | None, camera: str,
    beads: int | None, step: float | None, seed: int, overwrite: bool,
) -> None:  # fmt: skip
    """Simulate camera frames of emitters in the folder OUT: frames.tif, truth.csv, psf.h5 and settings.toml.

    In truth.csv x is along the columns and y along the rows, in nm from the outer corner of the first pixel. A structure
    stays where it is for the whole movie.

    \b
    Examples:
      holly-triton frames simulate movie --sampling structure --density 0.4 --camera scmos
      holly-triton frames simulate pores --sampling structure --structure nuclear-pore --size 256 --on-time 1.5
      holly-triton frames simulate walk --beads 9 --step 20 --frames 2000
    """
    if density is not None and emitters is not None:
        raise click.UsageError("--density and --emitters both give the number of emitters; give one of them")
    if (beads is None) != (step is None):
        raise click.UsageError("--beads and --step go together")
    from holly_triton.frames.camera import read_camera
    from holly_triton.frames.movie import write_movie
    from holly_triton.frames.psf import default_psf, read_psf

    settings = MovieSettings(
        frames=frames, width_px=size[0], height_px=size[1], sampling=sampling, structure=structure,  # type: ignore[arg-type]
        orientation=orientation, unit_nm=unit_nm,  # type: ignore[arg-type]
        density=None if emitters is not None else density or DEFAULT.density, emitters=emitters, photons=photons,
        spread=spread, background=background, background_variation=background_variation, on_time=on_time, drift=drift, seed=seed,
    )  # fmt: skip
    model = default_psf() if psf is None else read_psf(psf)
    stack = None if beads is None or step is None else (beads, step)
    written = write_movie(out, settings, model, read_camera(camera), overwrite=overwrite, beads=stack)
    click.echo("\n".join(written.lines(out)))
