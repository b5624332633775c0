"""Ways to install: a conda recipe, a Dockerfile and an Apptainer recipe, in step with ``pyproject.toml`` and with each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
DOCKER = (ROOT / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "apptainer.def").read_text(encoding="utf-8")
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
NOT_IN_CONDA = {"triton"}
"""What PyTorch brings there."""


def test_the_recipe_requires_what_the_package_requires() -> None:
    wanted = set()
    for line in PROJECT["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=[\d.]+)(?:;.*)?", line.replace(" ", "")).groups()  # type: ignore[union-attr]
        if name not in NOT_IN_CONDA:
            wanted.add(f"{CONDA_NAMES.get(name, name)} {bound}")
    assert wanted == {*RECIPE["requirements"]["run"]} - {"python >=${{ python_min }}"}


def test_the_recipe_has_the_version_python_commands_and_licence_of_the_package() -> None:
    assert RECIPE["context"] == {
        "version": PROJECT["version"],
        "python_min": PROJECT["requires-python"].removeprefix(">="),
    }
    scripts = [f"{name} = {place}" for name, place in PROJECT["scripts"].items()]
    assert RECIPE["build"]["python"]["entry_points"] == scripts
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert (ROOT / RECIPE["about"]["license_file"]).is_file()


def test_the_recipe_has_the_parts_of_its_form() -> None:
    known = {"schema_version", "context", "package", "source", "build", "requirements", "tests", "about", "extra"}
    assert {*RECIPE} == known
    assert RECIPE["build"]["noarch"] == "python"
    assert (ROOT / "recipe" / RECIPE["source"]["path"] / "pyproject.toml").is_file()


def test_the_dockerfile_passes_its_linter() -> None:
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not on the path")
    done = subprocess.run([linter, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_containers_install_the_same() -> None:
    """Base image, packages of the system, and the line that installs this program."""
    for pattern in (r"(?:FROM|From:) (\S+)", r"--no-install-recommends ([\w. -]+\w)", r"(pip install .*?'\.\[all\]')"):
        in_docker, in_apptainer = re.findall(pattern, DOCKER), re.findall(pattern, APPTAINER)
        assert len(in_docker) == 1 and in_docker == in_apptainer


def test_the_apptainer_recipe_has_its_header_and_sections() -> None:
    header, *sections = re.split(r"^%", APPTAINER, flags=re.MULTILINE)
    assert re.fullmatch(r"Bootstrap: docker\nFrom: \S+\n\s*", header)
    assert {section.split()[0] for section in sections} == {"files", "post", "test", "runscript", "help"}
    assert 'exec holly-triton "$@"' in APPTAINER


@pytest.mark.parametrize("section", ["post", "test", "runscript"])
def test_the_scripts_of_the_apptainer_recipe_are_shell(section: str) -> None:
    """The shell reads them without carrying them out."""
    script = re.search(rf"^%{section}\n(.*?)(?=^%|\Z)", APPTAINER, flags=re.MULTILINE | re.DOTALL)
    assert script is not None
    done = subprocess.run(["sh", "-n"], input=script[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
