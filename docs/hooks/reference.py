"""Pages of the reference that are made from the program itself: its commands' help, its settings, its messages.

The pages below ``docs/`` link to ``reports/`` as the repository has it; on the site, whose root is ``docs/``, it lies one folder lower.
"""

import ast
import dataclasses
import html
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from holly_triton.cli import main
from holly_triton.core.config import Settings, kinds
from holly_triton.core.optional import PURPOSES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "holly_triton"
GROUPS = ("frames", "tomo")
SETTINGS = {
    "Particles: config.toml of a run": "holly_triton.particles.config:Config",
    "Frames: training of a localiser": "holly_triton.frames.config.training:Training",
    "Frames: a simulated movie": "holly_triton.frames.config.simulation:MovieSettings",
    "Frames: calibration": "holly_triton.frames.config.calibration:Calibrating",
    "Frames: fitting by maximum likelihood": "holly_triton.frames.config.fitting:Fitting",
    "Frames: drift": "holly_triton.frames.config.drift:Drifting",
    "Frames: scoring": "holly_triton.frames.config.scoring:Scoring",
    "Tomography: training of a network": "holly_triton.tomography.config.training:Training",
    "Project: options of process": "holly_triton.project.config:Asked",
}
"""What the page of settings lists: heading, and the class with everything below it."""
CODES = {
    0: "done",
    1: "the data or the run is at fault; one line on stderr says which file, what is wrong, and what would be right",
    2: "wrong usage: an option or an argument",
    3: "stopped by a signal; what is done is saved and can be resumed",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that are written by hand."""
    top = {name: command for name, command in main.commands.items() if name not in GROUPS and not command.hidden}
    pages = {
        "reference/commands.md": _commands("Commands", "holly-triton", top),
        "reference/settings.md": _settings(),
        "reference/messages.md": _messages(),
        "reference/index.md": _index(),
    }
    for group in GROUPS:
        command = main.commands[group]
        pages[f"reference/commands-{group}.md"] = _commands(
            f"Commands of {group}", f"holly-triton {group}", command.commands, command.help
        )
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for found in sorted((ROOT / "reports").rglob("*")):
        if found.suffix == ".png" or (found.suffix == ".md" and "raw" not in found.parts):
            files.append(File(found.relative_to(ROOT).as_posix(), str(ROOT), config.site_dir, use_directory_urls=False))
    return files


def on_page_markdown(text: str, page: Page, **rest: Any) -> str:
    """Links to reports, relative to the repository, as the site has them."""
    return text if page.file.src_uri.startswith("reports/") else re.sub(r"\]\(\.\./((?:\.\./)*reports/)", r"](\1", text)


def on_page_content(text: str, **rest: Any) -> str:
    """Formulas as MathML, which browsers draw without a program from elsewhere."""
    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', _formula, text, flags=re.DOTALL)


def _formula(found: re.Match[str]) -> str:
    latex = html.unescape(found[2]).strip()
    return convert(latex[2:-2].strip(), display="block" if found[1] == "div" else "inline")


def _index() -> str:
    lines = [
        "# Reference", "", "Made from the program itself each time that the site is built.", "",
        "- [Commands](commands.md), those of [frames](commands-frames.md) and of [tomo](commands-tomo.md)",
        "- [Settings](settings.md): every one, with its default and its reason",
        "- [Python](python.md): public functions; [kernels](kernels.md) as a library",
        "- [Messages](messages.md): every error that the program reports", "",
        "## Exit codes", "", "| code | meaning |", "| --- | --- |", *(f"| {code} | {words} |" for code, words in CODES.items()), "",
        "## Output", "",
        "Results go to standard output; progress, warnings and errors go to standard error. `--quiet` leaves out progress and the "
        "line `Next: ...`, which says what usually follows; results, warnings and errors stay. `--verbose` adds the time and "
        "level of each message, and `--log FILE` appends all of them to a file. These options may stand before a command or "
        "behind it.", "",
        "What a command writes, the file OUT or a folder, is replaced only with `--overwrite`. These are replaced without it: what belongs "
        "to OUT and is named after it, and what is drawn or measured of a finished result, that is pictures and movies of `render`, the page of `report`, "
        "`ranking.csv`, and what `evaluate` and `bench` write.", "",
        "## Extras", "", "| extra | for |", "| --- | --- |", *(f"| `{extra}` | {words} |" for extra, words in PURPOSES.items()), "",
        "`holly-triton doctor` says which of them are installed.", "",
        "## Shell completion", "", "```bash", 'eval "$(_HOLLY_TRITON_COMPLETE=bash_source holly-triton)"', "```", "",
        "completes commands and options in bash; put the line into `~/.bashrc`. For zsh and fish write `zsh_source` and "
        "`fish_source`.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _commands(title: str, above: str, commands: dict[str, click.Command], said: str | None = None) -> str:
    """A section for each command: usage, description, examples, and a table of its options."""
    lines = [f"# {title}", ""]
    if said is not None:
        lines += [_paragraphs(said), ""]
    for name, command in commands.items():
        context = click.Context(command, info_name=f"{above} {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [
            f"## {name}",
            "",
            "```text",
            f"{above} {name} {usage}",
            "```",
            "",
            _paragraphs(command.help or ""),
            "",
        ]
        rows = [row for parameter in command.get_params(context) if (row := parameter.get_help_record(context))]
        lines += [
            "| option | |",
            "| --- | --- |",
            *(f"| {_code(option)} | {_cell(words)} |" for option, words in rows),
            "",
        ]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    """A help text as Markdown: lines that click keeps as they are, the examples, become code."""
    out = []
    for part in inspect.cleandoc(text).split("\n\n"):
        kept = part.startswith("\b\n")
        lines = part.removeprefix("\b\n").split("\n")
        head = lines[0] if lines[0].startswith("Example") else ""
        if kept and head:
            out.append("\n".join(["```bash", *(line.strip() for line in lines[1:]), "```"]))
        elif head.startswith("Example: "):
            out.append("\n".join(["```bash", " ".join(lines).removeprefix("Example: "), "```"]))
        else:
            out.append(_escaped(" ".join(lines)))
    return "\n\n".join(out)


def _settings() -> str:
    lines = [
        "# Settings", "",
        "Every setting that a `config.toml` may hold, with its default and the reason for it. A table in brackets is a section "
        "of the file. Settings that a file leaves out keep their defaults.", "",
    ]  # fmt: skip
    for heading, place in SETTINGS.items():
        module, name = place.split(":")
        kind = getattr(importlib.import_module(module), name)
        lines += [f"## {heading}", ""]
        for table, settings in _tables(kind, ""):
            lines += [
                f"### [{table}]" if table else "### Top level",
                "",
                _escaped(inspect.cleandoc(settings.__doc__ or "")),
                "",
            ]
            lines += ["| setting | default | values | |", "| --- | --- | --- | --- |", *_rows(settings), ""]
    return "\n".join(lines)


def _tables(kind: type[Settings], prefix: str) -> Iterator[tuple[str, type[Settings]]]:
    yield prefix, kind
    for name, each in kinds(kind).items():
        if each.settings is not None:
            yield from _tables(each.settings, f"{prefix}.{name}" if prefix else name)


def _rows(kind: type[Settings]) -> Iterator[str]:
    reasons = _reasons(kind)
    known = kinds(kind)
    for field in dataclasses.fields(kind):
        if known[field.name].settings is None:
            values = _cell(str(known[field.name])) + (", or left out" if known[field.name].optional else "")
            default = _code(_default(field)) if _default(field) else ""
            yield f"| `{field.name}` | {default} | {values} | {_cell(reasons.get(field.name, ''))} |"


def _default(field: Any) -> str:
    if field.default is dataclasses.MISSING:
        return ""
    return "" if field.default is None or field.default == "" else f"{field.default}"


def _reasons(kind: type) -> dict[str, str]:
    """The sentences that stand below each field of a class and of those that it derives from."""
    found: dict[str, str] = {}
    for each in reversed([base for base in kind.__mro__ if issubclass(base, Settings) and base is not Settings]):
        body = ast.parse(inspect.cleandoc(inspect.getsource(each))).body[0]
        names: list[str] = []
        for statement in getattr(body, "body", []):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names = [statement.target.id]
            elif names and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                found[names[0]] = " ".join(str(statement.value.value).split())
                names = []
    return found


def _messages() -> str:
    """Every message of a ``HollyError``, by the folder of the source; what is filled in stands in angle brackets."""
    lines = [
        "# Messages", "",
        "Every error that the program reports in one line, with exit code 1. What it fills in stands in angle brackets, such as "
        "`<path>`. Search this page for a few words of the message; [Troubleshooting](../troubleshooting.md) has more about "
        "the frequent ones.", "",
    ]  # fmt: skip
    by_part: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "HollyError"
                and node.args
            ):
                text = _template(node.args[0])
                if len(re.sub("<[^>]*>", "", text)) > 15:
                    by_part.setdefault(part, []).append(text)
    for part, texts in sorted(by_part.items()):
        lines += [f"## {part}", "", *(f"- {_escaped(text)}" for text in dict.fromkeys(texts)), ""]
    return "\n".join(lines)


def _template(node: ast.expr) -> str:
    """The text of a message, with names in place of what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _template(node.left) + _template(node.right)
    if isinstance(node, ast.FormattedValue):
        names = re.findall(r"[A-Za-z_]+", ast.unparse(node.value))
        return f"<{names[-1].replace('_', ' ')}>" if names else "<value>"
    return "<...>"


def _escaped(text: str) -> str:
    """Plain text in Markdown: no HTML, no emphasis; words in backticks stay code."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(_plain(part) if index % 2 == 0 else _code(part.strip("`")) for index, part in enumerate(parts))


def _plain(text: str) -> str:
    return re.sub(r"([\\*_\[\]])", r"\\\1", html.escape(text, quote=False)).replace("|", "&#124;")


def _code(text: str) -> str:
    """Code in a line, also in a cell of a table, where a bar would end it."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()))
