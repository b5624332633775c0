"""Grammar of counts, as messages and reports need it."""

from collections.abc import Sequence
from typing import Any


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun: ``1 picture``, ``3 pictures``, ``0 fiducial beads``.

    Args:
        number: How many.
        one: The noun for one.
        several: The noun for any other number; ``one`` and an s if not given.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"


def enumerated(texts: Sequence[str]) -> str:
    """Some texts in a row: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def part_of(part: int, whole: int, one: str, rest: str) -> str:
    """How many of all, and what holds for them: ``1 of 9 pictures shows no light and was skipped``.

    Args:
        part: How many.
        whole: Of how many.
        one: The noun for one of them, whose plural has an s.
        rest: What holds for them, with each verb in the plural and in braces: ``{show} no light and {were} skipped``.
    """
    return f"{part} of {counted(whole, one)} {rest.format_map(_Single() if part == 1 else _Several())}"


def spanned(least: Any, most: Any, form: str = "") -> str:
    """A range of figures, each in the same form: ``3 to 24``; one figure where both are written alike: ``24``."""
    ends = f"{least:{form}}", f"{most:{form}}"
    return " to ".join(dict.fromkeys(ends))


def rounded(value: float) -> str:
    """A figure to three digits, and large ones to the unit: ``0.0512``, ``13.1``, ``1024``."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


class _Several(dict[str, str]):
    """Verbs in the plural."""

    def __missing__(self, verb: str) -> str:
        return verb


class _Single(dict[str, str]):
    """The same verbs in the singular."""

    def __init__(self) -> None:
        super().__init__(are="is", were="was", have="has")

    def __missing__(self, verb: str) -> str:
        return verb + "s"


def in_capitals(name: str, initials: str) -> str:
    """A name of which the letters may be small; one with another initial stays as it was typed, for the message on it."""
    return name.upper() if name[:1].upper() in initials else name
