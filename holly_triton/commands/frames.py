"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from .frames_calibrate import calibrate
from .frames_evaluate import evaluate
from .frames_localise import localise
from .frames_reproduce import reproduce
from .frames_simulate import simulate
from .frames_train import train


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames."""


for command in (calibrate, simulate, train, localise, evaluate, reproduce):
    frames.add_command(command)
