"""Two files of picks combined, and the counts of the sets as text."""

from itertools import permutations
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Figures
from holly_triton.core.words import enumerated
from holly_triton.io.particle_lists import write_particles
from holly_triton.io.particle_lists.raw import RawList, placed
from holly_triton.io.particle_lists.reading import read_raw_list
from holly_triton.io.particle_lists.text import PLAIN

from .combine import Combined, How, combine, unconfirmed
from .selection import check_common, named_alike
from .words import columns, shown

HEAD = ("class", "A", "B", "both", "only A", "only B", "confidence: both", "only A", "only B")


def combine_files(a: Path, b: Path, out: Path, tolerance: float, how: How, voxel_size: float | None) -> tuple[Combined, list[str]]:  # fmt: skip
    """Combine two files, and write a set of them with the confidence of each pick as its score.

    Returns:
        The sets, and sentences about what was assumed or left out.

    Raises:
        HollyError: A file cannot be read or written, is no list of picks, or they have no tomogram in common.
    """
    raw = _read_picks(a), _read_picks(b)
    first, second = (placed(path, each, voxel_size=voxel_size) for path, each in zip((a, b), raw, strict=True))
    lists = first, second
    read = [f"{path}: {remark}" for path, each in zip((a, b), lists, strict=True) for remark in each.remarks]
    lists, said = named_alike(lists, (a, b))
    check_common(lists, (a, b))
    for (one, picks), (two, other) in permutations(zip((a, b), lists, strict=True)):
        if silent := unconfirmed(picks, other):
            said.append(
                f"{two}: has no picks of {enumerated(silent)}, so that the confidence of those in {one} is not known"
            )
    found = combine(*lists, tolerance)
    write_particles(out, found.chosen(how), voxel_size=voxel_size or raw[0].side or raw[1].side)
    return found, [*read, *said]


def _read_picks(path: Path) -> RawList:
    """A list of picks; a table of nothing but positions may be of anything."""
    raw = read_raw_list(path)
    if raw.kind == PLAIN and all(column is None for column in (raw.labels, raw.scores, raw.tomograms)):
        raise HollyError(
            f"{path}: is no list of picks; beside x, y and z it needs a column class, score or tomogram, or several of them"
        )
    return raw


def in_words(found: Combined) -> str:
    """Counts and mean confidences of each class and of all."""
    figures = found.figures()
    return "\n".join(columns([HEAD, *(_row(name, each) for name, each in figures["classes"].items()), _row("all", figures)]))  # fmt: skip


def _row(name: str, each: Figures) -> tuple[str, ...]:
    counts = (str(each[key]) for key in ("a", "b", "both", "only_a", "only_b"))
    return (name, *counts, *(shown(each["confidence"][key]) for key in ("both", "only_a", "only_b")))
