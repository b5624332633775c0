"""Several structures of one data set in sentences and on a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from holly_triton.core.types import Figures
from holly_triton.core.words import counted, enumerated
from holly_triton.io.metrics import SEEN

from .numbers import length
from .page import REPORT
from .sections import Section, Shown, write_sections

SIZES = {
    "model": "Nearest shape",
    "diameter_nm": "Diameter, nm",
    "height_nm": "Height (between rings, or of a cylinder), nm",
    "thickness_nm": "Thickness of the tube, nm",
    "gyration_nm": "Radius of gyration, nm",
}
"""Rows of the table of sizes, from the figures of ``measure``."""


def explain_shares(found: Mapping[str, Any]) -> str:
    """How many particles are of each structure."""
    shares = enumerated([f"{share:.0%}" for share in found["shares"]])
    particles = enumerated([str(count) for count in found["particles"]])
    return (
        f"{found['structures']} structures with shares of {shares}; {particles} particles are assigned to them, {found['sure']:.0%} "
        "of all with a probability of 0.9 or more."
    )


def explain_preference(found: Mapping[str, Any]) -> str:
    """Whether held-out particles prefer several structures."""
    held, several = found["held_out"], found["structures"]
    if held is None:
        return (
            f"No particles were held out, so nothing is known of whether the data contain {several} structures rather than one; "
            "more particles or a larger --held-out are needed."
        )
    if held["preferred"]:
        verdict = f"prefer {several} structures over one"
    elif held["difference"] > 0:
        verdict = f"do not decide between {several} structures and one; more of them may (--held-out)"
    else:
        verdict = f"do not prefer {several} structures over one; take the run of all particles, consensus"
    return (
        f"{counted(held['particles'], 'held-out particle')} {verdict}: the mean log-likelihood of a {held.get('seen', SEEN)} is "
        f"{held['log_likelihood']:.3f} with {several} and {held['log_likelihood_single']:.3f} with one, a difference of "
        f"{held['difference']:.3f} with a standard error of {held['standard_error']:.3f}."
        + (
            f" Whether {several - 1} would do as well is not compared: that takes a run with --structures {several - 1}."
            if several > 2
            else ""
        )
    )


def classes_headline(found: Mapping[str, Any]) -> str:
    """The result in one short sentence."""
    held, shares = found["held_out"], enumerated([f"{share:.0%}" for share in found["shares"]])
    if held is not None and held["preferred"]:
        return f"{found['structures']} structures, with shares of {shares}, which held-out particles prefer over one."
    if held is None:
        return f"{found['structures']} structures, with shares of {shares}; whether there are several was not tested."
    return f"No evidence from held-out particles for {found['structures']} structures (shares of {shares})."


def explain_absence(found: Mapping[str, Any], fewest: int) -> str:
    """Which structures have too few particles for a run; empty if none has."""
    few = [number for number, count in enumerate(found["particles"], 1) if count < fewest]
    if not few:
        return ""
    which = enumerated(
        [f"structure {number} with {counted(found['particles'][number - 1], 'particle')}" for number in few]
    )
    return f"No run was made of {which}; at least {fewest} are needed. Fewer --structures suffice for these data."


def explain_difference(number: int, figures: Mapping[str, float]) -> str:
    """How structure ``number`` differs from structure 1."""
    return (
        f"Structure {number} differs from structure 1 by {length(figures['rmsd'])} nm (nearest-neighbour RMSD after alignment). They differ "
        f"most, by {length(figures['farthest'])} nm, at points {length(figures['farthest_height'])} nm from the middle along the axis "
        f"and {length(figures['farthest_radius'])} nm from the axis (medians; of all points, {length(figures['height'])} and "
        f"{length(figures['radius'])} nm)."
    )


def write_classes_page(
    folder: Path, found: Mapping[str, Any], sizes: Mapping[int, Figures], sentences: Sequence[str], differences: Mapping[int, str],
    pictures: Mapping[int, Path], warnings: Sequence[str],
) -> None:  # fmt: skip
    """Write the page of a study of several structures.

    Args:
        folder: Of the study.
        found: Figures of the classification.
        sizes: Figures of ``measure`` of each structure that has a run, by its number from 1.
        sentences: Shares, preference, and what is missing.
        differences: A sentence for each structure that is compared with the first.
        pictures: A drawing of each over the first.
        warnings: Sentences about limitations.

    Raises:
        HollyError: A picture can't be read, or the page can't be written.
    """
    head = ["", *(f"Structure {number}" for number in sizes)]
    rows = [
        ["Share of the particles", *(f"{found['shares'][number - 1]:.1%}" for number in sizes)],
        ["Particles assigned", *(str(found["particles"][number - 1]) for number in sizes)],
        ["Extent along the principal axes, nm", *(" x ".join(map(length, one["axes_nm"])) for one in sizes.values())],
        *(
            [label, *(_cell(one[key]) for one in sizes.values())]
            for key, label in SIZES.items()
            if any(one[key] is not None for one in sizes.values())
        ),
    ]
    shown = [
        Shown(path, f"Structure {number} (blue) over structure 1 (orange), aligned.")
        for number, path in pictures.items()
    ]
    links = [(f"Structure {number}", f"structure-{number}/{REPORT}") for number in sizes]
    sections = [
        Section("Shares", sentences, [head, *rows]),
        Section("What differs", list(differences.values()), pictures=shown),
        Section(
            "The run of each structure",
            [
                "Each is a run of the particles that are assigned to it, which goes on from the classification; structures.csv "
                "has the probability of each structure for each particle. The run of all particles, with one structure, is in "
                "the folder consensus."
            ],
            links=[*links, ("All particles", f"consensus/{REPORT}")],
            commands=[
                f"holly-triton measure {quote(str(folder / 'structure-1'))}",
                f"holly-triton evaluate {quote(str(folder))}",
            ],
        ),
    ]
    write_sections(folder / REPORT, folder.resolve().name, classes_headline(found), sections, warnings)


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else length(value)
