"""Which particles of two lists are compared: those of the same tomograms, and of the requested classes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.words import counted
from holly_triton.io.particle_lists.particle_list import ParticleList

Lists = tuple[ParticleList, ParticleList]
Paths = tuple[Path, Path]
MOST_NAMED = 5
"""Names that a message lists."""


def of_classes(lists: Lists, classes: Sequence[str] | None, paths: Paths) -> Lists:
    """The particles of some classes; all for None.

    Raises:
        HollyError: A class that neither list has.
    """
    if classes is None:
        return lists
    known = {*lists[0].classes, *lists[1].classes}
    for name in classes:
        if name not in known:
            raise HollyError(
                f"--classes: neither {paths[0]} nor {paths[1]} has a class {name}; theirs are {_some(known)}"
            )
    first, second = (each.take(np.isin(each.labels, list(classes))) for each in lists)
    return first, second


def of_same_tomograms(lists: Lists, wanted: Sequence[str] | None, paths: Paths) -> tuple[Lists, list[str]]:
    """The particles of the tomograms that are compared, and sentences about what was assumed or left out.

    A list that states no tomogram is of that of the other one, and two lists of one tomogram each are of the same.

    Args:
        lists: Picks and truth.
        wanted: Names of tomograms; None takes those that both lists have, so that a truth of several tomograms serves for the
            picks of one. All of the truth's are taken where there are no picks.
        paths: Where the lists are from.

    Raises:
        HollyError: A wanted tomogram is in neither list, none is in both, or a list that states none could be of several.
    """
    lists, said = named_alike(lists, paths)
    picks, truth = (_names(each) for each in lists)
    for name in wanted or ():
        if name not in picks | truth:
            raise HollyError(
                f"--tomograms: neither {paths[0]} nor {paths[1]} has a tomogram {name}; theirs are {_some(picks | truth)}"
            )
    if wanted is None:
        check_common(lists, paths)
    both = picks & truth if picks and truth else picks | truth
    compared = both if wanted is None else set(wanted)
    if wanted is None and (rest := truth - compared):
        said.append(
            f"{counted(len(rest), 'tomogram')} of the truth without any pick left out: {_some(rest)}; --tomograms includes them."
        )
    if wanted is None and (rest := picks - compared):
        said.append(f"{counted(len(rest), 'tomogram')} of the picks without a truth left out: {_some(rest)}.")
    first, second = (each.take(np.isin(each.tomograms, sorted(compared))) for each in lists)
    return (first, second), said


def check_common(lists: Lists, paths: Paths) -> None:
    """Refuse lists that are of different tomograms.

    Raises:
        HollyError: They are.
    """
    first, second = (_names(each) for each in lists)
    if first and second and not first & second:
        raise HollyError(
            f"{paths[0]}: its tomograms are {_some(first)}, and those of {paths[1]} are {_some(second)}; none is in both"
        )


def named_alike(lists: Lists, paths: Paths) -> tuple[Lists, list[str]]:
    """The lists with one name for their only tomogram where one of them has another name for it, or none.

    Returns:
        The lists, and a sentence where two names were taken for one.

    Raises:
        HollyError: A list that states no tomogram could be of any of several.
    """
    names = [sorted(_names(each)) for each in lists]
    for one, other in ((0, 1), (1, 0)):
        if names[one] == [""] and len(names[other]) > 1:
            raise HollyError(
                f"{paths[one]}: states no tomogram, and {paths[other]} has {len(names[other])}; add a column tomogram with one of "
                f"{_some(names[other])}"
            )
    if len(names[0]) != 1 or len(names[1]) != 1 or names[0] == names[1]:
        return lists, []
    said = []
    if "" not in (names[0][0], names[1][0]):
        said.append(
            f"{paths[0]} is of the tomogram {names[0][0]} and {paths[1]} of {names[1][0]}; they are taken for the same."
        )
    name = names[1][0] or names[0][0]
    first, second = (replace(each, tomograms=np.full(len(each), name)) for each in lists)
    return (first, second), said


def _names(each: ParticleList) -> set[str]:
    return {str(name) for name in np.unique(each.tomograms)}


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
