"""The command line: the group of all commands, and the reporting of errors.

Exit codes: 0 done; 1 the data or the run is at fault; 2 wrong usage; 3 stopped by a signal, saved, resumable.
"""

import copy
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import click

import holly_triton
from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG, configure
from holly_triton.core.memory import keep_freed
from holly_triton.core.threads import wait_briefly

from .commands import data, doctor, experiments, frames, process, results, tomo, train
from .commands.following import followed
from .commands.groups import InOrder

wait_briefly()


class _WrongUsage(click.UsageError):
    """An error of usage, shown in one line, with exit code 2."""

    def show(self, file: Any = None) -> None:
        command = "holly-triton" if self.ctx is None else self.ctx.command_path
        said = " ".join(self.format_message().split()).removesuffix(".")
        click.echo(f"{command}: {said[:1].lower()}{said[1:]}; see {command} --help", file=file, err=file is None)


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # not an error: the help is shown
        raise
    except click.UsageError as error:
        raise _WrongUsage(error.format_message(), error.ctx) from None


class _Commands(InOrder):
    """A group that reports an error in one line, a HollyError with exit code 1, and lists its commands in the order of their use."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _in_one_line():
            return super().make_context(info_name, self._own_first(info_name, args, **extra), parent, **extra)

    def _own_first(
        self, info_name: str | None, args: list[str], *, resilient_parsing: bool = False, **_: Any
    ) -> list[str]:
        """The arguments with the group's own options first, so that these may also stand behind the name of a command.

        A word behind another option is the value of that, also where it looks like one of them. Where a shell asks for
        completions, ``resilient_parsing``, an option may lack its value.
        """
        flags = {name: param.is_flag for param in self.params if isinstance(param, click.Option) for name in param.opts}
        end = args.index("--") if "--" in args else len(args)
        own: list[str] = []
        rest: list[str] = []
        command: click.Command = self
        ctx = click.Context(self, info_name=info_name)
        words = iter(args[:end])
        for word in words:
            if command is not self and (values := _values_behind(command, word)):
                given = [*islice(words, values)]
                if len(given) < values and not resilient_parsing:  # click would not say of which command
                    raise _lacks_value(word, ctx)
                rest += [word, *given]
            elif flags.get(word) or ("=" in word and word.partition("=")[0] in flags):
                own.append(word)
            elif word in flags and (value := next(words, None)) is not None:
                own += [word, value]
            elif word in flags and not resilient_parsing:
                raise _lacks_value(word)
            else:
                rest.append(word)
                if isinstance(command, click.Group) and word in command.commands:
                    command = command.commands[word]
                    ctx = click.Context(command, parent=ctx, info_name=word)
        return [*own, *rest, *args[end:]]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _in_one_line():
                return super().invoke(ctx)
        except HollyError as error:
            LOG.error("%s", error)
            ctx.exit(1)
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
            LOG.error("%s: %s; check the path and its permissions", error.filename, error.strerror)
            ctx.exit(1)


def _lacks_value(option: str, ctx: click.Context | None = None) -> click.BadOptionUsage:
    return click.BadOptionUsage(option, f"Option {option!r} requires an argument.", ctx)


def _values_behind(command: click.Command, word: str) -> int:
    """How many words are the values of this one, an option of a command; 0 where it is none, or a flag."""
    options = (option for option in command.params if isinstance(option, click.Option))
    found = next((option for option in options if word in (*option.opts, *option.secondary_opts)), None)
    return 0 if found is None or found.is_flag or found.count else found.nargs


def renamed(command: click.Command, name: str) -> click.Command:
    """A command under its former name, which the help does not list."""
    former = copy.copy(command)
    former.name, former.hidden = name, True
    return former


def _versions() -> str:
    """Versions of this program and of what decides its speed, without importing PyTorch, which takes seconds."""
    from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    return f"{installed('torch')} ({_built_for()}), {installed('triton')}, Python {platform.python_version()}"


def _built_for() -> str:
    """The kind of GPU that PyTorch was built for, from PyTorch's version file."""
    import runpy

    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return "not found"
    built = runpy.run_path(str(Path(torch.origin).with_name("version.py")))
    kinds = (("CUDA", "cuda"), ("ROCm", "hip"))
    return next((f"{kind} {built[name]}" for kind, name in kinds if built.get(name)), "no GPU")


def _show_version(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"holly-triton, version {holly_triton.__version__}\n{_versions()}")
        ctx.exit()


def _only_file(ctx: click.Context, parameter: click.Parameter, files: tuple[str, ...]) -> Path | None:
    """The file of --log, which is one, or a usage error."""
    if len(files) > 1:
        raise click.UsageError(f"--log is given {len(files)} times; give it once, as --log FILE")
    if "" in files:
        raise click.UsageError("--log names no file; give it as --log FILE")
    return Path(files[0]) if files else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Report more, with the time and level of each message.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out progress and the line that says what to do next; results, warnings and errors stay.")  # fmt: skip
@click.option(
    "--log",
    type=click.Path(),
    multiple=True,
    callback=_only_file,
    metavar="FILE",
    help="Also append progress, warnings and errors to FILE, each with its time and level.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the versions of holly-triton, PyTorch, Triton and CUDA.",
)  # fmt: skip
def main(verbose: bool, quiet: bool, log: Path | None) -> None:
    """Reconstruct a 3D structure from thousands of particles in unknown orientations: pictures, or localisations in 2D or 3D.

    Start with `holly-triton demo`; then run `holly-triton info DATA` and `holly-triton train DATA` on your own data.

    The group `holly-triton frames` goes from camera frames to 3D localisations, which `pick` and `train` read; start
    with `holly-triton frames demo`.

    The group `holly-triton tomo` picks, classifies and averages macromolecules in cryo-electron tomograms; start with
    `holly-triton tomo demo`.

    The options below may stand before a command or behind it.
    """
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet contradict each other; give one of them")
    configure(verbose=verbose, quiet=quiet, file=log)
    keep_freed()
    if verbose or log:
        LOG.debug("holly-triton %s, %s", holly_triton.__version__, _versions())


main.add_command(renamed(results.rank, "sort"))
for command in (
    train.demo, data.info, data.pick, train.train, results.measure, results.rank, results.evaluate, results.render, results.export,
    results.report,
    process.process, data.simulate, frames.frames, tomo.tomo, experiments.reproduce, experiments.bench,
    doctor.doctor,
):  # fmt: skip
    main.add_command(followed(command, str(command.name)))
