"""The tables of the page: figures under labels in words, and the settings that differ from the defaults."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .numbers import number, scatter

LABELS = {
    "finished": "Finished",
    "device": "Device",
    "processes": "Processes",
    "threads": "Threads",
    "seed": "Seed of the random numbers",
    "points": "Points",
    "pictures": "Pictures or particles",
    "localisations": "Localisations",
    "pictures_per_second": "Pictures or particles per second",
    "versions": "Versions of the programs",
    "data": "Data",
    "seconds": "Time, s",
    "energy_wh": "Energy, Wh",
    "sigma_nm": "Sigma of the last drawing, nm",
    "blur_nm": "Label scatter (s.d.) about the points, nm",
    "axial_blur_nm": "Label scatter (s.d.) along the microscope's z, precision included, nm",
    "loss": "Loss of the last step",
    "steps": "Steps planned",
    "step": "Steps done",
    "dimensions": "Dimensions",
    "labels": "Labels of a particle that are seen, mean",
    "localisations_a_label": "Localisations of a label that were merged, mean",
    "pose_entropy": "Median entropy of a particle's orientations",
    "points_outside": "Points outside the field of view",
    "rmsd": "Nearest-neighbour RMSD, both directions, nm",
    "rmsd_truth_to_cloud": "Nearest-neighbour RMSD, truth to result, nm",
    "rmsd_cloud_to_truth": "Nearest-neighbour RMSD, result to truth, nm",
    "rmsd_assigned": "RMSD of points assigned one to one, nm",
    "unmatched": "Share of points unmatched one to one",
    "hausdorff_95": "95th percentile of the distances (Hausdorff), nm",
    "sampling_floor": "Nearest-neighbour RMSD of two random samplings of the truth with as many points, nm",
    "median": "Median distance, both directions, nm",
    "largest_truth_to_cloud": "Largest distance, truth to result, nm",
    "largest_cloud_to_truth": "Largest distance, result to truth, nm",
    "mirrored": "Mirror image fits better",
    "loss_of_ball": "Loss of a structureless control",
    "loss_of_structure": "Loss of the structure",
    "few_labels": "Few localisations a particle",
    "held_out": "Held-out particles",
    "held_out.loss": "Loss of held-out particles",
    "loss_training": "Loss of training particles, posed alike",
    "unexplained": "Share unexplained",
    "unexplained_training": "Share unexplained of training particles, posed alike",
    "pictures_training": "Training particles compared",
    "consensus": "Consensus of the runs",
    "is_consensus": "At least two runs agree",
    "runs": "Runs",
    "reference": "Reference run",
    "agree_within": "Distance to the reference within which a run agrees (nearest-neighbour RMSD), nm",
    "positional_error": "Positional error between runs (3D, root mean square), nm",
    "median_spread": "Median positional error of a point between runs, nm",
    "resolution": "Half-set reproducibility (FSC 0.143), nm",
    "verdict": "Verdict",
    "limit": "Finest length that the drawn points can show, nm",
    "threshold": "Threshold of the correlation",
    "sigma": "Sigma of the drawn points, nm",
    "voxel": "Side of a voxel, nm",
    "mask_radius": "Radius of the mask, nm",
    "mask_edge": "Width of the edge of the mask, nm",
    "rmsd_between_halves": "Nearest-neighbour RMSD between the halves, nm",
    "positional_sd": "Positional standard deviation along each axis, nm",
    "angular_order": "Angular order in independent half sets",
    "order": "Order in both half sets",
    "p_value": "P-value",
    "orders_tried": "Orders tried",
    "from": "Independent data",
    "sd_nm": "Standard deviation of the amplitudes, nm",
    "imposed": "Imposed symmetry",
    "imposed.symmetry": "Symmetry",
    "imposed.held_out": "Held-out particles compared",
    "gain_error": "Standard error of that gain",
    "error_nm": "Median error of an amplitude, nm",
    "gain": "Gain of the mean log-likelihood",
    "seen": "Likelihoods are of a",
    "preferred": "Held-out particles prefer it",
    "true_sd_nm": "Standard deviation of the true amplitudes, nm",
    "slope": "Slope of the amplitudes over the true ones",
    "rms_nm": "Root-mean-square difference of the amplitudes, nm",
    "channels": "Channels",
    "evaluation": "Comparison with the truth",
    "truth": "The truth",
    "truth_points": "Points of the truth",
    "flat": "Flat",
    "poses": "Errors of the poses",
    "median_angle": "Median angle between a pose and the true one, degrees",
    "p90_angle": "90th percentile of that angle, degrees",
    "share_right": "Share of the poses that are right",
    "right_below": "A pose is right below this angle, degrees",
    "median_shift": "Median distance between a shift and the true one, nm",
}
"""Labels for keys of metrics.json, behind the key of their table where it gives them another meaning; any other key, such as
the name of a package, is its own label."""
ELSEWHERE = {
    "history", "notes", "doubts", "unit", "angle_unit", "rmsd_units", "unit_nm", "names", "schema_version", "data_path",
}  # fmt: skip
"""Keys that the tables leave out: other parts of the page show them."""
GIVEN = {"channels": "Nearest-neighbour RMSD of each channel, nm"}
"""Tables whose keys are names that the user gave, and their labels."""


def tables(
    metrics: Mapping[str, Any], name: str = "The run", key: str = ""
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Groups of rows (label, value): a table's own values, then each table within it; ``key`` is that of the table."""
    rows = [(given, number(value)) for given, value in metrics.items()] if key in GIVEN else list(_rows(metrics, key))
    if rows:
        yield name, rows
    for within, part in metrics.items():
        if isinstance(part, dict):
            yield from tables(part, GIVEN.get(within, _label(within)), within)


def _rows(part: Mapping[str, Any], table: str) -> Iterator[tuple[str, str]]:
    for key, value in part.items():
        # Where a cloud can hold every site of the truth, a floor of 0 would only be mistaken for a result.
        without = key in ELSEWHERE or (key == "sampling_floor" and value == 0)
        if not without and value is not None and not isinstance(value, dict | list | tuple):
            yield (
                LABELS.get(f"{table}.{key}", _label(key)),
                scatter(value, part.get("sigma_nm")) if key in ("blur_nm", "axial_blur_nm") else number(value),
            )


def _label(key: str) -> str:
    return LABELS.get(key, key[:1].upper() + key[1:].replace("_", " "))


def changed_settings(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Those of a run's settings that are not the defaults, as TOML would name them."""
    default = dict(_flat(defaults))
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in _flat(settings)
        if value != default.get(name)
    ]


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, list(value) if isinstance(value, tuple) else value
