"""``holly-triton tomo info``: what is in a volume, a particle list or an atomic model."""

from pathlib import Path
from shlex import quote

import click

from ..following import say_next
from ..options import SOME_PATH, VOXEL_SIDE, spelt


@click.command()
@click.argument("file", type=SOME_PATH)
@click.option("--voxel-size", type=VOXEL_SIDE, metavar="A", help="Side of a voxel in Å, where FILE does not state it or states a wrong one.")  # fmt: skip
@click.option("--picks", type=SOME_PATH, metavar="LIST", help="Also count how many particles of LIST lie in the volume FILE.")  # fmt: skip
def info(file: Path, voxel_size: float | None, picks: Path | None) -> None:
    """Say in one screen what is in FILE: a volume, a list of particles or an atomic model.

    Of a volume: size, voxel, values, whether it is a mask or labels, where the missing wedge lies and how far the tilts
    reach, and whether particles are dark or bright; what the data do not decide is left open. Of a list: classes, unit,
    rotations and extent.

    \b
    Examples:
      holly-triton tomo info tomogram.mrc --picks picks.star
      holly-triton tomo info object_list.xml --voxel-size 10
    """
    from holly_triton.io.particle_lists.reading import is_list
    from holly_triton.tomography.inspection.command import describe

    rows = describe(file, voxel_size=voxel_size, picks=picks)
    width = max(len(name) for name, _ in rows)
    click.echo("\n".join(f"{name:<{width}}  {said}" for name, said in rows))
    content, known = dict(rows).get("content"), spelt({"voxel_size": voxel_size})
    if content == "density":  # not labels or a mask, in which there is nothing to pick
        say_next(f"holly-triton tomo pick {quote(str(file))} picks.star --model MODEL{known}")
    elif content is None and is_list(file):  # .em is of volumes and of motive lists
        say_next(f"holly-triton tomo render TOMOGRAM {quote(str(file))} picks.html{known}")
