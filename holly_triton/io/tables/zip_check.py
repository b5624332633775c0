"""Checks that a zip archive can hold what it declares, before any of it is unpacked."""

import zipfile
from pathlib import Path

from holly_triton.core.errors import HollyError

from .budget import LARGEST_RATIO

PACKINGS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: LARGEST_RATIO}
"""Highest compression of each method. Python also opens bzip2 and LZMA, which compress a million zeros to a few bytes."""


def check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive with a member that uses another compression, or declares more than its compressed bytes can hold.

    Members may share bytes, so that all of them together are compared with the size of the file.

    Raises:
        HollyError: There is such a member.
    """
    whole, total = path.stat().st_size, 0
    for member in archive.infolist():
        if member.compress_type not in PACKINGS:
            raise HollyError(
                f"{path}: {member.filename} is packed by other means than deflate; save it as a common zip"
            )
        total += member.file_size
        most = PACKINGS[member.compress_type] * member.compress_size
        # Python reads as many packed bytes as are declared in one piece, and makes room for all of them.
        if member.compress_size > whole or member.file_size > most or total > LARGEST_RATIO * whole:
            raise HollyError(
                f"{path}: {member.filename} promises {member.file_size} bytes, more than its packed bytes can hold"
            )
