"""Mistakes of convention that make good localisations score badly: found by what scores well without them."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from holly_triton.core.types import Array
from holly_triton.core.words import spanned
from holly_triton.frames.config.scoring import Scoring

from .evaluate import is_flat
from .figures import Score
from .matching import in_field, match

Change = Callable[[Array], Array]

CLEARLY = 3
"""A convention is named if it matches more than this many times as many pairs."""
ENOUGH = 0.3
"""And at least this share of the smaller table; the rest of it may lie at the border."""
POOR = 0.5
"""Exchanged axes and a mirrored z are not looked for where more than this share is matched as it is."""
GOOD = 0.9
"""Nor are other frames, which with emitters that are on for long match many as well."""
FEWEST_FRAMES, PART = 20, 0.5
"""Localisations of fewer frames than this share of at least so many may be of a part of the movie."""
SMALLEST_OFFSET_NM = 10.0
OFFSET_ERRORS = 5.0
"""A mean error is an offset if it is at least this large, and this many times its standard error."""


def shift_of_frames(localisations: Array, truth: Array, settings: Scoring) -> int:
    """The number, -1, 0 or 1, that must be added to the frames of the localisations: 0 unless the evidence is plain."""
    shifts = (1, -1)
    changes: list[Change] = [partial(_moved, by) for by in shifts]
    flat = is_flat(localisations, truth)
    found = _gains(localisations, truth, settings, changes, flat=flat, least=GOOD, is_more=_more_than_chance)
    return 0 if found is None else shifts[found]


def doubts(localisations: Array, truth: Array, score: Score) -> list[str]:
    """Sentences about conventions in which the two tables appear to differ."""
    settings, said = score.settings, []
    if len(localisations) and len(truth) and not np.isin(localisations["frame"], truth["frame"]).any():
        first, last = (spanned(table["frame"].min(), table["frame"].max()) for table in (localisations, truth))
        return [f"No frame has both localisations ({first}) and emitters ({last}): are these tables of one movie?"]
    if len(localisations) and len(truth) and (part := _part_of(localisations["frame"], truth["frame"])):
        said.append(part)
    changes: dict[str, Change] = {
        "x and y of the localisations are exchanged": _exchanged,
        "z of the localisations has the opposite sign": _upside_down,
    }
    if score.dimensions == 2:
        del changes["z of the localisations has the opposite sign"]
    flat = score.dimensions == 2
    gain = _gains(localisations, truth, settings, list(changes.values()), flat=flat, least=POOR, is_more=_far_more)
    if gain is not None:
        name = list(changes)[gain]
        said.append(
            f"It appears that {name}: far more of them match when this is undone. The figures are as the file has it."
        )
    elif score.dimensions == 3 and _opposite(truth["z"][score.pairs.emitter], score.errors[:, 2]):
        said.append("It appears that z of the localisations has the opposite sign. The figures are as the file has it.")
    return said + _offset(score)


def _part_of(found: Array, true: Array) -> str:
    """A sentence where the localisations end long before the emitters do, as those of a part of the movie; else empty."""
    first, last = int(true.min()), int(true.max())
    if last - first < FEWEST_FRAMES or np.ptp(found) > PART * (last - first):
        return ""
    return (
        f"The localisations are of frames {spanned(found.min(), found.max())} and the emitters of {first} to {last}, all of which are "
        "compared. If a part of the movie was localised, give --frames with its first and last frame."
    )


def _gains(
    localisations: Array,
    truth: Array,
    settings: Scoring,
    changes: Sequence[Change],
    *,
    flat: bool,
    least: float,
    is_more: Callable[[int, int], bool],
) -> int | None:
    """Which change of the localisations matches more of them, if one does and less than ``least`` is matched now."""
    field = settings.width_nm, settings.height_nm, settings.border_nm
    truth = truth[in_field(truth, *field)]

    def matched(table: Array) -> int:
        near = table[in_field(table, *field)]
        pairs = match(near, truth, lateral_nm=settings.lateral_nm, axial_nm=settings.axial_nm, flat=flat)
        return len(pairs.emitter)

    smaller = min(len(truth), int(in_field(localisations, *field).sum()))
    now = matched(localisations)
    if smaller == 0 or now > least * smaller:
        return None
    then = [matched(change(localisations)) for change in changes]
    best = int(np.argmax(then))
    return best if is_more(then[best], now) and then[best] >= ENOUGH * smaller else None


def _far_more(then: int, now: int) -> bool:
    return then > CLEARLY * now + 2


def _more_than_chance(then: int, now: int) -> bool:
    """Whether more are matched in another frame than in their own, which by chance alone is all but impossible."""
    return then > 1.1 * now + 3 * math.sqrt(now) + 2


def _moved(by: int, table: Array) -> Array:
    moved = table.copy()
    moved["frame"] += by
    return moved


def _exchanged(table: Array) -> Array:
    exchanged = table.copy()
    exchanged["x"], exchanged["y"] = table["y"], table["x"]
    return exchanged


def _upside_down(table: Array) -> Array:
    turned = table.copy()
    turned["z"] = -table["z"]
    return turned


def _opposite(true: Array, error: Array) -> bool:
    """Whether z found and true are correlated as if mirrored."""
    known = np.isfinite(true) & np.isfinite(error)
    if known.sum() < 20 or np.ptp(true[known]) == 0 or np.ptp(error[known]) == 0:
        return False
    found = true[known] + error[known]
    return bool(np.ptp(found) > 0 and np.corrcoef(found, true[known])[0, 1] < -0.5)


def _offset(score: Score) -> list[str]:
    """A sentence about a displacement of all localisations, and about half a pixel if it is that."""
    errors = score.errors[:, :2]
    if len(errors) < 20:
        return []
    mean, spread = errors.mean(axis=0), errors.std(axis=0) / np.sqrt(len(errors))
    size = np.abs(mean)
    if not ((size > SMALLEST_OFFSET_NM) & (size > OFFSET_ERRORS * spread)).any():
        return []
    half = score.settings.pixel_nm / 2
    said = f"On average the localisations lie {mean[0]:+.0f} nm along x and {mean[1]:+.0f} nm along y off the emitters"
    if np.abs(size - half).max() < half / 4:
        return [f"{said}, about half a pixel: one table counts from the centres of pixels, the other from their edges."]
    return [f"{said}, which no random error explains."]


def beyond_field(table: Array, settings: Scoring) -> str | None:
    """A sentence where positions lie beyond the field, so that they are not scored; None where all lie within."""
    beyond = (table["x"] > settings.width_nm) | (table["y"] > settings.height_nm)
    if not beyond.any():
        return None
    return (
        f"{int(beyond.sum())} of {len(table)} positions lie beyond the field of {settings.width_nm:g} x {settings.height_nm:g} nm "
        "and are not scored; state the field with --fov"
    )
