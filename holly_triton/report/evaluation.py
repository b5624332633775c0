"""The comparison of a cloud and of its poses with the truth, in sentences."""

from collections.abc import Mapping
from typing import Any

from holly_triton.core.words import counted

LENGTHS = (
    "rmsd", "median", "hausdorff_95", "rmsd_truth_to_cloud", "largest_truth_to_cloud", "rmsd_cloud_to_truth",
    "largest_cloud_to_truth",
)  # fmt: skip
"""Figures of an ``Alignment`` in nm."""


def explain_alignment(figures: Mapping[str, Any]) -> str:
    """The figures of an ``Alignment``, in a few lines for a terminal."""
    if figures.get("flat"):
        handedness = "The result is flat and may be turned over to fit: a mirror image within the plane is accepted."
    elif figures.get("handed"):
        handedness = "Localisations in 3D determine the handedness: the mirror image was not tried."
    else:
        best = (
            "The mirror image fits"
            if figures["mirrored"]
            else "The original handedness fits at least as well as its mirror image"
        )
        handedness = f"{best}{' better' if figures['mirrored'] else ''}; projections do not determine the handedness."
    # Where a cloud can hold every site of the truth, as often as any other, two samplings of it are the same.
    floor = figures["sampling_floor"]
    sampled = f" (two random samplings of the truth with as many points differ by {floor:.3g} nm)" if floor else ""
    assigned = figures["rmsd_assigned"]
    paired = "not defined (the numbers of points differ)" if assigned is None else f"{assigned:.3g} nm"
    value = {name: f"{figures[name]:.3g} nm" for name in LENGTHS}
    return (
        f"Nearest-neighbour RMSD {value['rmsd']}, both directions{sampled}; median distance {value['median']}; 95th "
        f"percentile (Hausdorff) {value['hausdorff_95']}.\n"
        f"  truth to result: RMSD {value['rmsd_truth_to_cloud']}, largest {value['largest_truth_to_cloud']} "
        "(large where a part is missing)\n"
        f"  result to truth: RMSD {value['rmsd_cloud_to_truth']}, largest {value['largest_cloud_to_truth']} "
        "(large where there are outliers)\n"
        f"  one-to-one assignment: RMSD {paired}, {figures['unmatched']:.0%} of the points unmatched\n"
        f"{counted(figures['points'], 'point')} of the result, {figures['truth_points']} of the truth, after the best rotation "
        f"and shift: no scaling, no point left out.\n{handedness}"
    )


def explain_poses(figures: Mapping[str, Any]) -> str:
    """The figures of a ``PoseError`` in one sentence."""
    poses = counted(figures["pictures"], "pose")
    return (
        f"{figures['share_right']:.0%} of {poses} are within {figures['right_below']:g} degrees of the truth (median "
        f"{figures['median_angle']:.1f}, 90th percentile {figures['p90_angle']:.1f} degrees); median shift error "
        f"{figures['median_shift']:.1f} nm."
    )
