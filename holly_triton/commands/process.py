"""``holly-triton process``: from a movie of camera frames, or from localisations, to a structure and one report."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

import click

from holly_triton.core.stop import DONE
from holly_triton.particles.config import FEWEST_POINTS, MOST_POINTS, Device
from holly_triton.project.config import FOLDERS, Asked

from .following import say_next
from .options import ABOVE_ZERO, CAMERA_PIXEL, SEED, SOME_PATH, Number, unit_option, words


@click.command()
@click.argument("data", type=SOME_PATH, required=False)
@click.option(
    "--out", type=SOME_PATH, metavar="PROJECT", help="Folder for all results. [default: DATA's name + -project]"
)
@click.option(
    "--beads", type=SOME_PATH, metavar="BEADS", help="Stack of beads through the focus, from which the PSF is measured."
)
@click.option("--step", type=float, metavar="NM", help="Distance of its planes in nm; negative if the first plane has the largest z.")  # fmt: skip
@click.option("--psf", type=SOME_PATH, metavar="FILE", help="A measured PSF, in place of beads.")
@click.option("--camera", metavar="CAMERA", help="Camera of the movie: photons, scmos or challenge, with changes such as scmos,offset_adu=98, or a file.")  # fmt: skip
@click.option("--pixel-size", type=CAMERA_PIXEL, metavar="NM", help="Size of a camera pixel in nm, where the files do not state it.")  # fmt: skip
@unit_option
@click.option("--model", metavar="MODEL|default", help="A trained localiser. [default: one is trained]")
@click.option("--minutes", type=ABOVE_ZERO, metavar="M", help=f"Time for the training of the localiser. [default: {Asked.minutes:g}]")  # fmt: skip
@click.option("--drift/--no-drift", default=None, help="Correct the drift of the sample where it is significant. [default: drift]")  # fmt: skip
@click.option(
    "--diameter", type=ABOVE_ZERO, metavar="NM", help="Approximate size of a particle. [default: from the data]"
)
@click.option("--points", type=click.IntRange(FEWEST_POINTS, MOST_POINTS), metavar="N", help="Points of the cloud. [default: from the data]")  # fmt: skip
@click.option("--tilt", type=Number(0, 180), metavar="DEG", help="Maximum tilt of the viewing direction; 0 for flat structures. [default: any]")  # fmt: skip
@click.option("--seed", type=SEED, metavar="I", help="Seed of every random choice. [default: 0]")
@click.option("--device", type=words(Device), help="[default: auto]")
@click.option("--resume", type=SOME_PATH, metavar="PROJECT", help="Go on with a project; with other options, what depends on them is done again.")  # fmt: skip
@click.option("--demo", is_flag=True, help="Simulate a movie, process it, and compare the results with the truth.")
@click.option("--quick", is_flag=True, default=None, help="A brief reconstruction, and a brief movie with --demo, for smoke tests.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the project in an existing folder.")
def process(
    data: Path | None, out: Path | None, resume: Path | None, demo: bool, overwrite: bool, **given: Any
) -> None:  # fmt: skip
    """Process DATA, a movie of camera frames or a table of localisations, to a structure and one report.

    The steps are the PSF, a localiser, localisations, the correction of drift, the picking of particles and the
    reconstruction; each has a folder in PROJECT. From a table of localisations the last three are done. Ctrl-C stops; --resume
    goes on, and does not repeat what is done.

    \b
    Examples:
      holly-triton process --demo
      holly-triton process movie.tif --beads beads.tif --step 50 --camera scmos,offset_adu=100 --out project
      holly-triton process localisations.csv --out project
      holly-triton process --resume project --diameter 120
    """
    options = {name: value for name, value in given.items() if value is not None}
    if demo:
        out = out or Path("process-demo")
        _end(out, _demo(out, data, resume, options, overwrite))
    from holly_triton.core.files import absolute
    from holly_triton.project.chain import resume_project, start_project

    options |= {name: absolute(str(options[name])) for name in ("beads", "psf", "camera", "model") if name in options}
    if resume is not None:
        if data or out or overwrite:
            raise click.UsageError(
                "--resume PROJECT goes on in that folder with its own data; leave out DATA, --out and --overwrite"
            )
        _end(resume, resume_project(resume, **options))
    if data is None:
        raise click.UsageError(
            "give DATA, a movie of camera frames or a table of localisations; or --demo, or --resume PROJECT"
        )
    asked = Asked(data=str(data.resolve()), **options)
    out = out or Path(f"{data.stem}-project")
    _end(out, start_project(out, asked, overwrite=overwrite))


def _end(project: Path, code: int) -> NoReturn:
    if code == DONE:
        say_next(f"holly-triton measure {quote(str(project / FOLDERS['reconstruct']))}")
    sys.exit(code)


def _demo(out: Path, data: Path | None, resume: Path | None, options: dict[str, Any], overwrite: bool) -> int:
    from holly_triton.project.demo import run_demo

    quick, minutes = bool(options.pop("quick", False)), options.pop("minutes", None)
    if data or resume or options:
        raise click.UsageError(
            "--demo simulates its own data; give it alone, or with --out, --minutes, --quick or --overwrite"
        )
    return run_demo(out, quick=quick, minutes=minutes, overwrite=overwrite)
