"""Grammar of counts, as messages and reports need it."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun: ``1 picture``, ``3 pictures``, ``0 fiducial beads``.

    Args:
        number: How many.
        one: The noun for one.
        several: The noun for any other number; ``one`` and an s if not given.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"
