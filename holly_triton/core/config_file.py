"""``config.toml``: every setting of a run, complete, fit to be passed back with ``--config``."""

import dataclasses
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from holly_triton.particles.config import FEWEST_POINTS, MOST_POINTS, Config

from .errors import HollyError
from .files import replacing

LARGEST = 2**63 - 1
"""Of whole numbers: random generators take no larger seed."""
MAY_BE_ZERO = ("seed", "search_steps", "rescue_passes", "polish_steps", "refine_steps")
"""Whole numbers that may be 0; the others count something that there must be."""


def read_config(path: Path) -> Config:
    """Read a ``config.toml``; settings it leaves out keep their defaults.

    Raises:
        HollyError: No such file, not TOML, an unknown setting, or a value of the wrong kind.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror}); pass the config.toml of a run") from error
    # tomllib lets pass what int() says of five thousand digits, and tables within tables without end.
    except (ValueError, RecursionError) as error:
        raise HollyError(f"{path}: not a TOML file ({error}); pass the config.toml of a run") from error
    return config_of(settings, str(path))


def config_of(settings: dict[str, Any], where: str) -> Config:
    """The configuration that a TOML table gives; settings it leaves out keep their defaults.

    Raises:
        HollyError: An unknown setting, or a value of the wrong kind; the message begins with ``where``.
    """
    config: Config = _from_table(Config, settings, where)
    if config.points is not None and not FEWEST_POINTS <= config.points <= MOST_POINTS:
        raise HollyError(f"{where}: points is {config.points}; it must be from {FEWEST_POINTS} to {MOST_POINTS}")
    return config


def write_config(path: Path, config: Config) -> None:
    """Write every setting, defaults included."""
    # Whole or not at all: half of a configuration is a valid one of other settings.
    with replacing(path) as partial:
        partial.write_text("\n".join(_toml(to_table(config))) + "\n", encoding="utf-8")


def to_table(settings: Any) -> dict[str, Any]:
    """The inverse of ``config_of``: every setting as a plain value; None, which TOML can't say, is left out."""
    return {name: _plain(value) for name, value in _fields(settings) if value is not None}


def _toml(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Lines of TOML, which writes numbers, texts, lists and truth values as JSON does, but for one control character."""
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{name} = {json.dumps(value, ensure_ascii=False, allow_nan=False)}".replace("\x7f", "\\u007f")
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ("", f"[{prefix}{name}]", *_toml(value, f"{prefix}{name}."))


def differing(one: Any, other: Any, prefix: str = "") -> Iterator[str]:
    """Names of the settings in which two configurations differ, such as ``seed`` or ``search.size``."""
    for (name, value), (_, others) in zip(_fields(one), _fields(other), strict=True):
        if dataclasses.is_dataclass(value):
            yield from differing(value, others, f"{name}.")
        elif value != others:
            yield prefix + name


def _fields(settings: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_table(value)
    return list(value) if isinstance(value, tuple) else value


def _from_table(kind: Any, table: dict[str, Any], where: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            raise HollyError(f"{where}: unknown setting {name!r}; known are {', '.join(fields)}")
        default = getattr(kind(), name)
        if not dataclasses.is_dataclass(default):
            values[name] = _checked(f"{where}: {name}", name, fields[name].type, value)
        elif isinstance(value, dict):
            values[name] = _from_table(type(default), value, f"{where} [{name}]")
        else:
            raise HollyError(f"{where}: {name} is {_shown(value)}; it must be a table, [{name}]")
    return kind(**values)


def _checked(where: str, name: str, annotation: Any, value: Any) -> Any:
    """A TOML value as the annotated kind."""
    if annotation == tuple[int, ...]:
        if isinstance(value, list) and value and all(type(v) is int and v > 0 for v in value):
            return tuple(value)
        raise HollyError(f"{where} is {_shown(value)}; it must be a list of whole numbers above 0")
    if annotation in (int, int | None):
        least = 0 if name in MAY_BE_ZERO else 1
        if type(value) is int and least <= value <= LARGEST:
            return value
        raise HollyError(f"{where} is {_shown(value)}; it must be a whole number, at least {least}, below 2^63")
    if annotation in (float, float | None):
        if type(value) in (int, float) and 0 <= value <= sys.float_info.max:
            return float(value)
        raise HollyError(f"{where} is {_shown(value)}; it must be a number, not negative")
    words = next((get_args(kind) for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Literal), None)
    if words is not None:
        if value in words:
            return value
        raise HollyError(f"{where} is {_shown(value)}; it must be one of {', '.join(words)}")
    kind, known = (bool, "true or false") if annotation is bool else (str, "text")
    if isinstance(value, kind):
        return value
    raise HollyError(f"{where} is {_shown(value)}; it must be {known}")


def _shown(value: Any) -> str:
    """A value as a message holds it."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits
        return "a very large number"
    return text if len(text) < 100 else text[:100] + "..."
