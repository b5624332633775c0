"""The group ``holly-triton tomo``: macromolecules in cryo-electron tomograms."""

import click

from ..groups import InOrder, OnFirstUse

COMMANDS = OnFirstUse(
    __name__, "tomo", "demo info simulate train pick match evaluate combine average classify discover render reproduce"
)


@click.group(cls=InOrder, commands=COMMANDS)
def tomo() -> None:
    """Locate, classify and average macromolecules in cryo-electron tomograms. Start with `holly-triton tomo demo`."""
