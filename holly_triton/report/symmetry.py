"""The symmetry sentence: the symmetries of a cloud as the report, ``measure`` and the end of ``train`` state them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.words import counted
from holly_triton.io.metrics import Imposed
from holly_triton.validation.angular_order import SIGNIFICANT, Order
from holly_triton.validation.symmetry import APART_DEG, KEPT, Symmetry

ACROSS = np.sin(np.deg2rad(APART_DEG))
"""Cosine of the angle between two axes that count as perpendicular, at most."""
ALONG = np.cos(np.deg2rad(1.0))
"""Cosine of the largest angle between an axis and x, y or z that it is named after."""
UNDECIDED = 3
"""Orders about one axis, none of them implied by another, from which on the order is not determined."""


def axis_in_words(axis: Sequence[float] | NDArray[np.float64]) -> str:
    """An axis as x, y or z, where it lies within a degree of one of them, or else as its unit vector."""
    unit = np.asarray(axis, dtype=np.float64)
    main = int(np.argmax(np.abs(unit)))
    unit = unit * np.sign(unit[main])
    return "xyz"[main] if unit[main] > ALONG else "({:.2f}, {:.2f}, {:.2f})".format(*(unit.round(2) + 0.0))


def explain_symmetries(symmetries: Sequence[Symmetry]) -> str:
    """The operations that ``find_symmetries`` found and that the data do not contradict; of none, how near the nearest comes."""
    found = [s for s in symmetries if s.verdict != "not"]
    held = [s for s in found if s.supported is not False]
    if not found:
        return (
            "No C2-C12 rotational symmetry and no mirror plane were detected. Label scatter or outliers may mask a symmetry "
            "of the structure."
        )
    scale = f"point spacing {symmetries[0].spacing_nm:.1f} nm"
    if not held:
        near = min(found, key=lambda s: s.loss_change or 0)
        return (
            f"No C2-C12 rotational symmetry and no mirror plane is supported by the data: the nearest, {_one(near.name)} (RMSD "
            f"{near.rmsd_nm:.2g} nm, {scale}), raises the loss by {near.loss_change or 0:.0%} when it is imposed."
        )
    if symmetries[0].positional_error_nm is not None:
        scale += f", positional error about {symmetries[0].positional_error_nm:.2g} nm"
    true = [s for s in held if s.verdict == "symmetric"]
    # About the axis of a rotation under which points coincide, other orders are no rivals.
    near_ones = [
        s
        for s in held
        if s.verdict == "nearly" and (not _order(s) or not any(_parallel(s, one) for one in true if _order(one)))
    ]
    lines = []
    if true:
        lines.append(
            f"The point cloud has, in the frame of cloud.ply, {_listed(true)} at the level of individual points ({scale})."
        )
    if near_ones:
        also = "also approximately symmetric" if true else "approximately symmetric, in the frame of cloud.ply,"
        lines.append(f"To within the point spacing it is {also} under {_listed(near_ones)} ({scale}).")
    if not any(s.supported for s in held):
        return " ".join([*lines, "It was not tested against the data."])
    lines.append("The data are compatible with the symmetry.")
    if any(s.supported for s in true):
        lines.append(
            "This test cannot detect asymmetry that was already lost during reconstruction; independent half sets can."
        )
    return " ".join(lines)


def explain_standing(order: Order) -> str:
    """An order of rotation that stands out among the angles of the points, although these do not coincide when turned."""
    return (
        f"About the axis of the shape{_of_cloud(order.axis)}, order {order.order} stands out among the angles of the points: amplitude "
        f"{order.amplitude:.2f} of 1, that of the next, order {order.next_order}, {order.next_strength**0.5:.2f}. Independent half "
        "sets test it (--half-sets)."
    )


def explain_imposed(imposed: Imposed) -> str:
    """What was imposed, and what held-out particles lose or gain by it."""
    axes = {"C": "about z", "D": "about z and x"}.get(imposed.symmetry[0], "with axes along x, y and z")
    said = f"The symmetry {imposed.symmetry}, {axes} of cloud.ply, was imposed, so that the points have it whatever the data."
    if imposed.gain is None or imposed.gain_error is None:
        return f"{said} Whether held-out particles support it was not compared."
    change = "lose" if imposed.gain < 0 else "gain"
    verdict = "the data contradict the symmetry" if imposed.is_contradicted else "they do not contradict it"
    return (
        f"{said} {counted(imposed.held_out, 'held-out particle')} {change} {abs(imposed.gain):.3f} ± {imposed.gain_error:.3f} "
        f"by it in the mean log-likelihood of a {imposed.seen}, compared with the same run without it: {verdict}."
    )


def warn_of_imposed(imposed: Imposed | None) -> list[str]:
    """A sentence where held-out particles contradict a symmetry that was imposed; none elsewhere."""
    return [explain_imposed(imposed)] if imposed is not None and imposed.is_contradicted else []


def explain_contradicted(symmetries: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence about symmetries that the points have and the data contradict, from their figures; None where there are none."""
    against = [s for s in symmetries if s["verdict"] == "symmetric" and s["supported"] is False]
    rises: dict[str, float] = {}
    for one in against:
        rises[one["name"]] = min(one["loss_change"], rises.get(one["name"], float("inf")))
    if not rises:
        return None
    each = ", ".join(f"{_one(name)} by {rise:.0%}" for name, rise in rises.items())
    return f"The points coincide under operations that the data disfavour; imposing them raises the loss: {each}."


def explain_order(figures: Mapping[str, Any]) -> str:
    """The rotational symmetry about the axis of the fitted shape, from the figures of ``measure``, in clauses."""
    symmetry, turns, confirmed, parts = figures["symmetry"], figures["turns"], figures["confirmed"], []
    if figures.get("imposed"):
        return f"{figures['imposed']} was imposed; the points show no other"
    if turns is not None:
        following = turns["next_strength"] ** 0.5
        stands = (
            "has the largest amplitude," if turns["amplitude"] > following else "does not stand out: its amplitude is"
        )
        parts.append(
            f"about the axis{_of_cloud(turns['axis'])}, order {turns['order']} {stands} {turns['amplitude']:.2f} of 1 (order "
            f"{turns['next_order']}: {following:.2f})"
        )
        parts.append(_tested_in_words(confirmed))
    if symmetry is not None and symmetry["verdict"] == "symmetric":
        axis = "" if turns is not None else f" about the axis{_of_cloud(symmetry['axis'])}"
        parts.append(f"points coincide after rotation by {360 / symmetry['order']:.4g} degrees{axis}")
        known = symmetry["positional_error"]
        parts.append(
            f"RMSD {symmetry['rmsd']:.2g} nm, point spacing {symmetry['spacing']:.1f} nm"
            + ("" if known is None else f", positional error about {known:.2g} nm")
        )
    elif turns is None:
        parts.append("no C2-C12 rotational symmetry of the points was detected")
    if symmetry is not None and symmetry["supported"]:
        change = symmetry["loss_change"]
        parts.append(
            "compatible with the data" + ("" if change is None else f" (loss {_percent(change)}% when imposed)")
        )
    elif symmetry is not None:
        parts.append("not tested against the data")
    return "; ".join(parts)


def _of_cloud(axis: Sequence[float] | NDArray[np.float64] | None) -> str:
    """Which axis it is, behind the word."""
    return "" if axis is None else f" {axis_in_words(axis)} of cloud.ply"


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


def _listed(symmetries: Sequence[Symmetry]) -> str:
    """Each kind once, with its axes, its least RMSD and, where known, the change of the loss; what others imply is left out.

    C8 implies C4 and C2 about the same axis. Where orders that exclude each other were found about one axis, none is.
    """
    kept = [s for s in symmetries if not any(_implies(other, s) for other in symmetries)]
    turns, texts = [s for s in kept if s.name != "mirror"], []
    main = max(turns, key=lambda s: (sum(_parallel(s, other) for other in turns), _order(s)), default=None)
    rivals = [] if main is None else [s for s in turns if _parallel(s, main)]
    if len(rivals) >= UNDECIDED:
        nearest = min(rivals, key=lambda s: s.rmsd_nm)
        orders = sorted({_order(s) for s in rivals})
        texts.append(
            f"rotation about {axis_in_words(nearest.axis)}, its order not determined (C{orders[0]} to C{orders[-1]}, of which {nearest.name} is "
            f"nearest: {_figures([nearest])})"
        )
        kept, main = [s for s in kept if all(s is not other for other in rivals)], None
    for name in dict.fromkeys(s.name for s in sorted(kept, key=_order, reverse=True)):
        alike = [s for s in kept if s.name == name]
        texts.append(f"{_described(alike, main)} ({_figures(alike)})")
    return ", ".join(texts)


def _order(symmetry: Symmetry) -> int:
    """That of a rotation; 0 of a mirror plane."""
    return 0 if symmetry.name == "mirror" else int(symmetry.name[1:])


def _parallel(one: Symmetry, other: Symmetry) -> bool:
    return bool(abs(one.axis @ other.axis) > np.cos(np.deg2rad(APART_DEG)))


def _implies(one: Symmetry, other: Symmetry) -> bool:
    """Whether the second is a power of the first."""
    higher, lower = _order(one), _order(other)
    return 0 < lower < higher and higher % lower == 0 and _parallel(one, other)


def _figures(alike: Sequence[Symmetry]) -> str:
    changes = sorted({_percent(s.loss_change) for s in alike if s.loss_change is not None}, key=int)
    change = " to ".join(f"{percent}%" for percent in (changes[0], changes[-1])[: len(changes)]) if changes else ""
    return f"RMSD {alike[0].rmsd_nm:.2g} nm" + (f", loss {change} when imposed" if change else "")


def _percent(share: float) -> str:
    """A change in whole per cent with its sign, of which zero has none."""
    percent = round(100 * share)
    return f"{percent:+d}" if percent else "0"


def _described(alike: Sequence[Symmetry], main: Symmetry | None) -> str:
    """Operations of one kind: ``a mirror plane normal to x``, ``C8 about z``, ``C2 about axes perpendicular to that of C8``."""
    name, count = alike[0].name, len(alike)
    number = f"at least {count}" if count == KEPT else str(count)
    if name == "mirror":
        return f"a mirror plane normal to {axis_in_words(alike[0].axis)}" if count == 1 else f"{number} mirror planes"
    text = f"{name} about {axis_in_words(alike[0].axis) if count == 1 else f'{number} axes'}"
    if main is None or any(s is main for s in alike) or max(abs(s.axis @ main.axis) for s in alike) > ACROSS:
        return text
    return f"{name} about {'an axis' if count == 1 else 'axes'} perpendicular to that of {main.name}"


def _one(name: str) -> str:
    return "a mirror plane" if name == "mirror" else name
