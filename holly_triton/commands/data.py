"""Commands about data: simulate, info, pick."""

from pathlib import Path
from shlex import quote
from typing import Any

import click

from holly_triton.particles.config import PHOTOPHYSICS

from .following import say_next
from .options import (
    ABOVE_ZERO,
    SEED,
    SOME_PATH,
    Number,
    Renamed,
    overwrite_out_option,
    reading,
    reading_options,
    spelt,
    table_options,
    unit_nm_option,
)


@click.command()
@click.argument("cloud", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option("--also", type=(SOME_PATH, Number(0, 1, min_open=True, max_open=True)), multiple=True, metavar="CLOUD2 SHARE", help="A further structure, and its share of the particles; may be repeated. All must be of one channel.")  # fmt: skip
@click.option("--images", type=click.IntRange(min=1), default=2000, show_default=True, metavar="N", help="Pictures, or particles in 3D.")  # fmt: skip
@click.option("--scatter", type=Number(min=0), default=0.0, metavar="S", help="Scatter of the labels about their site, in the cloud's unit.")  # fmt: skip
@click.option("--missing", type=Number(0, 1), default=0.0, metavar="P", help="Probability that a site is not labelled.")  # fmt: skip
@click.option("--max-spawn", type=click.IntRange(min=1), default=1, metavar="K", help="Most fluorophores on a site.")
@click.option("--spawn-rate", type=Number(0, 1), default=1.0, metavar="R", help="Probability of each of them.")  # fmt: skip
@click.option("--shift", type=Number(min=0), default=0.0, metavar="S", help="Largest shift along x and y, in the cloud's unit.")  # fmt: skip
@click.option("--stretch", type=Number(min=0), metavar="S", help="Standard deviation, over the particles, of the structure's height along its z, in the cloud's unit: each is stretched or compressed. A part moves by its share of that, each of two rings by half.")  # fmt: skip
@click.option("--in-plane", type=click.IntRange(min=1), default=1, metavar="M", help="Copies of each picture, rotated in its plane.")  # fmt: skip
@click.option(
    "--blinking",
    type=click.Choice(list(PHOTOPHYSICS)),
    help="Simulate blinking and localisation as measured for this dye.",
)
@click.option("--dimensions", type=click.IntRange(2, 3), default=2, show_default=True, metavar="2|3", help="3: localisations with z, for train as it reads 3D data.")  # fmt: skip
@click.option("--precision", type=Number(min=0), metavar="S", help="Error of each localisation along x and y, in the cloud's unit, which the table states.")  # fmt: skip
@click.option("--axial-precision", type=Number(min=0), metavar="S", help="Error along z, with --dimensions 3. [default: as --precision]")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="I")
@click.option("--tiff", is_flag=True, help="Write pictures (pictures.tif) in place of localisations.")
@unit_nm_option
@click.option("--overwrite", is_flag=True, help="Replace the simulation in an existing folder.")
def simulate(
    cloud: Path, out: Path, also: tuple[tuple[Path, float], ...], images: int, scatter: float, missing: float, max_spawn: int, spawn_rate: float,
    shift: float, stretch: float | None, in_plane: int, blinking: str | None, dimensions: int, precision: float | None,
    axial_precision: float | None, seed: int, tiff: bool, unit_nm: float | None, overwrite: bool,
) -> None:  # fmt: skip
    """Simulate particles of CLOUD in random orientations, in files that train reads, together with the truth.

    CLOUD is a file (OBJ, PLY, XYZ, CSV, CloudCompare's text) or the name of a built-in structure, in nm, such as cep152;
    an unknown name prints the list. A column channel (in CSV or PLY) gives the localisations of each site their channel.

    \b
    Examples:
      holly-triton simulate bunny.obj bunny-data --unit-nm 297 --images 2000 --scatter 0.03
      holly-triton simulate nuclear-pore pore-data --scatter 5 --missing 0.3 --blinking alexa647
      holly-triton simulate nuclear-pore pores-3d --dimensions 3 --missing 0.4 --precision 5 --axial-precision 12
      holly-triton simulate nuclear-pore mixed --also torus 0.4 --dimensions 3 --precision 5
      holly-triton simulate nuclear-pore stretched --stretch 8 --dimensions 3 --precision 5
    """
    if axial_precision is not None and (dimensions == 2 or precision is None):
        raise click.UsageError("--axial-precision goes with --dimensions 3 and --precision")
    if stretch and dimensions == 2:
        raise click.UsageError("--stretch goes with --dimensions 3: a deformation is found only in 3D localisations")
    if tiff and dimensions == 3:
        raise click.UsageError("--tiff writes projections; leave it or --dimensions 3 out")
    import torch

    from holly_triton.core.errors import HollyError
    from holly_triton.core.folder import check_free
    from holly_triton.core.words import counted, enumerated
    from holly_triton.particles.run.enough import enough_to_classify, enough_to_deform, enough_to_train
    from holly_triton.particles.simulate import Precision
    from holly_triton.particles.simulate import simulate as make
    from holly_triton.particles.simulated_files import write_simulation
    from holly_triton.particles.simulated_mixture import mixed, shares_of_images
    from holly_triton.particles.simulated_stretch import draw_stretch
    from holly_triton.structures import read_structure

    check_free(out, overwrite, "simulation")
    structures = [read_structure(one, unit_nm) for one in (cloud, *(other for other, _ in also))]
    structure = structures[0]
    for note in dict.fromkeys(note for one in structures for note in one.notes):
        click.echo(note, err=True)
    error = None
    if precision is not None:
        axial = precision if axial_precision is None else axial_precision
        error = Precision(precision * structure.unit_nm, axial * structure.unit_nm)
    if also and any(one.channels is not None for one in structures):
        raise HollyError("--also: is for structures of one channel; leave it out, or the channels of the clouds")
    generator = torch.Generator().manual_seed(seed)
    parts = [
        make(
            one.points, count, precision=error, dimensions=dimensions, channels=one.channels, scatter_nm=scatter * structure.unit_nm, missing=missing, max_spawn=max_spawn,
            spawn_rate=spawn_rate, shift_nm=shift * structure.unit_nm, in_plane=in_plane,
            photophysics=PHOTOPHYSICS[blinking] if blinking else None, generator=generator,
            stretch=draw_stretch(one.points, count, stretch * structure.unit_nm, generator) if stretch else None,
        )
        for one, count in zip(structures, shares_of_images(images, [share for _, share in also]), strict=True)
    ]  # fmt: skip
    if not sum(len(part.positions) for part in parts):
        raise HollyError(
            f"{out}: nothing is labelled in any of {counted(images, 'picture')}; lower --missing, or give more --images"
        )
    write_simulation(out, parts[0] if not also else mixed(parts, generator, in_plane), tiff=tiff)
    sites = enumerated([counted(len(one.points), "site") for one in structures])
    kind, several = (
        (f"{noun} of 3D localisations" for noun in ("particle", "particles"))
        if dimensions == 3
        else ("picture", "pictures")
    )
    click.echo(f"{out}: {counted(images * in_plane, kind, several)} of {sites}")
    particles = sum(int((part.offsets.diff() > 0).sum()) for part in parts)
    if not enough_to_train(particles):
        say_next(f"holly-triton info {quote(str(out))}")
        return
    mixture = ""
    if also and dimensions == 3 and enough_to_classify(particles, len(structures)):
        mixture = f" --structures {len(structures)}"
    elif stretch and not also and enough_to_deform(particles, 0.1):
        mixture = " --deformation --held-out 0.1"
    say_next(f"holly-triton train {quote(str(out))}{mixture}")


@click.command()
@click.argument("data", type=SOME_PATH)
@reading_options
def info(data: Path, **settings: Any) -> None:
    """Summarise DATA: particles, emitters, size, and what was skipped and why; or frames and pixels of a movie.

    A stack of pictures is a movie of camera frames if its pixels are 50 nm or more.

    Example: holly-triton info localisations.csv
    """
    from holly_triton.io.movies.summary import movie_summary
    from holly_triton.io.tables.reading import unused_options
    from holly_triton.particles.data.table import NOT_MARKED
    from holly_triton.particles.info import classified_into, describe

    channel = settings["channel"]
    number = int(channel) if channel and channel.isdecimal() else None
    movie = movie_summary(data, settings["pixel_size"], number)
    rows = movie or describe(data, **reading(settings))
    width = max(map(len, rows))
    click.echo("\n".join(f"{name:<{width}}  {value}" for name, value in {"data": str(data), **rows}.items()))
    unused = (
        unused_options(rows.get("notes", "")) if data.is_file() else set()
    )  # of a folder, other files may need them
    used = {name: value for name, value in settings.items() if name not in unused}
    if movie:
        known = spelt({"pixel_size": used["pixel_size"], "channel": number})
        say_next(f"holly-triton frames localise {quote(str(data))} localisations.csv --model MODEL{known}")
    elif str(rows.get("can be trained on")).startswith("yes"):  # else that line says what to do
        classes = f" --structures {structures}" if (structures := classified_into(rows)) > 1 else ""
        say_next(f"holly-triton train {quote(str(data))}{classes}{spelt(used)}")
    elif rows.get("particles") == NOT_MARKED:
        kept = {name: value for name, value in used.items() if name in {option.name for option in pick.params}}
        say_next(f"holly-triton pick {quote(str(data))} particles.hdf5{spelt(kept)}")


@click.command()
@click.argument("localisations", type=SOME_PATH)
@click.argument("out", type=SOME_PATH)
@click.option(
    "--diameter", type=ABOVE_ZERO, metavar="NM", help="Approximate size of a particle. [default: from the data]"
)
@click.option(
    "--min-diameter",
    "--smallest",
    "smallest",
    cls=Renamed,
    type=ABOVE_ZERO,
    metavar="NM",
    help="[default: 0.6 of the diameter]",
)
@click.option(
    "--max-diameter",
    "--largest",
    "largest",
    cls=Renamed,
    type=ABOVE_ZERO,
    metavar="NM",
    help="[default: 1.5 of the diameter]",
)
@click.option(
    "--min-localisations",
    "--fewest",
    "fewest",
    cls=Renamed,
    type=click.IntRange(min=1),
    metavar="N",
    help="Of a particle. [default: a third of the median]",
)
@click.option(
    "--max-localisations",
    "--most",
    "most",
    cls=Renamed,
    type=click.IntRange(min=1),
    metavar="N",
    help="Of a particle. [default: thrice the median]",
)
@click.option(
    "--roundness",
    type=Number(0, 1),
    default=0.0,
    show_default=True,
    metavar="R",
    help="Smallest ratio of short to long axis. Side views are elongated, and are needed.",
)
@overwrite_out_option
@table_options
def pick(
    localisations: Path, out: Path, diameter: float | None, smallest: float | None, largest: float | None,
    fewest: int | None, most: int | None, roundness: float, overwrite: bool, **settings: Any,
) -> None:  # fmt: skip
    """Find the particles in a whole field of view of LOCALISATIONS and write them to OUT (.hdf5, in Picasso's format).

    LOCALISATIONS may be a folder of fields; the particles of all of them are written to OUT. OUT_overview.png shows their
    positions, OUT_gallery.png their appearance and the rejected candidates; OUT_particles.csv lists them by field.
    Fiducial beads are excluded.

    Example: holly-triton pick field.csv particles.hdf5 --diameter 120
    """
    from holly_triton.core.files import check_new
    from holly_triton.io.tables.reading import Reading
    from holly_triton.particles.picking.pick import PickSettings
    from holly_triton.particles.picking.pick import pick as find
    from holly_triton.particles.run.enough import enough_to_train

    if not overwrite:
        check_new(out)
    picked = find(
        localisations, out, Reading(**reading(settings)),
        PickSettings(diameter, smallest, largest, fewest, most, roundness),
    )  # fmt: skip
    click.echo("\n".join(picked.said))
    click.echo(f"See {picked.overview} and {picked.gallery}")
    say_next(f"holly-triton {'train' if enough_to_train(picked.particles) else 'info'} {quote(str(out))}")
