"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from ..options import InOrder
from .calibrate import calibrate
from .demo import demo
from .evaluate import evaluate
from .fit import fit
from .localise import localise
from .reproduce import reproduce
from .simulate import simulate
from .train import train
from .undrift import undrift


@click.group(cls=InOrder)
def frames() -> None:
    """Localise single emitters in 3D in camera frames.

    A network does so that was trained on simulated frames; nothing has to be labelled. Start with `holly-triton frames
    demo`. For a microscope of your own: `calibrate` with a stack of beads, `train` with the PSF that it writes and your
    camera, `localise` a movie. `pick` and `train` of particles read the localisations.
    """


for command in (demo, calibrate, simulate, train, localise, fit, undrift, evaluate, reproduce):
    frames.add_command(command)
