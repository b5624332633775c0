"""A deformation, of which each particle has an amplitude, in sentences."""

from collections.abc import Mapping
from typing import Any

from holly_triton.core.words import counted
from holly_triton.io.metrics import SEEN

from .numbers import length


def explain_deformation(found: Mapping[str, Any]) -> str:
    """``deformation_in_words`` as a paragraph of its own."""
    return f"Deformation: {deformation_in_words(found)}"


def deformation_in_words(found: Mapping[str, Any]) -> str:
    """How far the particles deform, and whether held-out particles prefer that over a rigid structure."""
    held = found["held_out"]
    said = (
        f"the amplitudes of {counted(found['particles'], 'particle')} have a standard deviation of {length(found['sd_nm'])} nm "
        f"(root-mean-square displacement of the points), and each an error of about {length(found['error_nm'])} nm."
    )
    if held is None:
        return (
            f"{said} No particles were held out, so nothing is known of whether they deform at all; more particles or a larger "
            "--held-out are needed."
        )
    if held["preferred"]:
        verdict = "prefer the deformation over a rigid structure"
    elif held["gain"] > 0:
        verdict = "do not decide between the deformation and a rigid structure"
    else:
        verdict = "do not prefer the deformation over a rigid structure"
    return (
        f"{said} {counted(held['particles'], 'held-out particle')} {verdict}: it {'raises' if held['gain'] > 0 else 'lowers'} the mean log-likelihood of a {held.get('seen', SEEN)} by "
        f"{abs(held['gain']):.3f} (natural logarithm), with a standard error of {held['standard_error']:.3f}."
    )
