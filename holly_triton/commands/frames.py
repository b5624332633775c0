"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from .frames_calibrate import calibrate
from .frames_demo import demo
from .frames_evaluate import evaluate
from .frames_fit import fit
from .frames_localise import localise
from .frames_reproduce import reproduce
from .frames_simulate import simulate
from .frames_train import train


@click.group()
def frames() -> None:
    """Localise single emitters in 3D in camera frames.

    A network does so that was trained on simulated frames; nothing has to be labelled. Start with `holly-triton frames
    demo`. For a microscope of your own: `calibrate` with a stack of beads, `train` with the PSF that it writes and your
    camera, `localise` a movie. `pick` and `train` of particles read the localisations.
    """


for command in (demo, calibrate, simulate, train, localise, fit, evaluate, reproduce):
    frames.add_command(command)
