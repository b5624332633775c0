"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

<<<<<<< HEAD
from . import frames_evaluate
=======
from .frames_calibrate import calibrate
>>>>>>> psf


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""


<<<<<<< HEAD
frames.add_command(frames_evaluate.evaluate)
=======
frames.add_command(calibrate)
>>>>>>> psf
