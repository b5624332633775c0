"""The answer in words: what was found, and what may be wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holly_triton.errors import HollyError
from holly_triton.measure import EXTENT_PERCENTILES, headline, measure_run
from holly_triton.reconstruct.distance import SCALE
from holly_triton.run_files import Figures

from .folder import Contents
from .views import Views
from .words import length

LITTLE_EXPLAINED = 0.9
"""Of the loss that an empty picture has. Real nuclear pores end at 0.57 of it."""
FEW_SIDES, NO_SIDES = 0.4, 0.1
"""Of the pictures that would see an axis from the side if all directions were as frequent. Simulated
data came to 0.94, real nuclear pores to 0.60, centrioles that mostly lie flat to 0.34."""
CROWDED = 0.5
"""Of all pictures, so many in nearly one pose are no chance."""
NEAR_AXIS = np.cos(np.deg2rad(30))
"""An axis within 30 degrees of one of the front view's is named after it."""


def measured(run: Path, contents: Contents) -> tuple[Figures | None, str]:
    """The figures of ``measure`` and the sentence of them; None, and why, where there are none."""
    if contents.points is None:
        return None, "This run has written no structure yet (there is no cloud.ply)."
    try:
        figures = measure_run(run)
    except HollyError as error:  # all points in one place or line, which is an answer too
        return None, f"There is no shape. {error}"
    resolution = contents.metrics.get("resolution", {})
    found = {"measured": ("resolution", ""), "limited": ("limit", " or finer")}.get(resolution.get("verdict"))
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
    if (contents.member.get("loss") or 0) > LITTLE_EXPLAINED * SCALE:
        yield (
            f"The structure explains hardly anything: its loss is {contents.member['loss']:.0f}, and no structure at all "
            f"would leave {SCALE:.0f}. Do not read anything into its shape."
        )
    outside = contents.member.get("points_outside") or 0
    if outside:
        yield (
            f"{outside} points lie outside the field of view, where no picture holds them: if they are many, the run went "
            "astray; try another --seed."
        )
    if views is not None and contents.points is not None:
        yield from _about_views(views, contents.points)
    yield from _about_agreement(contents)


def _about_views(views: Views, points: NDArray[np.float64]) -> Iterator[str]:
    if views.alike > CROWDED:
        yield (
            f"{views.alike:.0%} of the pictures ended in nearly one pose. Unless they were turned alike beforehand, the "
            "poses have collapsed and the structure is the mean picture, not a shape."
        )
    if views.alike > CROWDED or views.side_share > FEW_SIDES:
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
            f"of {axis}, so its height along that axis, {extent} nm, is a guess."
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
