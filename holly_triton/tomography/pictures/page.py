"""The picks of one tomogram as a picture, or as a page with a table beside it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of, rounded, spanned
from holly_triton.io.particle_lists import read_particles
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.volumes import Volume, read_volume
from holly_triton.report.sections import Section, Shown, write_sections
from holly_triton.tomography.config.scoring import Scoring
from holly_triton.tomography.inspection.values import distinct_values
from holly_triton.tomography.places import check_place
from holly_triton.tomography.score.evaluate import Score, evaluate
from holly_triton.tomography.score.words import headline, table

from .confusion import draw_confusion
from .slices import draw_slices

PAGE, PICTURE = ".html", ".png"
SLICES = (
    "Two slabs of the tomogram with the picks whose centre lies in them, where most of the picks are. Colour and shape of a mark "
    "are its class."
)
DOTS = (
    " Dots are the true particles: a mark without a dot of its class is a pick that is false or of the wrong class, a dot without a "
    "mark of its class a particle that was missed or named wrongly."
)


class Drawn(NamedTuple):
    """What was written, and sentences about what was left out."""

    paths: Sequence[Path]
    said: Sequence[str]


def render_picks(
    tomogram: Path, picks: Path, out: Path, *, truth: Path | None = None, settings: Scoring | None = None,
    voxel_size: float | None = None, overwrite: bool = False,
) -> Drawn:  # fmt: skip
    """Write the picks over slices of their tomogram: a PNG or, by the suffix of ``out``, a page in HTML with the PNG beside it.

    Args:
        tomogram: The volume.
        picks: A list of particles; of several tomograms those of this one are drawn.
        out: The picture or the page.
        truth: A list of the true particles, where they are known.
        settings: When a pick is right; None takes the defaults.
        voxel_size: Å, for a volume that states none, and lists in voxels.
        overwrite: Replace what there is under the names of the page and its pictures.

    Raises:
        HollyError: A file can't be read or written, exists already, or is of other tomograms.
    """
    suffix = out.suffix.lower()
    if suffix not in (PAGE, PICTURE):
        raise HollyError(
            f"{out}: is neither a picture ({PICTURE}) nor a page ({PAGE}); give a name with one of these suffixes"
        )
    picture, matrix = out.with_suffix(PICTURE), out.with_name(f"{out.stem}_confusion{PICTURE}")
    paths = [picture] if suffix == PICTURE else [out, picture] if truth is None else [out, picture, matrix]
    for path in paths:
        check_place(path, overwrite=overwrite)
    settings = settings or Scoring()
    volume, name = read_volume(tomogram, voxel_size), tomogram.name.partition(".")[0]
    found = _of_tomogram(read_particles(picks, voxel_size=voxel_size), name, picks)
    true = None if truth is None else _of_tomogram(read_particles(truth, voxel_size=voxel_size), name, truth)
    said = [
        *volume.remarks,
        *_no_tomogram(volume.values, tomogram),
        *_other_name(found, name, picks),
        *_outside(found, volume),
    ]
    draw_slices(
        picture, volume.values, volume.voxel, found, truth=true, tolerance=settings.tolerance_angstrom, title=name
    )
    if suffix == PICTURE:
        return Drawn(paths, said)
    sections = [Section("In the tomogram", pictures=[Shown(picture, SLICES + (DOTS if true is not None else ""))])]
    score = None if true is None else evaluate(found, true, settings)
    if score is None:
        answer = f"{counted(len(found), 'pick')} in {name}"
        sections.append(Section("Classes", table=_counts(found)))
    else:
        answer = headline(score)
        sections.append(_against_truth(score, matrix))
    write_sections(out, name, answer, sections, said)
    return Drawn(paths, said)


def _against_truth(score: Score, picture: Path) -> Section:
    draw_confusion(picture, {"picks": (list(score.classes), score.confusion)})
    caption = "Particles of the class of each row, picked as the class of each column."
    return Section("Against the truth", table=table(score), pictures=[Shown(picture, caption)])


def _counts(picks: ParticleList) -> list[tuple[str, ...]]:
    """Number and range of scores of each class."""
    rows: list[tuple[str, ...]] = [("class", "picks", "scores")]
    for label in picks.classes:
        scores = picks.scores[picks.labels == label]
        known = scores[np.isfinite(scores)]
        extent = spanned(rounded(known.min()), rounded(known.max())) if len(known) else "none"
        rows.append((label, str(len(scores)), extent))
    return rows


def _of_tomogram(particles: ParticleList, name: str, path: Path) -> ParticleList:
    """The particles of one tomogram; all of a list that names at most one."""
    names = {str(each) for each in particles.tomograms}
    if len(names) <= 1:
        return particles
    if name not in names:
        raise HollyError(
            f"{path}: has {len(names)} tomograms, {min(names)} for one, and none is called {name} as the file is"
        )
    return particles.take(particles.tomograms == name)


def _no_tomogram(values: Array, path: Path) -> Iterator[str]:
    few = distinct_values(values)
    if few is not None:
        what = (
            "one value everywhere"
            if len(few) == 1
            else f"{len(few)} different values, as a mask or a volume of labels does"
        )
        yield f"{path}: holds {what}; is it the tomogram?"


def _other_name(picks: ParticleList, name: str, path: Path) -> Iterator[str]:
    names = {str(each) for each in picks.tomograms} - {"", name}
    if names:
        yield f"{path}: is of the tomogram {min(names)}; its picks are drawn in {name}, as if they were of it."


def _outside(picks: ParticleList, volume: Volume) -> Iterator[str]:
    outside = int(picks.outside(volume.values.shape, volume.voxel).sum())
    if outside:
        yield part_of(outside, len(picks), "pick", "{lie} outside of the tomogram; is the voxel size right?")
