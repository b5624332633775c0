"""The group ``holly-triton frames``: from camera frames to localisations."""

import click

from ..groups import InOrder, OnFirstUse

COMMANDS = OnFirstUse(__name__, "frames", "demo calibrate simulate train localise fit undrift evaluate reproduce")


@click.group(cls=InOrder, commands=COMMANDS)
def frames() -> None:
    """Localise single emitters in 3D in camera frames.

    A network does so that was trained on simulated frames; nothing has to be labelled. Start with `holly-triton frames
    demo`. For a microscope of your own: `calibrate` with a stack of beads, `train` with the PSF that it writes and your
    camera, `localise` a movie. `pick` and `train` of particles read the localisations.
    """
