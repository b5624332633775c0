"""The warnings of a result: what limits it, most severe first."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.words import counted, part_of
from holly_triton.io.metrics import Metrics
from holly_triton.validation.coverage import Views
from holly_triton.validation.measure import EXTENT_PERCENTILES, is_explained

from .folder import Contents
from .numbers import length
from .symmetry import explain_contradicted, warn_of_imposed

FEW_PICTURES = 100
"""Pictures that suffice: simulated pores were recovered from this number; nine real grids of DNA origami gave a wrong shape."""
MANY_OUTSIDE = 0.02
"""Largest share of the points outside the field of view: a few outliers have no effect."""
REPRODUCED = ("measured", "limited")
"""Verdicts on two halves that agree beyond their size."""
FEW_SIDES, NO_SIDES = 0.4, 0.1
"""Least number of pictures that show an axis from the side, as a fraction of that of uniform directions. Simulated data
reached 0.94, real nuclear pores 0.60, centrioles that mostly lie flat 0.34."""
CROWDED = 0.5
"""Share of all pictures in nearly one pose that does not occur by chance."""
OVERFITTED = 1.15
"""Ratio of losses, held-out to training particles posed alike, above which the report warns. Heuristic."""
ONE_SIDE = (
    "All particles were assumed to share one viewing direction (--tilt 0), so the axial dimension is undetermined. "
    "Inverted particles, if any, are averaged in as mirror images."
)
"""The limitation of a structure from a single viewing direction."""
HANDED = (
    "Localisations in 3D determine the handedness, as far as the sign of z in the data is right; cloud_mirror.ply is for data "
    "whose z has the other sign."
)
"""What is known of the handedness of a structure from 3D localisations."""
SIGMA_IN_SPACE = (
    "Sigma blurs the points in addition to the fitted label scatter and the precision of each localisation. Losses at different "
    "sigma are not comparable: while sigma falls, the loss may rise."
)
"""What the progress and the convergence of a run on 3D localisations show."""
NEAR_AXIS = np.cos(np.deg2rad(30))
"""An axis within 30 degrees of one of the front view's axes is named after it."""


def warnings(contents: Contents, views: Views | None) -> Iterator[str]:
    """What limits the result, most severe first."""
    metrics, member = contents.metrics, contents.member
    yield from metrics.doubts or ()
    if metrics.finished is False:
        yield f"This run was stopped before its end{_stopped(metrics)}"
    if is_fit_explained(contents) is False:
        structure, ball = (_value(loss, contents, ".0f") for loss in (member.loss_of_structure, member.loss_of_ball))
        better = (
            "higher is better"
            if contents.in_space
            else "lower is better: 0 for identical pictures, 100 for an empty one"
        )
        tested = metrics.resolution is not None
        halves = (
            ", and the half sets do not agree" if tested else " unless independent half sets agree (train --half-sets)"
        )
        yield (
            f"Poor fit: the structure has a {_measure(contents)} of {structure}, a structureless control {ball} ({better}). "
            f"Shape and symmetry should not be interpreted{halves}."
        )
    if member.few_labels and is_fit_explained(contents) is None:
        yield (
            "Particles have so few localisations that the masked L1 does not show whether the structure fits them: shape and symmetry are "
            "those of the points. Independent half sets show what is reproducible (train --half-sets)."
        )
    held = member.held_out
    if held is not None and held.loss > OVERFITTED * held.loss_training:
        leave, training = (_value(loss, contents, ".3g") for loss in (held.loss, held.loss_training))
        yield (
            f"Overfitting: held-out particles leave a {_measure(contents)} of {leave}, training particles {training}. "
            "Use fewer --points or more particles."
        )
    if metrics.pictures is not None and metrics.pictures < FEW_PICTURES:
        yield (
            f"Only {counted(metrics.pictures, contents.noun)}: more than one structure may fit so few equally well. Hundreds are better"
            + ("." if contents.one_side or contents.in_space else ", each from another direction.")
        )
    outside = (member.points_outside or 0) / max(member.points or 0, 1)
    if outside > MANY_OUTSIDE:
        yield f"{outside:.0%} of the points lie outside the field of view; the run did not converge. Try another --seed."
    tilt = contents.settings.get("tilt")
    if tilt:
        yield (
            f"Views were limited to a tilt of {tilt:g} degrees, as requested: the extent along the line of sight is not "
            "determined."
        )
    elif tilt is None and views is not None and contents.points is not None:
        yield from _about_views(views, contents.points, contents.in_space)
    yield from _about_agreement(metrics)


def _stopped(metrics: Metrics) -> str:
    """At which step a run stopped, and what its cloud is."""
    if metrics.step is not None and metrics.step == metrics.steps:
        return ", in the fit of its deformation: the structure is final, the deformation is missing. train --resume with this run's folder fits it."
    return (
        f", at step {metrics.step} of {metrics.steps}" if metrics.steps else ""
    ) + ": the structure is the one so far, and train --resume with this run's folder goes on with it."


def _measure(contents: Contents) -> str:
    """What a loss is shown as."""
    return f"mean log-likelihood of a {contents.seen}" if contents.in_space else "masked L1"


def _value(loss: float | None, contents: Contents, digits: str) -> str:
    assert loss is not None
    return f"{-np.log(loss):.3f}" if contents.in_space else f"{loss:{digits}}"


def is_fit_explained(contents: Contents) -> bool | None:
    """Whether the pictures are explained, None if not known. Two halves that agree are stronger evidence than the loss.

    Most of the intensity of a picture of few labels is where its few localisations happen to be, which no structure
    explains: there a high loss tells nothing, and only a low one does.
    """
    if is_reproduced(contents.metrics):
        return True
    structure, ball = contents.member.loss_of_structure, contents.member.loss_of_ball
    if structure is None or ball is None:
        return None
    return is_explained(structure, ball) or (None if contents.member.few_labels else False)


def is_reproduced(metrics: Metrics) -> bool:
    """Whether two half sets agree in more than their size; halves that ended in different shapes reproduce nothing."""
    return metrics.resolution is not None and metrics.resolution["verdict"] in REPRODUCED and not _differ(metrics)


def is_missing(views: Views) -> bool:
    """Whether few pictures show the extent along one axis; collapsed poses show nothing at all."""
    return views.alike <= CROWDED and views.side_share <= FEW_SIDES


def _about_views(views: Views, points: NDArray[np.float64], in_space: bool) -> Iterator[str]:
    if views.alike > CROWDED:
        yield (
            f"{views.alike:.0%} of the {'particles' if in_space else 'pictures'} ended in nearly one pose. Unless they were aligned beforehand, pose assignments "
            f"have collapsed; the result is close to the average {'particle' if in_space else 'image'}."
        )
    if in_space or not is_missing(views):
        return
    axis = _axis_in_words(views.axis)
    extent = length(float(np.ptp(np.percentile(points @ views.axis, EXTENT_PERCENTILES))))
    if views.side_share > NO_SIDES:
        yield (
            "Missing views: only "
            + part_of(views.from_side, views.pictures, "picture", "{show} ")
            + f"the extent along {axis}; uniform directions would give {views.pictures // 2}. The extent along that axis ({extent} nm) is uncertain."
        )
    else:
        seen = (
            f"only {part_of(views.from_side, views.pictures, 'picture', '{show}')}"
            if views.from_side
            else "no picture shows"
        )
        rest = "the others" if views.from_side else "all"
        yield (
            f"Missing views: by the estimated poses, {seen} the structure from the side; {rest} look within 60 degrees of "
            f"{axis}. The extent along that axis ({extent} nm) is not determined by the data. For flat particles, or "
            "particles in a single orientation, use --tilt 0."
        )


def _axis_in_words(axis: NDArray[np.float64]) -> str:
    strongest = int(np.argmax(np.abs(axis)))
    if abs(axis[strongest]) < NEAR_AXIS:
        return "the axis marked × in the map of directions"
    return f"the {('horizontal axis', 'vertical axis', 'line of sight')[strongest]} of the front view"


def _about_agreement(metrics: Metrics) -> Iterator[str]:
    findings = metrics.findings or []
    if _differ(metrics):
        yield f"The runs differ. {findings[0]}"
    if metrics.resolution is not None and metrics.resolution["verdict"] == "nothing in common":
        yield findings[1]
    yield from warn_of_imposed(metrics.imposed)
    if said := explain_contradicted(metrics.symmetry or ()):
        yield said


def _differ(metrics: Metrics) -> bool:
    """Whether a study's runs ended in different shapes, or one has a symmetry that the others lack."""
    consensus = metrics.consensus
    if consensus is None:
        return False
    return len(consensus["agree"]) < consensus["runs"] or any(consensus["extra_symmetries"])
