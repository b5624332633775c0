"""Settings: frozen dataclasses whose fields carry their bounds, and the ``config.toml`` that holds every one of them.

A family of methods derives its own from ``Settings``. A number says within which bounds it may lie::

    @dataclass(frozen=True)
    class Schedule(Settings):
        steps: Annotated[int, Bounds(1)] = 240

so that a wrong value ends in one line that names the setting, wherever it comes from: a file, an option, a program.
"""

import dataclasses
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import HollyError
from .files import replacing

LARGEST = 2**63 - 1
"""Largest whole number: random generators take no larger seed."""


class Bounds(NamedTuple):
    """Bounds on a number, or on each of several."""

    least: float
    most: float = math.inf
    open_least: bool = False
    """Whether ``least`` itself is too small."""
    open_most: bool = False
    """Whether ``most`` itself is too large."""

    def hold(self, value: float) -> bool:
        """Whether a value lies within."""
        above = value > self.least if self.open_least else value >= self.least
        return above and (value < self.most if self.open_most else value <= self.most)

    def __str__(self) -> str:
        least, most = (str(end) if isinstance(end, int) else f"{end:g}" for end in (self.least, self.most))
        if self.most == math.inf:
            return f"above {least}" if self.open_least else f"of at least {least}"
        below = f"below {most}" if self.open_most else most
        return f"above {least} and at most {below}" if self.open_least else f"from {least} to {below}"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of all settings: every value is of its field's kind and within its bounds.

    Raises:
        HollyError: It is not; one line names the setting.
    """

    def __post_init__(self) -> None:
        for name, kind in kinds(type(self)).items():
            value = kind.taken(getattr(self, name))
            if isinstance(value, _Wrong):
                raise HollyError(f"{name} is {_shown(getattr(self, name))}; it must be {kind}")
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str) -> Self:
        """The settings that a TOML table gives; those it leaves out keep their defaults.

        Raises:
            HollyError: An unknown setting, or a wrong value; the message begins with ``where``.
        """
        values: dict[str, Any] = {}
        known = kinds(cls)
        for name, value in table.items():
            if name not in known:
                raise HollyError(f"{where}: unknown setting {name!r}; known are {', '.join(known)}")
            inner = known[name].settings
            if inner is None:
                values[name] = value
            elif isinstance(value, Mapping):
                values[name] = inner.of(value, f"{where} [{name}]")
            else:
                raise HollyError(f"{where}: {name} is {_shown(value)}; it must be a table, [{name}]")
        try:
            return cls(**values)
        except HollyError as error:
            raise HollyError(f"{where}: {error}") from None

    def table(self) -> dict[str, Any]:
        """The inverse of ``of``: every setting as a plain value; None, which TOML can't say, is left out."""
        return {name: _plain(value) for name, value in self._values() if value is not None}

    def differing(self, other: Self, prefix: str = "") -> Iterator[str]:
        """Names of the settings in which another differs, such as ``seed`` or ``search.size``."""
        for (name, value), (_, others) in zip(self._values(), other._values(), strict=True):
            if isinstance(value, Settings):
                yield from value.differing(others, f"{name}.")
            elif value != others:
                yield prefix + name

    def _values(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]


Some = TypeVar("Some", bound=Settings)


def read_config(path: Path, kind: type[Some]) -> Some:
    """Read a ``config.toml``; settings it leaves out keep their defaults.

    Raises:
        HollyError: No such file, not TOML, an unknown setting, or a wrong value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror}); pass the config.toml of a run") from error
    # tomllib lets pass what int() says of five thousand digits, and tables within tables without end.
    except (ValueError, RecursionError) as error:
        raise HollyError(f"{path}: not a TOML file ({error}); pass the config.toml of a run") from error
    return kind.of(table, str(path))


def write_config(path: Path, settings: Settings) -> None:
    """Write every setting, defaults included.

    Raises:
        HollyError: The file can't be written.
    """
    # Whole or not at all: half of a configuration is a valid one of other settings.
    with replacing(path) as partial:
        partial.write_text("\n".join(_toml(settings.table())) + "\n", encoding="utf-8")


def _toml(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Lines of TOML, which writes numbers, texts, lists and truth values as JSON does, but for one control character."""
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{name} = {json.dumps(value, ensure_ascii=False, allow_nan=False)}".replace("\x7f", "\\u007f")
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ("", f"[{prefix}{name}]", *_toml(value, f"{prefix}{name}."))


class _Wrong:
    """In place of a value that a setting can't take."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a setting may be."""

    plain: Any
    """The type of a value: int, float, bool, str, ``tuple[int, ...]``, a ``Literal``, or settings of their own."""
    optional: bool
    """Whether it may be None."""
    bounds: Bounds | None

    @staticmethod
    def of(annotation: Any) -> "Kind":
        """The kind that a field's annotation gives, ``Annotated[int, Bounds(1)] | None`` for one."""
        optional = get_origin(annotation) in (Union, UnionType)
        if optional:
            (annotation,) = (part for part in get_args(annotation) if part is not type(None))
        bounds = None
        if get_origin(annotation) is Annotated:
            annotation, bounds = get_args(annotation)
        return Kind(annotation, optional, bounds)

    @property
    def settings(self) -> type[Settings] | None:
        """The class of settings within settings."""
        return self.plain if isinstance(self.plain, type) and issubclass(self.plain, Settings) else None

    def taken(self, value: Any) -> Any:
        """A value as the setting holds it, or ``_Wrong()``: lists become tuples, and whole numbers numbers."""
        if value is None and self.optional:
            return None
        if self.plain == tuple[int, ...]:
            sound = isinstance(value, list | tuple) and len(value) > 0 and all(map(self._is_whole, value))
            return tuple(value) if sound else _Wrong()
        if self.plain is int:
            return value if self._is_whole(value) else _Wrong()
        if self.plain is float:
            # A whole number of many digits is too large for a float; comparing it with one is no error.
            sound = type(value) in (int, float) and abs(value) <= LARGEST**16 and self._is_within(value)
            return float(value) if sound else _Wrong()
        if get_origin(self.plain) is Literal:
            return value if isinstance(value, str) and value in get_args(self.plain) else _Wrong()
        return value if isinstance(value, get_origin(self.plain) or self.plain) else _Wrong()

    def _is_whole(self, value: Any) -> bool:
        return type(value) is int and abs(value) <= LARGEST and self._is_within(value)

    def _is_within(self, value: float) -> bool:
        return self.bounds is None or self.bounds.hold(value)

    def __str__(self) -> str:
        if get_origin(self.plain) is Literal:
            return f"one of {', '.join(get_args(self.plain))}"
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        kind = words.get(self.plain, "a list of whole numbers" if self.settings is None else self.plain.__name__)
        return kind if self.bounds is None else f"{kind} {self.bounds}"


def kinds(settings: type[Settings]) -> dict[str, Kind]:
    """What each setting of a class may be, by name."""
    return {name: Kind.of(annotation) for name, annotation in get_type_hints(settings, include_extras=True).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.table()
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    """A value as a message holds it."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits
        return "a very large number"
    return text if len(text) < 100 else text[:100] + "..."
