"""The agreement of the runs of a study in sentences: their consensus, and the reproducibility of two half sets."""

from collections.abc import Sequence

import numpy as np

from holly_triton.validation.consensus import Consensus
from holly_triton.validation.fsc import THRESHOLD, Resolution
from holly_triton.validation.symmetry import Symmetry


def explain_consensus(consensus: Consensus) -> str:
    """One sentence, such as "4 of 5 runs agree within 7.0 nm; run 3 has an extra mirror plane"."""
    to_reference, count = consensus.to_reference_nm, len(consensus.aligned)
    agreeing = int(consensus.agrees.sum())
    if agreeing < 2:
        nearest = np.delete(to_reference, consensus.reference).min()
        parts = [
            f"No two of {count} runs agree: the nearest to run {consensus.reference + 1} differs by "
            f"{nearest:.1f} nm, more than {consensus.agree_nm:.1f} nm. There is no consensus; cloud.ply is run "
            f"{consensus.reference + 1} alone"
        ]
    else:
        parts = [
            f"{agreeing} of {count} runs agree within {to_reference[consensus.agrees].max():.1f} nm (nearest-neighbour "
            f"RMSD); the positional error between runs is {consensus.error_nm:.1f} nm (3D, root mean square), and "
            f"{consensus.unmatched:.0%} of the points have no counterpart"
        ]
    for run in range(count):
        remarks = []
        if agreeing > 1 and not consensus.agrees[run]:
            remarks.append(f"differs by {to_reference[run]:.1f} nm")
        if consensus.extra[run]:
            remarks.append(f"has an extra {' and '.join(_generators(consensus.extra[run]))}{_compared(consensus, run)}")
        if remarks:
            parts.append(f"run {run + 1} {' and '.join(remarks)}")
    return "; ".join(parts) + "."


def _compared(consensus: Consensus, run: int) -> str:
    """How well a run fits the pictures, compared with the reference."""
    if consensus.losses is None:
        return ""
    its, reference = consensus.losses[run], consensus.losses[consensus.reference]
    how = "worse" if its > reference else "no worse"
    return f", and fits the pictures {how} (loss {its:.4g}; the reference, {reference:.4g})"


def _generators(extra: Sequence[Symmetry]) -> list[str]:
    """The mirror plane and the highest axis: lower axes follow from these, C2 also from two mirrors."""
    mirror = ["mirror plane"] if any(s.name == "mirror" for s in extra) else []
    highest = max((int(s.name[1:]) for s in extra if s.name != "mirror"), default=0)
    return mirror + ([f"C{highest} axis"] if highest > 2 or (highest and not mirror) else [])


def explain_resolution(resolution: Resolution) -> str:
    """The reproducibility of two half sets in sentences."""
    name = f"Half-set reproducibility (FSC {THRESHOLD})"
    if resolution.verdict == "limited":
        found = (
            f"{name}: {resolution.limit_nm:.1f} nm or finer; points drawn with sigma {resolution.sigma_nm:.1f} nm show "
            "nothing finer."
        )
    elif resolution.verdict == "nothing in common":
        found = f"The two halves agree in their size only: no finer than {resolution.resolution_nm:.0f} nm ({name})."
    else:
        found = (
            f"{name}: {resolution.resolution_nm:.1f} nm, as independent positional errors with a standard deviation of "
            f"{resolution.positional_sd_nm:.1f} nm along each axis would give. It is the reproducibility of point positions, "
            "not a resolution of densities."
        )
    return (
        f"{found} Points were drawn with sigma {resolution.sigma_nm:.1f} nm inside a soft sphere of radius "
        f"{resolution.mask_radius_nm:.0f} nm (edge {resolution.mask_edge_nm:.0f} nm), which contains every point."
    )
