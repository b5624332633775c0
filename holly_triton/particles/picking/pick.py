"""Picking of particles in a whole field of localisations: clusters of the right size and count, each cut out by a circle."""

import csv
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.progress import following, in_parts
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of
from holly_triton.io.places import Misplaced, misplaced_words
from holly_triton.io.tables.fields import side_by_side
from holly_triton.io.tables.picasso import write_picasso
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Rows, channels_of, places_among
from holly_triton.io.tables.table import read_folder, read_rows
from holly_triton.particles.data.localisations import LARGEST as FARTHEST_NM
from holly_triton.view.gallery import draw_field

from .candidates import Candidates
from .fiducials import OCCUPANCY, find_fiducials
from .gallery import draw_gallery
from .segmentation import FEWEST_NEAR, find_clusters, measure, typical_diameter

# Defaults of the filters.
SMALLEST, LARGEST = 0.6, 1.5
"""Bounds on the diameter of a candidate, as multiples of the typical diameter."""
COUNT_FACTOR = 3.0
"""Largest factor between a candidate's count of localisations and the median count of candidates of the right size."""

CIRCLE = 1.3
"""Diameter of the circle that is cut out, as a multiple of that of a particle: it holds all of the particle, and little of
its neighbours."""
PIXEL_NM = 100.0
"""Picasso requires positions in camera pixels. Where their size is not known, any value may be used."""

OPTIONS = {
    "diameter": "--diameter", "smallest": "--min-diameter", "largest": "--max-diameter",
    "fewest": "--min-localisations", "most": "--max-localisations",
}  # fmt: skip
"""Options of the settings that must be above 0, by attribute."""


@dataclass(frozen=True)
class PickSettings:
    """Properties of the particles to find; None follows from the data.

    Attributes:
        diameter: Approximate diameter of a particle, nm.
        smallest: Least diameter of a candidate, nm.
        largest: Greatest diameter, nm.
        fewest: Least number of localisations.
        most: Greatest number.
        roundness: Least ratio of a candidate's short to its long axis, 0 to 1. By default no candidate is too elongated:
            flat particles are elongated in side views, which a 3D reconstruction needs.

    Raises:
        HollyError: A value is out of its range, or the bounds exclude every candidate.
    """

    diameter: float | None = None
    smallest: float | None = None
    largest: float | None = None
    fewest: int | None = None
    most: int | None = None
    roundness: float = 0.0

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise HollyError(f"{option} {value:g}: must be above 0")
        for low, high in (("smallest", "largest"), ("fewest", "most")):
            least, greatest = getattr(self, low), getattr(self, high)
            if least is not None and greatest is not None and least > greatest:
                raise HollyError(
                    f"{OPTIONS[low]} {least:g}: is above {OPTIONS[high]} {greatest:g}, which excludes every candidate"
                )
        if not 0 <= self.roundness < 1:
            raise HollyError(f"--roundness {self.roundness:g}: must be from 0, which keeps all, to below 1, a circle")


@dataclass(frozen=True)
class Picked:
    """Result of ``pick``: the files of the data set, its table of particles and two drawings, the counts, and sentences."""

    path: Path
    table: Path
    gallery: Path
    overview: Path
    particles: int
    localisations: int
    said: list[str]


def pick(path: Path, out: Path, reading: Reading, settings: PickSettings) -> Picked:
    """Find the particles of a field, write them as Picasso does, and draw them.

    Every localisation in a particle's circle is written, not the cluster's alone: a cluster leaves out the sparse parts
    of a particle, and its edge follows the density, which would bias the structure. The background within the circle is
    included, and is uniform.

    Args:
        path: A file of localisations, or a folder of such fields of view.
        out: Ends in .hdf5. Beside it ``<out>_particles.csv`` lists the particles, each named field/number, and
            ``<out>_gallery.png`` and ``<out>_overview.png`` are drawn.
        reading: What the file may not state itself.
        settings: Properties of the particles to find.

    Raises:
        HollyError: The field can't be read or holds no particle, or a file can't be written.
    """
    if out.suffix.lower() != ".hdf5":
        raise HollyError(f"{out}: the name must end in .hdf5, the format that Picasso reads too")
    if out.resolve() == path.resolve():
        raise HollyError(f"{out}: is the field itself; choose another name")
    with in_parts(4) as begin:
        return _pick(path, out, reading, settings, begin)


def _pick(path: Path, out: Path, reading: Reading, settings: PickSettings, begin: Callable[[str], None]) -> Picked:
    begin(f"reading {path}")
    files = read_folder(path, reading) if path.is_dir() else [read_rows(path, reading)]
    read = side_by_side(path, files) if path.is_dir() else files[0]
    field = read.whole()
    lost = Misplaced(FARTHEST_NM, " nm")
    finite = np.flatnonzero(lost.usable(field.xyz))
    numbered = len(files) == 1 and read.complete
    notes = [*read.said, *misplaced_words([lost], len(field.xyz), "localisation", "dropped", numbered=numbered)]
    if len(finite) < FEWEST_NEAR:
        raise HollyError(f"{path}: holds {counted(len(finite), 'localisation')}; give a whole field")
    xy = field.xyz[finite, :2]
    begin(f"finding particles among {counted(len(xy), 'localisation')}")
    try:
        found = find_particles(xy, settings, _rows(field.frame, finite))
        if not found.picked.any():
            raise HollyError(
                f"no particle was found. {' '.join(found.said)} Give the size of the particles with --diameter NM"
            )
    except HollyError as error:
        marked = any("particle" in file.roles for file in files)
        train = (
            ". Its particles are marked already, so that they need no picking: holly-triton train reads it"
            if marked
            else ""
        )
        raise HollyError(f"{path}: {error}{train}") from None
    taken = np.flatnonzero(found.group >= 0)
    taken = taken[np.argsort(found.group[taken], kind="stable")]
    rows = finite[taken]
    begin(f"writing {counted(int(found.picked.sum()), 'particle')}")
    channels = channels_of(files)
    further = {"lpz": _rows(field.precision_z, rows)}
    info: dict[str, object] = {"Picked from": path.name, "Diameter of the circles (nm)": found.circle_nm}
    if len(channels) > 1 and field.channel is not None:
        place = field.channel[rows] if path.is_dir() else places_among(channels, files[0])(field.channel[rows])
        further["channel"], numbers = _numbered(channels, place)
        notes.append(f"The channels are numbered in {out}: {numbers}.")
        info["Channels"] = [*channels]
    write_picasso(
        out, field.xyz[rows], pixel_nm=reading.pixel_size_nm or PIXEL_NM, group=found.group[taken],
        photons=_rows(field.photons, rows), precision_nm=_rows(field.precision, rows), frame=_from_zero(field.frame, files, rows),
        further=further, info=info,
    )  # fmt: skip
    table = out.with_name(f"{out.stem}_particles.csv")
    _write_particles(table, files, finite, xy, found)
    begin("drawing the particles and the field")
    gallery, overview = (out.with_name(f"{out.stem}_{drawing}.png") for drawing in ("gallery", "overview"))
    draw_gallery(gallery, xy, found)
    draw_field(overview, xy, found.centre, np.where(found.picked, found.circle_nm, found.diameter), found.picked)
    return Picked(out, table, gallery, overview, int(found.picked.sum()), len(rows), [*notes, *found.said])


def _from_zero(frame: Array | None, files: Sequence[Rows], rows: Array) -> Array | None:
    """The frames of some localisations ``[E]`` as Picasso counts them, from 0; None where they are not known."""
    if frame is None:
        return None
    counted = all(file.from_zero for file in files) or np.nanmin(frame) < 1
    return frame[rows] if counted else frame[rows] - 1


def _numbered(channels: Sequence[str], place: Array) -> tuple[Array, str]:
    """The number of each localisation's channel ``[E]``, NaN for none, and what each number stands for.

    Columns of Picasso are numbers: where the names are, they are kept.
    """
    numbers = np.arange(1.0, len(channels) + 1)
    with suppress(ValueError):
        numbers = np.array([float(name) for name in channels])
    listed = ", ".join(f"{number:g} is {name}" for number, name in zip(numbers, channels, strict=True))
    return np.append(numbers, np.nan)[np.where(np.isfinite(place), place, len(channels)).astype(np.int64)], listed


def find_particles(xy: Array, settings: PickSettings, frame: Array | None = None) -> Candidates:
    """Clusters of a field ``[E, 2]`` in nm, those that pass the filters, and the localisations in their circles.

    Fiducial beads, which are not particles and would distort the estimated size of the particles, are found first; the
    frames ``[E]`` are used too where they are known.
    """
    beads = find_fiducials(xy, frame)
    free = np.flatnonzero(~beads.aside)
    if len(free) < FEWEST_NEAR:
        raise HollyError(
            "the field holds only fiducial beads: nearly all localisations lie in a few points; give a field with particles"
        )
    diameter = settings.diameter or typical_diameter(xy[free])
    measured = [measure(xy[free[rows]]) for rows in following(find_clusters(xy[free], diameter))]
    clusters = len(measured)
    measured += [measure(xy[rows]) for rows in beads.rows]
    centre = np.array([one.centre for one in measured]).reshape(-1, 2)
    size, count, roundness = (np.array([one[place] for one in measured]) for place in range(1, 4))
    why, limits = _judge(size[:clusters], count[:clusters], roundness[:clusters], diameter, settings)
    said = _say(diameter, settings, why, limits)
    if beads.rows:
        said.insert(0, _say_beads(count[clusters:], frame is not None))
    why = np.append(why, np.full(len(beads.rows), "fiducial"))
    group = np.full(len(xy), -1)
    group[free] = _in_circles(xy[free], centre[why == ""], CIRCLE * diameter / 2)
    return Candidates(
        centre=centre,
        diameter=size,
        count=count,
        roundness=roundness,
        why=why,
        group=group,
        circle_nm=CIRCLE * diameter,
        said=said,
    )


def _judge(
    size: Array, count: Array, roundness: Array, diameter: float, settings: PickSettings
) -> tuple[Array, dict[str, float]]:
    """The first filter that each candidate fails ``[C]``, ``""`` for none, and the limits that were used."""
    smallest = settings.smallest or SMALLEST * diameter
    largest = settings.largest or LARGEST * diameter
    typical = count[(size >= smallest) & (size <= largest)]
    middle = float(np.median(typical)) if len(typical) else 0.0
    limits = {
        "small": smallest, "large": largest, "few": settings.fewest or round(middle / COUNT_FACTOR),
        "many": settings.most or round(middle * COUNT_FACTOR), "slender": settings.roundness,
    }  # fmt: skip
    failed = (
        size < limits["small"], size > limits["large"], count < limits["few"], count > limits["many"],
        roundness < limits["slender"],
    )  # fmt: skip
    return np.select(failed, [*limits], default=""), limits


def _in_circles(xy: Array, centre: Array, radius: float) -> Array:
    """The circle that each localisation lies in ``[E]``, the nearest of several; -1 for none."""
    if len(centre) == 0:
        return np.full(len(xy), -1)
    nearest = cKDTree(centre).query(xy, distance_upper_bound=radius)[1]
    return np.where(nearest < len(centre), nearest, -1)


def _rows(values: Array | None, rows: Array) -> Array | None:
    return None if values is None else values[rows]


def _write_particles(path: Path, files: list[Rows], finite: Array, xy: Array, found: Candidates) -> None:
    """Write a row for each particle: its name, its number in the data set, and its position in its own field."""
    wholes = [file.whole() for file in files]
    field = np.repeat(np.arange(len(files)), [len(whole.xyz) for whole in wholes])[finite]
    own = np.concatenate([whole.xyz[:, :2] for whole in wholes])[finite]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["particle", "group", "x [nm]", "y [nm]", "diameter [nm]", "localisations"])
        before = dict.fromkeys(range(len(files)), 0)
        for group, candidate in enumerate(np.flatnonzero(found.picked)):
            rows = np.flatnonzero(found.group == group)
            nearest = rows[np.argmin(np.linalg.norm(xy[rows] - found.centre[candidate], axis=1))]
            place = int(field[nearest])
            x, y = found.centre[candidate] + own[nearest] - xy[nearest]  # from the fields side by side back to its own
            name = f"{files[place].path.stem}/{before[place]}"
            before[place] += 1
            numbers = (f"{value:.2f}" for value in (x, y, found.diameter[candidate]))
            writer.writerow([name, group, *numbers, int(found.count[candidate])])


def _say_beads(count: Array, by_frames: bool) -> str:
    frames = f" in at least {OCCUPANCY:.0%} of the frames" if by_frames else ""
    return (
        f"{counted(len(count), 'fiducial bead')} of {counted(round(np.median(count)), 'localisation')}{frames}, each in one "
        f"point, {'was' if len(count) == 1 else 'were'} excluded together with the surroundings."
    )


def _say(diameter: float, settings: PickSettings, why: Array, limits: dict[str, float]) -> list[str]:
    source = (
        "as given"
        if settings.diameter
        else "estimated from the distances between localisations (--diameter overrides it)"
    )
    rejected = {name: int((why == name).sum()) for name in limits}
    filters = [
        f"{rejected['small']} smaller than {limits['small']:.0f} nm", f"{rejected['large']} larger than {limits['large']:.0f} nm",
        f"{rejected['few']} with fewer than {counted(round(limits['few']), 'localisation')}",
        f"{rejected['many']} with more than {limits['many']}",
    ]  # fmt: skip
    if settings.roundness:
        filters.append(f"{rejected['slender']} more elongated than {settings.roundness:g}")
    return [
        f"Particles are about {diameter:.0f} nm across, {source}.",
        part_of(int((why == "").sum()), len(why), "candidate", "{were} picked; rejected: ") + ", ".join(filters) + ".",
    ]
