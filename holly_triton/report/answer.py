"""The answer in words: what was found, and what may be wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Figures
from holly_triton.validation.coverage import Views
from holly_triton.validation.measure import EXTENT_PERCENTILES, headline, is_explained, measure_run

from .folder import Contents
from .words import length

FEW_PICTURES = 100
"""Simulated pores came out of so many; of nine real grids of DNA origami came a shape that they have not."""
MANY_OUTSIDE = 0.02
"""Of the points: a few that strayed change nothing."""
AGREEMENT = {"measured": ("resolution", ""), "limited": ("limit", " or finer")}
"""Of two halves, by the verdict on their resolution: which figure says how far it goes, and a word to it."""
FEW_SIDES, NO_SIDES = 0.4, 0.1
"""Of the pictures that would see an axis from the side if all directions were as frequent. Simulated
data came to 0.94, real nuclear pores to 0.60, centrioles that mostly lie flat to 0.34."""
CROWDED = 0.5
"""Of all pictures, so many in nearly one pose are no chance."""
NEAR_AXIS = np.cos(np.deg2rad(30))
"""An axis within 30 degrees of one of the front view's is named after it."""


def figures_of(run: Path, contents: Contents, views: Views | None) -> Figures:
    """The figures of ``measure_run`` and, None if not known, whether the pictures are explained and the height seen.

    Raises:
        HollyError: the folder holds no cloud, or one that cannot be measured.
    """
    seen = False if contents.one_side else None if views is None else not _is_missing(views)
    return {**measure_run(run), "explained": _explained(contents), "height_seen": seen}


def measured(run: Path, contents: Contents, views: Views | None) -> tuple[Figures | None, str]:
    """The figures and the sentence of them; None, and why, where there are none."""
    if contents.points is None:
        return None, "This run has written no structure yet (there is no cloud.ply)."
    try:
        figures = figures_of(run, contents, views)
    except HollyError as error:  # all points in one place or line, which is an answer too
        return None, f"There is no shape. {error}"
    resolution = contents.metrics.get("resolution", {})
    found = AGREEMENT.get(resolution.get("verdict"))
    if found is None or _differ(contents.metrics):  # a resolution would promise what the halves do not hold
        return figures, headline(figures)
    name, more = found
    return figures, f"{headline(figures)} Two halves of the pictures agree down to {length(resolution[name])} nm{more}."


def warnings(contents: Contents, views: Views | None) -> Iterator[str]:
    """What changes the answer, worst first."""
    metrics = contents.metrics
    if metrics.get("finished") is False:
        at = f", at step {metrics['step']} of {metrics['steps']}" if metrics.get("steps") else ""
        yield f"This run was stopped before its end{at}: the structure is the one so far."
    if _explained(contents) is False:
        yield (
            "The pictures are hardly explained: the structure leaves a loss of "
            f"{contents.member['loss_of_structure']:.0f}, a ball of the same size {contents.member['loss_of_ball']:.0f}. Do "
            "not read anything into its shape or symmetry, unless two runs on separate pictures agree (train --half-sets)."
        )
    pictures = metrics.get("pictures")
    if pictures is not None and pictures < FEW_PICTURES:
        yield (
            f"Only {pictures} pictures: so few can be explained by more than one structure. Hundreds are better"
            + ("." if contents.one_side else ", each seen from another direction.")
        )
    outside = (contents.member.get("points_outside") or 0) / max(contents.member.get("points") or 0, 1)
    if outside > MANY_OUTSIDE:
        yield (
            f"{outside:.0%} of the points lie outside the field of view, where no picture holds them: the run went astray; "
            "try another --seed."
        )
    tilt = contents.settings.get("tilt")
    if tilt:
        yield (
            f"Views were limited to a tilt of {tilt:g} degrees, as was asked for: how far the structure extends along "
            "the line of sight is not known."
        )
    elif tilt is None and views is not None and contents.points is not None:
        yield from _about_views(views, contents.points)
    yield from _about_agreement(contents)


def _explained(contents: Contents) -> bool | None:
    """None if not known. Two halves that agree are better evidence than the loss."""
    metrics, member = contents.metrics, contents.member
    if metrics.get("resolution", {}).get("verdict") in AGREEMENT and not _differ(metrics):
        return True
    structure, ball = member.get("loss_of_structure"), member.get("loss_of_ball")
    return None if structure is None or ball is None else is_explained(structure, ball)


def _is_missing(views: Views) -> bool:
    """Whether the extent along one axis is known from few pictures; of poses that collapsed nothing is known at all."""
    return views.alike <= CROWDED and views.side_share <= FEW_SIDES


def _about_views(views: Views, points: NDArray[np.float64]) -> Iterator[str]:
    if views.alike > CROWDED:
        yield (
            f"{views.alike:.0%} of the pictures ended in nearly one pose. Unless they were turned alike beforehand, the "
            "poses have collapsed and the structure is the mean picture, not a shape."
        )
    if not _is_missing(views):
        return
    axis = _axis_in_words(views.axis)
    extent = length(float(np.ptp(np.percentile(points @ views.axis, EXTENT_PERCENTILES))))
    if views.side_share > NO_SIDES:
        yield (
            f"Views are missing: along {axis}, the structure is known from only {views.from_side} of {views.pictures} "
            f"pictures; even directions would give {views.pictures // 2}. Its extent along that axis, {extent} nm, is uncertain."
        )
    else:
        seen = f"only {views.from_side} of {views.pictures} pictures show" if views.from_side else "no picture shows"
        rest = "The others" if views.from_side else "All"
        yield (
            f"Views are missing: by the poses found, {seen} the structure from the side. {rest} look within 60 degrees "
            f"of {axis}, so its height along that axis, {extent} nm, is a guess. Particles that are flat, or always lie "
            "the same way up, come out better with --tilt 0."
        )


def _axis_in_words(axis: NDArray[np.float64]) -> str:
    strongest = int(np.argmax(np.abs(axis)))
    if abs(axis[strongest]) < NEAR_AXIS:
        return "the axis marked × in the map of directions"
    return f"the {('horizontal axis', 'vertical axis', 'line of sight')[strongest]} of the front view"


def _about_agreement(contents: Contents) -> Iterator[str]:
    metrics = contents.metrics
    if _differ(metrics):
        yield f"The runs differ. {metrics['findings'][0]}"
    if metrics.get("resolution", {}).get("verdict") == "nothing in common":
        yield metrics["findings"][1]
    against = [
        s["name"] for s in metrics.get("symmetry", []) if s["verdict"] == "symmetric" and s["supported"] is False
    ]
    if against:
        yield f"The symmetry of the cloud is false: the pictures speak against {', '.join(dict.fromkeys(against))}."


def _differ(metrics: Figures) -> bool:
    """Whether a study's runs came to different shapes, or one to a symmetry that the others lack."""
    consensus = metrics.get("consensus")
    if consensus is None:
        return False
    return len(consensus["agree"]) < consensus["runs"] or any(consensus["extra_symmetries"])
