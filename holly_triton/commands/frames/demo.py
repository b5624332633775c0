"""``holly-triton frames demo``: microtubules simulated, localised and compared with the truth."""

import sys
from pathlib import Path

import click

from ..options import SOME_PATH


@click.command()
@click.option("--quick", is_flag=True, help="Fewer frames, in some seconds, to test the installation.")
@click.option("--out", type=SOME_PATH, default=Path("frames-demo"), show_default=True, metavar="FOLDER")
@click.option("--overwrite", is_flag=True, help="Replace the demo in an existing folder.")
def demo(quick: bool, out: Path, overwrite: bool) -> None:
    """Simulate a movie of microtubules, localise it with the model that ships, and compare the result with the truth.

    Example: holly-triton frames demo --quick
    """
    from holly_triton.frames.demo import run_demo

    sys.exit(run_demo(out, quick=quick, overwrite=overwrite))
