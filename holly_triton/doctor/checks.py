"""The result of one check, and results in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["works", "fails", "absent", "unused"]


@dataclass(frozen=True)
class Check:
    """One thing that was tried or looked for.

    Attributes:
        name: What.
        state: ``"works"``; ``"fails"``, although it is installed or needed; ``"absent"``, and optional; ``"unused"`` here.
        found: Version, device, error or reason.
        remedy: What to do about it, often a command; empty where nothing is to be done.
        essential: Whether the program is of no use without it.
    """

    name: str
    state: State
    found: str
    remedy: str = ""
    essential: bool = False


def healthy(checks: Sequence[Check]) -> bool:
    """Whether everything that is essential works."""
    return all(check.state == "works" for check in checks if check.essential)


def in_words(checks: Sequence[Check]) -> str:
    """A line for each check, and its remedy below it where there is one."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:<6}  {check.name:<{width}}  {check.found}")
        if check.remedy:
            lines.append(f"{'':<8}{'':<{width}}  to do: {check.remedy}")
    return "\n".join(lines)
