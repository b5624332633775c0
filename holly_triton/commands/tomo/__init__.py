"""The group ``holly-triton tomo``: macromolecules in cryo-electron tomograms."""

import click

from ..options import InOrder
from .average import average
from .classify import classify
from .combine import combine
from .demo import demo
from .discover import discover
from .evaluate import evaluate
from .info import info
from .match import match
from .pick import pick
from .render import render
from .reproduce import reproduce
from .simulate import simulate
from .train import train


@click.group(cls=InOrder)
def tomo() -> None:
    """Locate, classify and average macromolecules in cryo-electron tomograms. Start with `holly-triton tomo demo`."""


for command in (
    demo, info, simulate, train, pick, match, evaluate, combine, average, classify, discover, render, reproduce,
):  # fmt: skip
    tomo.add_command(command)
