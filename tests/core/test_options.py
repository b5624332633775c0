"""One option means one thing in every command: the same kind of value in the same unit, or it is listed here with its reason."""

from collections import defaultdict
from collections.abc import Iterator

import click
import pytest

from holly_triton.cli import main

HOMONYMS = {
    "--background": "treatment of pictures; photons of a simulated frame",
    "--beads": "a file to calibrate with; a number to simulate",
    "--channel": "of localisations by name or number; of a movie by number",
    "--classes": "names to compare; a number to sort into",
    "--cluster": "where jobs run; how picks are made; which cluster to average",
    "--drift": "whether to correct it; how far to let the sample drift",
    "--frames": "how many there are; which to compare",
    "--json": "figures on the output; bench writes its records to a file, which is large",
    "--model": "a file; in frames calibrate the model of the PSF",
    "--network": "the networks of a family",
    "--out": "whatever the command writes",
    "--precision": "of localisations in nm; of products on a GPU",
    "--preset": "the presets of a family",
    "--resume": "train and process take the folder to go on with in place of DATA",
    "--size": "pixels of a frame, voxels of a tomogram",
    "--step": "between planes in nm, between tilts in degrees; in bench the steps of trainings",
    "--structure": "what may be given in its place",
    "--structures": "names; a folder",
    "--symmetry": "one group; several by class",
    "--table": "tables of two papers",
    "--threshold": "of a probability, a score, or a height in standard deviations",
    "--tilt": "of views; of a tilt series, which may be uneven",
    "--tomograms": "how many to simulate; which to compare",
    "--truth": "what may be given in its place",
    "--width": "of a network; of a spot in nm",
}
"""Options whose values differ in kind between commands, and how. No other may be added without need."""


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield " ".join((*above, name)), command


def kind(option: click.Option) -> tuple[object, ...]:
    """Kind of the value, without its bounds, and the word that stands for it."""
    choices = tuple(sorted(option.type.choices)) if isinstance(option.type, click.Choice) else ()
    number = isinstance(option.type, (click.types.FloatParamType, click.types.FloatRange))
    return "number" if number else type(option.type).__name__, option.metavar, option.is_flag, choices


def kinds() -> dict[str, dict[tuple[object, ...], list[str]]]:
    """By option: the kinds of its value, and the commands of each."""
    found: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for words, command in commands(main):
        for option in command.params:
            if isinstance(option, click.Option):
                found[option.opts[0]][kind(option)].append(words)
    return found


KINDS = kinds()


@pytest.mark.parametrize("option", sorted(name for name in KINDS if name not in HOMONYMS))
def test_an_option_has_one_kind_of_value(option: str) -> None:
    assert len(KINDS[option]) == 1, dict(KINDS[option])


@pytest.mark.parametrize("option", HOMONYMS)
def test_what_is_listed_as_different_is(option: str) -> None:
    assert len(KINDS[option]) > 1


def test_sides_of_camera_pixels_and_voxels_are_bounded_in_every_command() -> None:
    sides = [
        option.type
        for words, command in commands(main)
        for option in command.params
        if ("--pixel-size" in option.opts and words.startswith(("frames ", "process")))
        or ({"--voxel-size", "--template-voxel-size"} & {*option.opts} and words.startswith("tomo "))
    ]
    assert len(sides) > 12
    for side in sides:
        assert isinstance(side, click.FloatRange)
        assert side.min is not None and side.min >= 0.1 and side.max is not None and side.max <= 1000
