"""The group ``holly-triton tomo``: macromolecules in cryo-electron tomograms."""

import click

from .pick import pick
from .train import train


@click.group()
def tomo() -> None:
    """Locate, classify and average macromolecules in cryo-electron tomograms."""


for command in (train, pick):
    tomo.add_command(command)
