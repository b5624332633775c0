"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from .frames_calibrate import calibrate


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""


frames.add_command(calibrate)
