"""Options and types of values that commands share."""

import math
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any, get_args

import click

from holly_triton.core.config import Bounds, Settings, kinds
from holly_triton.core.jobs import Cluster, Where
from holly_triton.frames.config.common import PIXEL
from holly_triton.io.tables.reading import Axis, Background, Contrast, Unit, Weights
from holly_triton.io.units import UNIT_NM, unit_word
from holly_triton.tomography.config.common import VOXEL

SOME_PATH = click.Path(path_type=Path)
SEED = click.IntRange(0, 2**63 - 1)


class Number(click.FloatRange):
    """A finite number within bounds; NaN and infinity are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as a number, or a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        """The bounds in the help; nothing where there are none."""
        return "" if self.min is None and self.max is None else super()._describe_range()


class Renamed(click.Option):
    """An option whose former names, all but the first, still work and are not shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help, with the current name only."""
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


ABOVE_ZERO = Number(min=0, min_open=True)


def within(bounds: Bounds) -> Number:
    """A number within the bounds of a setting."""
    most = bounds.most if math.isfinite(bounds.most) else None
    return Number(bounds.least, most, min_open=bounds.open_least, max_open=bounds.open_most)


def of_setting(settings: type[Settings], name: str) -> click.ParamType[Any]:
    """The values of a numeric setting, so that one out of its bounds is refused by the name of the option."""
    kind = kinds(settings)[name]
    bounds = kind.bounds or Bounds(-math.inf)
    if kind.plain is int:
        return click.IntRange(math.ceil(bounds.least), int(bounds.most) if math.isfinite(bounds.most) else None)
    return within(bounds)


CAMERA_PIXEL = within(PIXEL)
VOXEL_SIDE = within(VOXEL)


def tilt_range(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, float]:
    """First and last tilt in degrees, from one angle or two, or a usage error."""
    try:
        ends = [float(part) for part in value.split(",")]
        least, most = (-abs(ends[0]), abs(ends[0])) if len(ends) == 1 else ends
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither an angle nor two, such as -42,60.", ctx, parameter) from None
    if not -90 <= least < most <= 90:
        raise click.BadParameter(f"{value} is no range within -90 and 90 degrees.", ctx, parameter)
    return least, most


def check_length(quick: bool, config: Path | None, preset: str | None = None) -> None:
    """Refuse --quick beside settings of a file or a preset, which state how long the work is."""
    for option, given in (("--config", config), ("--preset", preset)):
        if quick and given is not None:
            raise click.UsageError(f"--quick changes settings that {option} may state; give one of them")


def words(kind: Any) -> click.Choice[str]:
    """The words of a ``Literal`` type as the choices of an option."""
    return click.Choice(get_args(kind))


unit_nm_option = click.option(
    "--unit-nm", type=ABOVE_ZERO, metavar="NM",
    help=f"nm per unit of a cloud that states no unit: {UNIT_NM:g} for the HOLLy paper's. [default: 1]",
)  # fmt: skip
amplitude_option = click.option(
    "--amplitude", type=Number(), metavar="A",
    help="The structure as it is at this amplitude of its deformation (train --deformation), in standard deviations of the amplitudes, such as 2 or -2.",
)  # fmt: skip
overwrite_out_option = click.option("--overwrite", is_flag=True, help="Replace an existing file OUT.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the run in an existing folder.")

CLUSTER = (
    click.option("--cluster", type=words(Where), help="Run each of several runs as a job: of Slurm, or on this machine."),
    click.option("--cluster-options", metavar="LIST", help="Slurm options, such as partition=gpu,gpus_per_node=1,time=60 (minutes)."),
)  # fmt: skip


def cluster_options(command: Any) -> Any:
    """Where several runs go, as ``find_cluster`` takes it."""
    for option in reversed(CLUSTER):
        command = option(command)
    return command


def find_cluster(where: Where | None, options: str | None) -> Cluster | None:
    """The requested cluster; None means that the runs are done here, one after the other."""
    if options is not None and where != "slurm":
        raise click.UsageError("--cluster-options go with --cluster slurm")
    return None if where is None else Cluster(where, options)


class UnitOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A unit of length, in any spelling, converted to the one that ``Reading`` uses."""

    name = "unit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The unit's own word, or a usage error."""
        unit = unit_word(value)
        if unit not in get_args(Unit):
            self.fail(f"{value!r} is not one of {', '.join(get_args(Unit))}.", param, ctx)
        return unit


unit_option = click.option(
    "--unit", type=UnitOption(), metavar="|".join(get_args(Unit)), help="Unit of the coordinates, where the file does not state it.",
)  # fmt: skip
TABLE = (
    unit_option,
    click.option("--pixel-size", type=ABOVE_ZERO, metavar="NM", help="Size of an input pixel in nm."),
    click.option("--columns", metavar="LIST", help="Which column holds what, and its unit, such as x=xc[px],z=zc[nm],particle=id; numbers count from 1, and the columns of a matrix pos are pos_1, pos_2, ..."),
    click.option("--channel", metavar="NAME|NUMBER", help="Read one channel of several."),
    click.option("--where", metavar="EXPR", help='Read only some rows, such as "valid = 1 and uncertainty < 20".'),
)  # fmt: skip
READING = (
    *TABLE,
    click.option("--axis", type=words(Axis), help="Viewing axis, for localisations in 3D. [default: z]"),
    click.option("--weights", type=words(Weights), help="Weight of each localisation, in a table. [default: equal]"),
    click.option("--crop", type=click.IntRange(min=2), metavar="PX", help="Crop pictures to PX pixels a side."),
    click.option("--background", type=words(Background), help="Treatment of the background, for pictures. [default: subtract]"),
    click.option("--contrast", type=words(Contrast), help="Contrast of particles in pictures; dark inverts them. [default: bright; pictures that appear dark are refused]"),
)  # fmt: skip


def table_options(command: Any) -> Any:
    """What a table of localisations may not state itself, as ``reading`` takes it."""
    for option in reversed(TABLE):
        command = option(command)
    return command


def reading_options(command: Any) -> Any:
    """What a data file may not state itself, under the names that ``Config`` uses."""
    for option in reversed(READING):
        command = option(command)
    return command


def reading(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The reading options that were given, as ``open_dataset`` takes them."""
    renamed = {"pixel_size": "pixel_size_nm"}
    return {renamed.get(name, name): value for name, value in settings.items() if value is not None}


def spelt(settings: Mapping[str, Any]) -> str:
    """The reading options that were given, as a shell takes them; each begins with a space."""
    given = {name.replace("_", "-"): value for name, value in settings.items() if value is not None}
    return "".join(f" --{name} {quote(str(value))}" for name, value in given.items())


def given_options(ctx: click.Context) -> list[str]:
    """Names of the options that were given, --resume left out, in contrast to those that have their default."""
    default = click.core.ParameterSource.DEFAULT
    return [
        param.name or ""
        for param in ctx.command.params
        if isinstance(param, click.Option)
        and param.name != "resume"
        and ctx.get_parameter_source(param.name or "") is not default
    ]
