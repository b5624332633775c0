"""The group ``holly-triton tomo``: macromolecules in cryo-electron tomograms."""

import click


@click.group()
def tomo() -> None:
    """Locate, classify and average macromolecules in cryo-electron tomograms."""
