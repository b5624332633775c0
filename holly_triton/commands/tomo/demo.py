"""``holly-triton tomo demo``: a crowded tomogram simulated, picked, evaluated and averaged."""

import sys
from pathlib import Path

import click

from ..options import SOME_PATH


@click.command()
@click.option("--quick", is_flag=True, help="A smaller tomogram, to test the installation.")
@click.option("--out", type=SOME_PATH, default=Path("tomo-demo"), show_default=True, metavar="FOLDER")
@click.option("--overwrite", is_flag=True, help="Replace the demo in an existing folder.")
def demo(quick: bool, out: Path, overwrite: bool) -> None:
    """Simulate a small crowded tomogram, pick it by the network that ships and by templates, and average one class.

    Both lists of picks are compared with the truth. Open FOLDER/demo.html afterwards.

    Example: holly-triton tomo demo --quick
    """
    from holly_triton.tomography.demo import run_demo

    sys.exit(run_demo(out, quick=quick, overwrite=overwrite))
