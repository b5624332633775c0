"""Whether what a zip archive promises can be in it, before any of it is unpacked."""

import zipfile
from pathlib import Path

from holly_triton.core.errors import HollyError

from .budget import LARGEST_RATIO

PACKINGS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: LARGEST_RATIO}
"""How close each packs at most. Python opens bzip2 and LZMA too, which pack a million zeros into a few bytes."""


def check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive with a member that is packed in another way, or promises more than its packed bytes can hold.

    Members may share bytes, so that all of them together are held against the size of the file.

    Raises:
        HollyError: it has one.
    """
    whole, total = path.stat().st_size, 0
    for member in archive.infolist():
        if member.compress_type not in PACKINGS:
            raise HollyError(
                f"{path}: {member.filename} is packed by other means than deflate; save it as a common zip"
            )
        total += member.file_size
        most = PACKINGS[member.compress_type] * min(member.compress_size, whole)
        if member.file_size > most or total > LARGEST_RATIO * whole:
            raise HollyError(
                f"{path}: {member.filename} promises {member.file_size} bytes, more than its packed bytes can hold"
            )
