"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from . import frames_evaluate


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""


frames.add_command(frames_evaluate.evaluate)
