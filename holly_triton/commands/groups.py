"""Groups of commands: their order, and their import on first use."""

from collections import UserDict
from importlib import import_module
from typing import Any

import click

from .following import followed


class InOrder(click.Group):
    """A group whose help lists the commands in the order in which they were added, that of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in that order."""
        return list(self.commands)


class OnFirstUse(UserDict[str, Any]):
    """The commands of a group by their names, each imported from the module of that name in ``package`` when it is asked for.

    So the help of all commands, and every command of another group, do not wait for these imports. ``group`` is the group's
    name on the command line.
    """

    def __init__(self, package: str, group: str, names: str) -> None:
        super().__init__(dict.fromkeys(names.split()))
        self.package, self.group = package, group

    def __getitem__(self, name: str) -> click.Command:
        if self.data[name] is None:
            command = getattr(import_module(f"{self.package}.{name}"), name)
            self.data[name] = followed(command, f"{self.group} {name}")
        found: click.Command = self.data[name]
        return found
