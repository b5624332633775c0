"""What a run was made from: its data files with a checksum, and its particles with their numbers of localisations.

``data.json`` is written when a run starts and compared when it goes on, so that data that changed in between are noticed.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.core.log import LOG
from holly_triton.core.words import counted
from holly_triton.io.metrics import DataFile
from holly_triton.particles.data.dataset import data_files

from .held_out import Split

DATA = "data.json"
CHUNK = 2**22
"""Bytes of a file that are hashed at a time."""


@dataclass(frozen=True)
class Provenance:
    """The data of a run.

    Attributes:
        path: The file or folder that the run was given.
        files: Its data files.
        pictures: The pictures' own ids ``[P]``, in the order of the data.
        localisations: Of each picture ``[P]``; None where the data are pixels.
        held_out: Whether each picture is held out of the training ``[P]``.
    """

    path: str
    files: list[DataFile]
    pictures: list[str]
    localisations: list[int] | None
    held_out: list[bool]

    @staticmethod
    def of(path: Path, pictures: Split) -> "Provenance":
        """The data at a path, of which these pictures are used.

        Raises:
            HollyError: A file can't be read.
        """
        counts = pictures.counts
        return Provenance(
            str(path), [_file(file) for file in data_files(path)], pictures.names,
            None if counts is None else counts.tolist(), np.asarray(pictures.is_held_out, dtype=bool).tolist(),
        )  # fmt: skip


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write ``data.json`` into the folder of a run.

    Raises:
        HollyError: The file can't be written.
    """
    with replacing(folder / DATA) as partial:
        partial.write_text(as_json(asdict(provenance)), encoding="utf-8")


def check_unchanged(folder: Path, now: Provenance) -> None:
    """Compare the data of a run with those that it was started on; files that changed in other ways are reported.

    Raises:
        HollyError: The pictures, or their numbers of localisations, are others, so that its poses do not belong to them; or
            ``data.json`` is damaged.
    """
    if not (folder / DATA).is_file():  # of an earlier version
        return
    with foreign(folder / DATA, "the data of a run"):
        table = json.loads((folder / DATA).read_text(encoding="utf-8"))
        before = Provenance(**{**table, "files": [DataFile(**file) for file in table["files"]]})
    if (before.pictures, before.localisations) != (now.pictures, now.localisations):
        raise HollyError(
            f"{now.path}: has changed since the run was started ({_sizes(before)} then, {_sizes(now)} now); restore it, or "
            f"start another run with --config {folder / 'config.toml'} --out"
        )
    known = {file.name: file for file in before.files}
    changed = [file.name for file in now.files if file != known.get(file.name)]
    if changed or len(known) != len(now.files):
        LOG.warning(
            "%s: has changed since the run was started, though its particles have as many localisations as then (%s); going on",
            now.path, ", ".join(changed[:3]) or "files are missing",
        )  # fmt: skip


def _sizes(one: Provenance) -> str:
    rows = "" if one.localisations is None else f" of {counted(sum(one.localisations), 'localisation')}"
    return counted(len(one.pictures), "picture" if one.localisations is None else "particle") + rows


def _file(path: Path) -> DataFile:
    digest = blake2b(digest_size=16)
    with foreign(path, "a data file"), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return DataFile(path.name, path.stat().st_size, digest.hexdigest())
