"""An evaluation from files: reading, checks, figures, notes and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array, Figures
from holly_triton.core.words import spanned
from holly_triton.frames.config.common import PIXEL_NM
from holly_triton.frames.config.scoring import Scoring

from .diagnosis import beyond_field, doubts, shift_of_frames
from .evaluate import evaluate
from .figures import Score
from .reading import check_units, read_localisations, read_truth, settings_beside


class Report(NamedTuple):
    """What a comparison of two files gave."""

    score: Score
    frame_shift: int
    """What was added to the frames of the localisations."""
    said: list[str]
    """Sentences about what was assumed or left out when the files were read."""
    warnings: list[str]
    """Sentences about conventions in which the two files appear to differ."""
    pictures: list[Path]

    @property
    def notes(self) -> list[str]:
        """All sentences, in the order in which they are shown."""
        return [*self.said, *(f"Warning: {warning}" for warning in self.warnings)]

    def figures(self) -> Figures:
        """All figures, as JSON has them."""
        return {**self.score.figures(), "frame_shift": self.frame_shift, "warnings": self.warnings}


def compare(
    localisations: Path,
    truth: Path,
    options: Mapping[str, float],
    *,
    pixel_nm: float | None = None,
    unit: str | None = None,
    frames: tuple[int, int] | None = None,
    bound: bool = False,
    out: Path | None = None,
) -> Report:
    """Read and compare two files.

    Args:
        localisations: A table of localisations.
        truth: A table of the true emitters; the field of view and the pixel are read from a settings.toml beside it.
        options: Settings of ``Scoring`` that were given, which take precedence.
        pixel_nm: Side of a camera pixel.
        unit: Of positions in files that state none.
        frames: First and last frame that are compared; None is all.
        bound: Whether errors are compared with the Cramér-Rao bound, for the truth of a simulated movie.
        out: Folder for pictures; None writes none.

    Raises:
        HollyError: A file cannot be read or is in another unit, or pictures can't be written.
    """
    true = read_truth(truth, unit=unit, pixel_nm=pixel_nm)
    found = read_localisations(localisations, unit=unit, pixel_nm=pixel_nm)
    pixel = {"pixel_nm": true.pixel_nm or found.pixel_nm or PIXEL_NM}
    given = {**options} if pixel_nm is None else {**options, "pixel_nm": pixel_nm}
    stated = {**settings_beside(truth), **given}
    settings = Scoring.of({**pixel, **stated}, "the options")
    for path, table in ((truth, true.table), (localisations, found.table)):
        check_units(
            path, table, width_nm=settings.width_nm, height_nm=settings.height_nm, pixel_nm=settings.pixel_nm,
            border_nm=settings.border_nm,
        )  # fmt: skip
    shift = shift_of_frames(found.table, true.table, settings)
    table = found.table.copy()
    table["frame"] += shift
    deviations, emitters = None, true.table
    if bound:
        from .limit import deviations_beside  # imports PyTorch, which takes seconds

        deviations = deviations_beside(truth, true.table)
    if frames is not None:
        if frames[0] > frames[1]:
            raise HollyError(
                f"--frames {frames[0]} {frames[1]}: ends before it begins; give the first frame, then the last"
            )
        kept = _within(true.table, frames)
        if len(kept) and not kept.any():
            least, most = (int(edge) for edge in (true.table["frame"].min(), true.table["frame"].max()))
            raise HollyError(
                f"--frames {frames[0]} {frames[1]}: {truth} has emitters in the frames {spanned(least, most)} only"
            )
        table, emitters = table[_within(table, frames)], true.table[kept]
        deviations = None if deviations is None else deviations[kept]
    score = evaluate(table, emitters, settings, deviations=deviations)
    said = [f"{path}: {note}" for path, read in ((truth, true), (localisations, found)) for note in read.notes]
    if "width_nm" not in stated:
        said.append(
            f"The field of view is taken as {settings.width_nm:g} x {settings.height_nm:g} nm, that of the SMLM challenge, since no "
            "settings.toml states it; give another with --fov."
        )
    written = []
    if out is not None:
        from .pictures import draw  # as does this

        written = draw(out, table, emitters, score)
    return Report(score, shift, said, _warnings(table, emitters, score, shift), written)


def _within(table: Array, frames: tuple[int, int]) -> Array:
    within: Array = (table["frame"] >= frames[0]) & (table["frame"] <= frames[1])
    return within


def _warnings(table: Array, truth: Array, score: Score, shift: int) -> list[str]:
    said = []
    if shift:
        said.append(
            f"The frames of the localisations are off by one: {shift:+d} was added to each, since hardly any match the "
            "emitters of their own frame and many those of the next. Correct this in the table."
        )
    if beyond := beyond_field(truth, score.settings):
        said.append(f"Truth: {beyond}.")
    if score.dimensions == 3 and len(table) and (lost := int(np.isnan(table["z"]).sum())):
        said.append(f"{lost} localisations have no z and count as false.")
    return said + doubts(table, truth, score)
