"""The comparison of a cloud and of its poses with the truth, in sentences."""

from collections.abc import Mapping
from typing import Any


def explain_alignment(figures: Mapping[str, Any]) -> str:
    """The figures of an ``Alignment``, in a few lines for a terminal."""
    if figures.get("flat"):
        handedness = "The result is flat and may be turned over to fit: a mirror image within the plane is accepted."
    else:
        best = (
            "The mirror image fits"
            if figures["mirrored"]
            else "The original handedness fits at least as well as its mirror image"
        )
        handedness = f"{best}{' better' if figures['mirrored'] else ''}; projections do not determine the handedness."
    # Where a cloud can hold every site of the truth, as often as any other, two samplings of it are the same.
    floor = " (two random samplings of the truth with as many points differ by {sampling_floor:.3g} nm)"
    floor = floor if figures["sampling_floor"] > 0 else ""
    assigned = figures["rmsd_assigned"]
    paired = "not defined (the numbers of points differ)" if assigned is None else f"{assigned:.3g} nm"
    return (
        "Nearest-neighbour RMSD {rmsd:.3g} nm, both directions"
        + floor
        + "; median distance {median:.3g} nm; 95th percentile (Hausdorff) {hausdorff_95:.3g} nm.\n"
        "  truth to result: RMSD {rmsd_truth_to_cloud:.3g} nm, largest {largest_truth_to_cloud:.3g} nm "
        "(large where a part is missing)\n"
        "  result to truth: RMSD {rmsd_cloud_to_truth:.3g} nm, largest {largest_cloud_to_truth:.3g} nm "
        "(large where there are outliers)\n"
        "  one-to-one assignment: RMSD " + paired + ", {unmatched:.0%} of the points unmatched\n"
        "{points} points of the result, {truth_points} of the truth, after the best rotation and shift: "
        "no scaling, no point left out.\n"
    ).format(**figures) + handedness


def explain_poses(figures: Mapping[str, Any]) -> str:
    """The figures of a ``PoseError`` in one sentence."""
    return (
        "{share_right:.0%} of {pictures} poses are within {right_below:g} degrees of the truth (median "
        "{median_angle:.1f}, 90th percentile {p90_angle:.1f} degrees); median shift error {median_shift:.1f} nm."
    ).format(**figures)
