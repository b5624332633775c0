"""The command line: the group of all commands, and how an error ends.

Exit codes: 0 done; 1 the data or the run is at fault; 2 wrong usage; 3 stopped by a signal, saved, resumable.
"""

import copy
from typing import Any

import click

from holly_triton.core.errors import HollyError
from holly_triton.core.threads import wait_briefly

from .commands import data, experiments, results, train

wait_briefly()


class _Commands(click.Group):
    """A group whose commands end a HollyError in one line and exit code 1, and are listed in the order of their use."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HollyError as error:
            click.echo(f"holly-triton: {error}", err=True)
            ctx.exit(1)
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
            click.echo(
                f"holly-triton: {error.filename}: {error.strerror}; check the path and its permissions", err=True
            )
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def renamed(command: click.Command, name: str) -> click.Command:
    """A command under the name that it had before, which no list shows."""
    former = copy.copy(command)
    former.name, former.hidden = name, True
    return former


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="holly-triton", prog_name="holly-triton")
def main() -> None:
    """3D structure from thousands of 2D super-resolution pictures, each from an unknown direction.

    Start with `holly-triton demo`; then `holly-triton info DATA` and `holly-triton train DATA` on your own.
    """


for command in (
    train.demo, data.info, data.pick, train.train, results.measure, results.rank, results.evaluate, results.render, results.export,
    data.simulate, experiments.reproduce, experiments.bench,
):  # fmt: skip
    main.add_command(command)
main.add_command(renamed(results.rank, "sort"))
