"""``holly-triton tomo simulate``: crowded tomograms with their truth, or subtomograms."""

import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import click

from holly_triton.tomography.config.network import Device
from holly_triton.tomography.config.simulation import BOX, QUICK, SimulationSettings, TomogramSettings

from ..following import say_next
from ..options import SEED, SOME_PATH, Number, check_length, of_setting, words

DEFAULT, TOMOGRAM = SimulationSettings(), TomogramSettings()
SIZE = f"{TOMOGRAM.size_x}x{TOMOGRAM.size_y}x{TOMOGRAM.size_z}"


class Size(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Sides in voxels: one for a cube, or ``XxYxZ``."""

    name = "size"
    least, most = 8, 8192

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        """(x, y, z), or a usage error."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) not in (1, 3) or not all(
            side.isascii() and side.isdecimal() and self.least <= int(side) <= self.most for side in sides
        ):
            self.fail(f"{value} is neither a side nor XxYxZ in voxels, from {self.least} to {self.most}.", param, ctx)
        x, y, z = (int(side) for side in (sides if len(sides) == 3 else 3 * sides))
        return x, y, z


@click.command()
@click.argument("out", type=SOME_PATH)
@click.option("--structures", metavar="LIST", help=f"Names or files with commas between them, each optionally with a number: groel:30. [default: {TOMOGRAM.structures}]")  # fmt: skip
@click.option("--tomograms", type=click.IntRange(min=1), metavar="N", help="[default: 1]")
@click.option("--particles", type=of_setting(TomogramSettings, "particles"), metavar="N", help=f"Of each structure without a number of its own. [default: {TOMOGRAM.particles}]")  # fmt: skip
@click.option("--membranes", type=of_setting(TomogramSettings, "membranes"), metavar="N", help=f"Vesicles and sheets. [default: {TOMOGRAM.membranes}]")  # fmt: skip
@click.option(
    "--gold", type=of_setting(TomogramSettings, "gold"), metavar="N", help="Gold beads of 100 Å. [default: 0]"
)
@click.option("--size", type=Size(), metavar="N|XxYxZ", help=f"Voxels. [default: {SIZE}]")
@click.option(
    "--voxel-size",
    type=of_setting(TomogramSettings, "voxel_size"),
    metavar="A",
    help=f"Å. [default: {TOMOGRAM.voxel_size:g}]",
)
@click.option("--resolution", type=of_setting(TomogramSettings, "resolution"), metavar="A", help="At which structures are drawn, Å. [default: 2 voxels]")  # fmt: skip
@click.option("--snr", type=of_setting(TomogramSettings, "snr"), metavar="X", help=f"Var(signal) / Var(noise) in the particles' boxes. [default: {TOMOGRAM.snr}]")  # fmt: skip
@click.option("--no-noise", is_flag=True, help="Add no noise.")
@click.option("--tilt", type=of_setting(TomogramSettings, "tilt"), metavar="DEG", help=f"Tilts run from -DEG to DEG. [default: {TOMOGRAM.tilt:g}]")  # fmt: skip
@click.option("--step", type=of_setting(TomogramSettings, "step"), metavar="DEG", help=f"Between tilts. [default: {TOMOGRAM.step:g}]")  # fmt: skip
@click.option("--defocus", type=Number(0, 100), metavar="UM", help=f"Underfocus in um. [default: {TOMOGRAM.optics.defocus_um:g}]")  # fmt: skip
@click.option("--dose", type=Number(0), metavar="E", help="Of the whole series, e/Å2, which fades fine detail. [default: none]")  # fmt: skip
@click.option("--contrast", type=click.Choice(["dark", "bright"]), help="Of protein on its ground. [default: dark]")
@click.option("--path", type=click.Choice(["series", "whole"]), help="Through a tilt series and its reconstruction, or by the transform of the whole volume, which is faster. [default: series]")  # fmt: skip
@click.option("--subtomograms", type=click.IntRange(min=1), metavar="N", help="In place of tomograms write N boxes of each structure, and of noise alone; --size is the side of a box. [default side: 40]")  # fmt: skip
@click.option("--config", type=SOME_PATH, metavar="FILE", help="Settings (TOML), such as the settings.toml of an earlier simulation; options take precedence.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A small tomogram, in seconds; not with --config.")
@click.option("--seed", type=SEED, metavar="I", help="The same seed gives the same bytes on a CPU. [default: 0]")
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Go on where a stopped simulation was, with the same options.")
@click.option("--overwrite", is_flag=True, help="Replace the simulation in an existing folder.")
def simulate(
    out: Path, config: Path | None, quick: bool, device: str, resume: bool, overwrite: bool, **given: Any
) -> None:
    """Simulate crowded tomograms with their truth in the folder OUT.

    It writes tomogram_1.mrc and so on, their label volumes labels_1.mrc, the particles with classes, positions and rotations
    in truth.star and truth.csv, and settings.toml. With --subtomograms it writes subtomograms.h5. Ctrl-C keeps what is
    finished; the same command with --resume continues.

    Structures are names that ship with the package or files: maps (MRC, EM), models (PDB, mmCIF), clouds.

    \b
    Examples:
      holly-triton tomo simulate tomograms --tomograms 5
      holly-triton tomo simulate crowd --structures ribosome,groel:40,1bxn.pdb --size 256x256x100 --voxel-size 10 --snr 0.05
      holly-triton tomo simulate boxes --subtomograms 500 --voxel-size 9.2 --snr 0.1
    """
    if resume and overwrite:
        raise click.UsageError("--resume continues what is there and --overwrite replaces it; give one of them")
    if given["snr"] is not None and given["no_noise"]:
        raise click.UsageError("--snr and --no-noise contradict each other; give one of them")
    check_length(quick, config)
    from holly_triton.core.config import read_config
    from holly_triton.core.device import find_device
    from holly_triton.core.stop import STOPPED
    from holly_triton.tomography.simulate.command import simulate as make
    from holly_triton.tomography.simulate.progress import StoppedError

    base = DEFAULT if config is None else read_config(config, SimulationSettings)
    if quick:
        base = replace(base, tomogram=replace(base.tomogram, **dict[str, Any](QUICK)))
    try:
        settings = changed(base, given)
        lines = make(out, settings, find_device(device), overwrite=overwrite, resume=resume)
    except StoppedError as stopped:
        click.echo(stopped)
        sys.exit(STOPPED)
    click.echo("\n".join(lines))
    say_next(what_follows(out, settings))


def what_follows(out: Path, settings: SimulationSettings) -> str:
    """The command that usually follows. One tomogram is none to train on: thresholds are chosen on another."""
    if settings.subtomograms is not None:
        return f"holly-triton tomo classify {quote(str(out / 'subtomograms.h5'))} classes --train"
    if settings.tomograms > 1:
        return f"holly-triton tomo train {quote(str(out))} model.pt"
    return f"holly-triton tomo info {quote(str(out / 'tomogram_1.mrc'))}"


def changed(base: SimulationSettings, given: dict[str, Any]) -> SimulationSettings:
    """Settings with the options that were given."""
    said = {name: value for name, value in given.items() if value is not None}
    whole: dict[str, Any] = {name: said[name] for name in ("tomograms", "subtomograms", "seed") if name in said}
    optics = {field: said[name] for name, field in OPTICS.items() if name in said}
    scene = {name: said[name] for name in SCENE if name in said}
    boxes = said.get("subtomograms") or base.subtomograms
    if boxes and (unused := [name for name in OF_TOMOGRAMS if name in said]):
        raise click.UsageError(f"--{unused[0]} is for tomograms; leave it out for subtomograms")
    if "size" in said:
        x, y, z = said["size"]
        if boxes:
            if not x == y == z:
                raise click.UsageError("subtomograms are cubes: give --size one side")
            if not BOX.hold(x):
                raise click.BadParameter(
                    f"the side of a subtomogram is {Size.least} to {BOX.most} voxels, not {x}.", param_hint="--size"
                )
            whole["box"] = x
        else:
            scene |= {"size_x": x, "size_y": y, "size_z": z}
    if said["no_noise"]:
        scene["snr"] = None
    tomogram = replace(base.tomogram, optics=replace(base.tomogram.optics, **optics), **scene)
    return replace(base, tomogram=tomogram, **whole)


OPTICS = {"defocus": "defocus_um", "dose": "dose", "contrast": "contrast"}
SCENE = ("structures", "particles", "membranes", "gold", "voxel_size", "resolution", "snr", "tilt", "step", "path")
OF_TOMOGRAMS = ("tomograms", "particles", "membranes", "gold", "step", "path")
"""Options that subtomograms have no use for."""
