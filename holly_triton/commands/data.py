"""Commands about data: simulate, info."""

from pathlib import Path
from typing import Any

import click

from .options import SEED, SOME_PATH, Number, reading, reading_options, unit_nm_option


@click.command()
@click.argument("cloud", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--images", type=click.IntRange(min=1), default=2000, show_default=True, metavar="N", help="Pictures.")
@click.option("--scatter", type=Number(min=0), default=0.0, metavar="S", help="Scatter of the labels about their site, in the cloud's unit.")  # fmt: skip
@click.option("--missing", type=Number(0, 1), default=0.0, metavar="P", help="Probability that a site is not labelled.")  # fmt: skip
@click.option("--max-spawn", type=click.IntRange(min=1), default=1, metavar="K", help="Most fluorophores on a site.")
@click.option("--spawn-rate", type=Number(0, 1), default=1.0, metavar="R", help="Probability of each of them.")  # fmt: skip
@click.option("--shift", type=Number(min=0), default=0.0, metavar="S", help="Largest shift along x and y, in the cloud's unit.")  # fmt: skip
@click.option("--in-plane", type=click.IntRange(min=1), default=1, metavar="M", help="Copies of each picture, turned in its plane.")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="I")
@click.option("--tiff", is_flag=True, help="Write pictures (pictures.tif) in place of localisations.")
@unit_nm_option
def simulate(
    cloud: Path, out: Path, images: int, scatter: float, missing: float, max_spawn: int, spawn_rate: float,
    shift: float, in_plane: int, seed: int, tiff: bool, unit_nm: float,
) -> None:  # fmt: skip
    """Make pictures of CLOUD from random directions, as train reads them, with the truth.

    CLOUD is a file (OBJ, PLY, XYZ, CSV) or a structure that ships as a formula, in nm: cep152 and others, which an
    unknown name lists.

    \b
    Examples:
      holly-triton simulate bunny.obj bunny-data --images 2000 --scatter 0.03
      holly-triton simulate nuclear-pore pore-data --scatter 5 --missing 0.3
    """
    import torch

    from holly_triton.data.simulate import simulate as make
    from holly_triton.data.simulate import write_simulation
    from holly_triton.structures import read_structure

    structure = read_structure(cloud, unit_nm)
    simulation = make(
        structure.points, images, scatter_nm=scatter * structure.unit_nm, missing=missing, max_spawn=max_spawn,
        spawn_rate=spawn_rate, shift_nm=shift * structure.unit_nm, in_plane=in_plane,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    write_simulation(out, simulation, tiff=tiff)
    click.echo(f"{out}: {images * in_plane} pictures of {len(structure.points)} sites. Next: holly-triton train {out}")


@click.command()
@click.argument("data", type=SOME_PATH)
@reading_options
def info(data: Path, **settings: Any) -> None:
    """Say what was found in DATA: particles, emitters, size, and what was skipped and why.

    Example: holly-triton info localisations.csv
    """
    from holly_triton.data import open_dataset

    rows = open_dataset(data, **reading(settings)).summary()
    width = max(map(len, rows))
    click.echo("\n".join(f"{name:<{width}}  {value}" for name, value in {"data": str(data), **rows}.items()))
