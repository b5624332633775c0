"""A camera as a person gives it: the name of a preset, with changes, or a file of settings."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.config import kinds
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.frames.config.camera import CAMERAS

from .maps import MappedCamera, read_maps
from .model import Camera, camera_preset

SETTINGS = "settings.toml"
"""What ``frames simulate`` writes beside a movie."""
MAPS = {"offset_map": "offset", "gain_map": "gain", "variance_map": "variance"}
"""Files beside the settings of a camera, by what they hold."""


def read_camera(text: str) -> Camera:
    """The camera that an option such as ``challenge``, ``scmos,offset_adu=98`` or ``camera.toml`` gives.

    A file holds the settings of a camera, or has them in its table ``[camera]`` as the ``settings.toml`` of a simulation
    does. Maps of the pixels are given as ``offset_map``, ``gain_map`` (ADU per electron) and ``variance_map`` (ADU
    squared), in a file relative to it.

    Raises:
        HollyError: Neither a file nor a preset, an unknown or a wrong setting, or a map that can't be used.
    """
    name, *changes = (part.strip() for part in text.split(","))
    if name in CAMERAS:
        where, folder, table = f"camera {name}", Path(), camera_preset(name).table()
    elif Path(name).is_file():
        where, folder, table = name, Path(name).parent, _table(Path(name))
    else:
        raise HollyError(
            f"{name}: is neither a known camera nor a file of its settings; known are {', '.join(CAMERAS)}, with changes "
            "such as scmos,offset_adu=98,electrons_per_adu=0.46"
        )
    table |= dict(_change(change, where) for change in changes)
    paths = {MAPS[key]: folder / str(table.pop(key)) for key in MAPS if key in table}
    if "kind" not in table:
        raise HollyError(f"{where}: does not state the kind of the camera; give kind = photons, scmos or emccd")
    camera = Camera.of(table, where)
    return MappedCamera.of_camera(camera, read_maps(**paths)) if paths else camera


def stated_camera(given: str | None, movie: Path) -> str | None:
    """What a person gave, else the settings that ``frames simulate`` wrote beside a movie; None without either."""
    beside = movie.parent / SETTINGS
    return str(beside) if given is None and beside.is_file() else given


def ask_for_camera(text: str | None, movie: Path) -> Camera:
    """The camera that was given; without one there is none to assume.

    Raises:
        HollyError: None was given, or ``read_camera`` fails.
    """
    if text is None:
        raise HollyError(
            f"{movie}: its numbers can't be converted to photons without the camera; give --camera with the offset, the "
            "electrons per ADU and the noise from its data sheet, such as "
            "--camera scmos,offset_adu=100,electrons_per_adu=0.5,read_noise_electrons=1.5,quantum_efficiency=0.9"
        )
    return read_camera(text)


class MapFiles(NamedTuple):
    """Names of the files of a camera's maps, which belong to its settings; None where there is no map."""

    offset_map: str | None = None
    gain_map: str | None = None
    variance_map: str | None = None


def write_maps(folder: Path, camera: Camera) -> MapFiles:
    """Write the maps of a camera, if it has any, as files that ``read_camera`` finds from settings in the same folder."""
    if not isinstance(camera, MappedCamera):
        return MapFiles()
    offset, per_adu, read_noise = (None if part is None else part.cpu().numpy() for part in camera.maps)
    if read_noise is not None and per_adu is None:
        per_adu = np.full_like(read_noise, camera.electrons_per_adu)
    gain = None if per_adu is None else 1 / per_adu
    variance = None if read_noise is None or gain is None else (read_noise * gain) ** 2
    names: dict[str, str] = {}
    for (key, what), values in zip(MAPS.items(), (offset, gain, variance), strict=True):
        if values is not None:
            names[key] = f"camera-{what}.npy"
            with replacing(folder / names[key]) as partial, partial.open("wb") as file:
                np.save(file, values)
    return MapFiles(**names)


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HollyError(f"{path}: is not a TOML file of a camera's settings ({error})") from error
    inner = table.get("camera", table)
    if not isinstance(inner, dict):
        raise HollyError(f"{path}: camera must be a table, [camera]")
    return dict(inner)


def _change(change: str, where: str) -> tuple[str, Any]:
    """A setting and its value from text such as ``em_gain=300``."""
    key, equals, value = (part.strip() for part in change.partition("="))
    known = [*kinds(Camera), *MAPS]
    if not equals or key not in known:
        raise HollyError(f"{where}: {change!r} is not a setting and its value; settings are {', '.join(known)}")
    if key in MAPS or key == "kind":
        return key, value
    try:
        return key, float(value)
    except ValueError:
        raise HollyError(f"{where}: {key} is {value!r}; it must be a number") from None
