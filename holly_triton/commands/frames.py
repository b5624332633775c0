"""The group ``holly-triton frames``: from camera frames to localisations."""

import click


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""
