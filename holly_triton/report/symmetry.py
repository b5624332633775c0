"""The symmetry sentence: the symmetries of a cloud as the report, ``measure`` and the end of ``train`` state them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from holly_triton.validation.angular_order import SIGNIFICANT
from holly_triton.validation.symmetry import KEPT, Symmetry


def explain_symmetries(symmetries: Sequence[Symmetry]) -> str:
    """The operations that ``find_symmetries`` found, in sentences."""
    true, near = ([s for s in symmetries if s.verdict == verdict] for verdict in ("symmetric", "nearly"))
    if not true and not near:
        return (
            "No C2-C12 rotational symmetry and no mirror plane were detected. Label scatter or outliers may mask a symmetry "
            "of the structure."
        )
    lines, scale = [], f"point spacing {symmetries[0].spacing_nm:.1f} nm"
    if symmetries[0].positional_error_nm is not None:
        scale += f", positional error about {symmetries[0].positional_error_nm:.2g} nm"
    if true:
        lines.append(f"The point cloud has {_listed(true)} at the level of individual points ({scale}).")
    if near:
        also = "also approximately" if true else "approximately"
        lines.append(f"To within the point spacing it is {also} symmetric under {_listed(near)} ({scale}).")
    against = [s for s in true + near if s.supported is False]
    if against:
        rise = max(s.loss_change or 0 for s in against)
        lines.append(f"The data disfavour {_kinds(against)}: imposing it raises the loss by up to {rise:.0%}.")
    if any(s.supported for s in true + near):
        lines.append(
            f"The {'other symmetries are' if against else 'data are'} compatible with the {'data' if against else 'symmetry'}."
        )
        if any(s.supported for s in true):
            lines.append(
                "This test cannot detect asymmetry that was already lost during reconstruction; independent half sets can."
            )
    elif not against:
        lines.append("It was not tested against the data.")
    return " ".join(lines)


def explain_order(figures: Mapping[str, Any]) -> str:
    """The rotational symmetry about the axis of the fitted shape, from the figures of ``measure``, in clauses."""
    symmetry, turns, confirmed, parts = figures["symmetry"], figures["turns"], figures["confirmed"], []
    if turns is not None:
        parts.append(
            f"about the axis, order {turns['order']} has the largest amplitude, {turns['amplitude']:.2f} of 1 (order "
            f"{turns['next_order']}: {turns['next_strength'] ** 0.5:.2f})"
        )
        parts.append(_tested_in_words(confirmed))
    if symmetry is not None and symmetry["verdict"] == "symmetric":
        parts.append(f"points coincide after rotation by {360 / symmetry['order']:.4g} degrees")
        known = symmetry["positional_error"]
        parts.append(
            f"RMSD {symmetry['rmsd']:.2g} nm, point spacing {symmetry['spacing']:.1f} nm"
            + ("" if known is None else f", positional error about {known:.2g} nm")
        )
    elif turns is None:
        parts.append("no C2-C12 rotational symmetry of the points was detected")
    if symmetry is not None and symmetry["supported"]:
        change = symmetry["loss_change"]
        parts.append("compatible with the data" + ("" if change is None else f" (loss {change:+.0%} when imposed)"))
    elif symmetry is not None:
        parts.append("not tested against the pictures")
    return "; ".join(parts)


def _tested_in_words(confirmed: Mapping[str, Any] | None) -> str:
    if confirmed is None:
        return "no p-value without independent half sets"
    first, second = confirmed["amplitudes"]
    if confirmed["order"] is None:
        return f"the half sets differ (orders {confirmed['orders'][0]} and {confirmed['orders'][1]}): not significant"
    return (
        f"held-out half sets give order {confirmed['order']} with amplitudes {first:.2f} and {second:.2f} (p = "
        f"{confirmed['p_value']:.1g} after {confirmed['orders_tried']} orders; {SIGNIFICANT:g} is required)"
    )


def _kinds(symmetries: Sequence[Symmetry]) -> str:
    return ", ".join(_described(name, count) for name, count in _counted(symmetries).items())


def _listed(symmetries: Sequence[Symmetry]) -> str:
    """Each kind once, with the number of its axes, its least RMSD and, where known, the changes of the loss."""
    texts = []
    for name, count in _counted(symmetries).items():
        alike = [s for s in symmetries if s.name == name]
        changes = sorted({_percent(s.loss_change) for s in alike if s.loss_change is not None}, key=int)
        change = (
            f", loss {' to '.join(f'{percent}%' for percent in (changes[0], changes[-1])[: len(changes)])}"
            if changes
            else ""
        )
        texts.append(f"{_described(name, count)} (RMSD {alike[0].rmsd_nm:.2g} nm{change})")
    return ", ".join(texts)


def _percent(share: float) -> str:
    """A change in whole per cent with its sign, of which zero has none."""
    percent = round(100 * share)
    return f"{percent:+d}" if percent else "0"


def _counted(symmetries: Sequence[Symmetry]) -> Counter[str]:
    return Counter(s.name for s in symmetries)


def _described(name: str, count: int = 1) -> str:
    """The operation: ``a mirror plane``, ``C3``, ``C2 about 3 axes``."""
    number = "a" if count == 1 else f"{count} or more" if count == KEPT else str(count)
    if name == "mirror":
        return f"{number} mirror plane{'s' * (count > 1)}"
    return name if count == 1 else f"{name} about {number} axes"
