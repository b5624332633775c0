"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from .frames_calibrate import calibrate
from .frames_evaluate import evaluate
<<<<<<< HEAD
from .frames_localise import localise
=======
from .frames_fit import fit
>>>>>>> fit
from .frames_simulate import simulate
from .frames_train import train


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""


<<<<<<< HEAD
for command in (calibrate, simulate, train, localise, evaluate):
=======
for command in (calibrate, simulate, fit, evaluate):
>>>>>>> fit
    frames.add_command(command)
