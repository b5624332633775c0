"""The last line of a command: what to do next."""

import sys

import click
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.commands.following import NEXT, _followed


@pytest.mark.parametrize("words", NEXT)
def test_what_follows_is_a_command_with_options_that_exist(words: str) -> None:
    following: click.Command = main
    rest = NEXT[words].split()[1:]
    while rest and isinstance(following, click.Group):
        following = following.commands[rest.pop(0)]
    known = {option for parameter in following.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known
    own: click.Command = main
    for word in words.split():
        assert isinstance(own, click.Group)
        own = own.commands[word]
    names = {parameter.name or "": "a" for parameter in own.params}
    assert "{" not in NEXT[words].format_map(names)


@pytest.mark.parametrize(
    ("code", "options", "said"),
    [
        (0, [], True),
        (None, [], True),
        (3, [], False),
        (1, [], False),
        (0, ["--json"], False),
        (None, ["--json"], False),
    ],
)
def test_it_is_said_after_a_good_end_only_and_never_among_json(
    code: int | None, options: list[str], said: bool
) -> None:
    @click.command()
    @click.argument("out")
    @click.option("--json", is_flag=True)
    def work(out: str, json: bool) -> None:
        if code is not None:
            sys.exit(code)

    work.callback = _followed(work.callback, "holly-triton measure {out}")
    ran = CliRunner().invoke(work, ["my run", *options])
    assert ran.exit_code == (code or 0)
    assert ("Next: holly-triton measure 'my run'" in ran.output) is said


def test_it_is_left_out_where_its_argument_is_not_known() -> None:
    @click.command()
    @click.option("--out")
    def work(out: str | None) -> None:
        click.echo("done")

    work.callback = _followed(work.callback, "holly-triton measure {out}")
    assert CliRunner().invoke(work, []).output == "done\n"
