"""Versions of the packages that the program requires and those that its extras bring, without importing any of them."""

import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from holly_triton.core.optional import PURPOSES

from .checks import Check

OWN = "holly-triton"
Wanted = dict[str, list[Requirement]]


def installed(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def requirements() -> Wanted:
    """What the program requires, under ``""``, and what each extra brings, from the installed metadata or the checkout."""
    try:
        every = [Requirement(line) for line in requires(OWN) or ()]
        return {
            extra: [
                one for one in every
                if one.name != OWN and not (one.marker and not one.marker.evaluate({"extra": extra}))
                and (not extra or "extra" in str(one.marker))
            ]
            for extra in ("", *PURPOSES)
        }  # fmt: skip
    except PackageNotFoundError:  # a checkout that was never installed
        return _of_checkout(Path(__file__).parents[2] / "pyproject.toml")


def _of_checkout(path: Path) -> Wanted:
    if not path.is_file():
        return {}
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    lists = {"": project["dependencies"]} | {extra: project["optional-dependencies"][extra] for extra in PURPOSES}
    parsed = {extra: [Requirement(line) for line in lines] for extra, lines in lists.items()}
    return {extra: [one for one in ones if not one.marker or one.marker.evaluate()] for extra, ones in parsed.items()}


def check_packages() -> list[Check]:
    """One check of everything that is required, and one of each extra."""
    wanted = requirements()
    if not wanted:
        return []
    checks = [_check_required(wanted.pop(""))]
    return checks + [_check_extra(extra, ones) for extra, ones in wanted.items()]


def _check_required(ones: list[Requirement]) -> Check:
    name = "required packages"
    wrong = _wrong(ones)
    if wrong:
        lines = " ".join(f"'{one.name}{one.specifier}'" for one in ones if _fault(one))
        return Check(name, "fails", wrong, f"pip install {lines}", essential=True)
    return Check(name, "works", ", ".join(f"{one.name} {installed(one.name)}" for one in ones), essential=True)


def _check_extra(extra: str, ones: list[Requirement]) -> Check:
    name = f"extra {extra}"
    purpose, install = PURPOSES[extra], f"pip install '{OWN}[{extra}]'"
    wrong = _wrong(ones)
    if not wrong:
        return Check(name, "works", f"{purpose}: " + ", ".join(f"{one.name} {installed(one.name)}" for one in ones))
    state = "absent" if all(installed(one.name) is None for one in ones) else "fails"
    return Check(name, state, f"{purpose}: {wrong}", install)  # type: ignore[arg-type]


def _wrong(ones: list[Requirement]) -> str:
    return ", ".join(fault for one in ones if (fault := _fault(one)))


def _fault(one: Requirement) -> str:
    """What is wrong with the installed version of a package; empty if nothing is."""
    found = installed(one.name)
    if found is None:
        return f"{one.name} is not installed"
    too_old = not one.specifier.contains(Version(found), prereleases=True)
    return f"{one.name} {found} is not {one.specifier}" if too_old else ""
