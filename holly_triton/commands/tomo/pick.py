"""``holly-triton tomo pick``: particles in a tomogram by a trained network."""

import sys
from pathlib import Path
from typing import Any

import click

from holly_triton.tomography.config.network import Device
from holly_triton.tomography.config.picking import Cluster
from holly_triton.tomography.config.training import Contrast

from ..options import SOME_PATH, VOXEL_SIDE, Number, overwrite_out_option, words


@click.command()
@click.argument("tomogram", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--model", "model_file", type=SOME_PATH, required=True, metavar="MODEL|default", help="What tomo train has written; default: the model that ships, for the structures that tomo simulate draws by default, voxels of 16 Å.")  # fmt: skip
@click.option("--threshold", type=Number(0.01, 1), metavar="S", help="Least score of a particle of any class. [default: the model's, for each class]")  # fmt: skip
@click.option("--cluster", type=words(Cluster), default="peaks", show_default=True, help="From score maps to particles: peaks, in seconds, or the clusters of the label volume as DeepFinder finds them.")  # fmt: skip
@click.option("--scores", type=SOME_PATH, metavar="FILE", help="Also write the share of all classes together in each voxel (.mrc, .em, .h5).")  # fmt: skip
@click.option("--averaged/--not-averaged", default=True, show_default=True, help="Average the answers for the tomogram turned by 180 degrees about x, y and z; four times the work.")  # fmt: skip
@click.option("--contrast", type=words(Contrast), help="Of protein in the tomogram. [default: the model's]")
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, where the file does not state it.")  # fmt: skip
@click.option("--device", type=words(Device), default="auto", show_default=True)
@overwrite_out_option
def pick(tomogram: Path, out: Path, model_file: Path, **given: Any) -> None:
    """Pick the macromolecules in TOMOGRAM with a trained network and write them to OUT (.csv, .star, .xml, .tbl, .json).

    TOMOGRAM is .mrc, .rec, .em or .h5, of any size; it is gone through in tiles that leave no seam. Each pick has a class, a
    position in Å and a score from 0 to 1.

    \b
    Examples:
      holly-triton tomo pick tomogram.mrc picks.star --model net.pt
      holly-triton tomo pick tomogram.rec picks.csv --model net.pt --scores scores.mrc --not-averaged
    """
    from holly_triton.tomography.segment.command import Options, pick_file

    sys.exit(pick_file(tomogram, out, model_file, Options(**given)))
