"""Damaged files of every format, by the thousand: only HollyError may come out, in bounded memory and time.

``python tests/fuzz.py --inputs 20000`` says how many of each kind were read and refused, and names every failure by its
number; ``python tests/fuzz.py --only NUMBER`` makes that very file again and shows where it leads.
"""

import argparse
import faulthandler
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from fuzz_files import whole_files  # noqa: E402

from holly_triton.core.errors import HollyError  # noqa: E402

MEMORY = 256 * 2**20
"""Bytes that one input may take. The files have a few kB, and no packing is closer than 1100 to 1."""
SLOW_S, HUNG_S = 5.0, 60.0
"""Processor time of one input that is a failure, and time after which its process is ended."""
NO_MEMORY = re.compile(r"(unable to|can't|cannot) allocate|out of memory", re.IGNORECASE)
"""Said by libraries. HDF5's "memory allocation failed" is of blocks that it lets go of untouched, when the file ends before them."""

NUMBERS = (0, 1, 2, 3, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 10**9, 2**62, 2**63 - 1)
WORDS = (
    b"0", b"-1", b"1", b"2", b"7", b"1e308", b"-1e308", b"1e-320", b"nan", b"inf", b"1000000000", b"99999999999999999999", b"9" * 5000, b"1,5",
    b"", b" ", b"\x00", b"\xff", b"\n", b'"', b",", b";", b"#", b"[", b"[" * 3000, b"{", b"(", b"\xc2\xb5m", b"../../x", b"null", b"true", b"<f8", b"|O",
)  # fmt: skip
"""What a number or a word of a file is replaced by."""


@dataclass(frozen=True)
class Kind:
    """One sort of file: the name and the bytes of a whole one, and what reads it."""

    name: str
    file: Path
    use: Callable[[Path], object]
    whole: bytes


def damaged(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """A file with one to four kinds of damage."""
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        size = len(content)
        # Headers decide more than what follows them.
        at = rng.randrange(max(1, min(size, rng.choice((64, 512, 4096, size)))))
        match rng.randrange(9):
            case 0:
                for _ in range(rng.choice((1, 1, 8))):
                    if content:
                        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case 1:
                del content[rng.choice((at, size - at)) :]
            case 2:
                content[at : at + rng.randrange(64)] = b""
            case 3:
                start = rng.randrange(len(other))
                content[at : at + rng.randrange(256)] = other[start : start + rng.randrange(256)]
            case 4:
                content[at:at] = content[at : at + rng.randrange(64)] * rng.choice((1, 1, 100))
            case 5 | 6:
                number = _packed(rng)
                content[at : at + len(number)] = number
            case _:
                found = [*re.finditer(rb"[0-9.+-]+|[A-Za-z_]+", bytes(content[:4096]))]
                if found:
                    first, last = rng.choice(found).span()
                    word = rng.choice(WORDS)
                    # Where places are fixed, as in FITS, only a word of the same length leaves the rest readable.
                    content[first:last] = rng.choice((word, word.rjust(last - first)[: last - first]))
    return bytes(content)


def _packed(rng: random.Random) -> bytes:
    """A number that readers trip over, as headers hold it."""
    order = rng.choice("<>")
    if rng.random() < 0.2:
        return struct.pack(order + rng.choice("fd"), rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38)))
    letter, size = rng.choice(("B1", "H2", "I4", "Q8"))
    number = rng.choice(NUMBERS) * rng.choice((1, 1, -1)) % 2 ** (8 * int(size))
    return struct.pack(order + letter, number)


def the_input(kinds: list[Kind], number: int) -> tuple[Kind, bytes]:
    """Input ``number``, the same in every process."""
    rng = random.Random(number)
    kind = kinds[number % len(kinds)]
    return kind, damaged(kind.whole, rng.choice(kinds).whole if rng.random() < 0.3 else kind.whole, rng)


def verdict(kind: Kind, content: bytes) -> str:
    """``"read"`` or ``"refused"``, or what is wrong with how it went."""
    kind.file.write_bytes(content)
    began = time.process_time()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # of files that libraries close a little later
        try:
            kind.use(kind.file)
            ending = "read"
        except HollyError as error:
            ending = "refused"
            causes = [*_chain(error)]
            if any(isinstance(cause, MemoryError) or NO_MEMORY.search(str(cause)) for cause in causes):
                ending = f"asked for too much memory: {causes[-1]}"
            elif "\n" in str(error):
                ending = f"more than one line: {error}"
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if str(ROOT) in frame.filename]
            ending = f"{type(error).__name__} in {' '.join(own[1:])}: {' '.join(str(error).split())[:120]}"
    if heard and ending in ("read", "refused"):
        ending = f"warned: {heard[0].category.__name__} in {Path(heard[0].filename).name}:{heard[0].lineno}: {heard[0].message}"
    if time.process_time() - began > SLOW_S:
        ending = f"took {time.process_time() - began:.1f} s of processor time"
    return ending


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def work(kinds: list[Kind], first: int, inputs: int) -> None:
    """Read inputs one after the other, in little memory; tell of each on stdout."""
    import resource  # Linux has it; a test imports the rest of this file anywhere

    for kind in kinds:  # libraries are loaded when first needed, and that memory does not count
        kind.use(kind.file)
    status = Path("/proc/self/status").read_text()
    held = int(re.findall(r"VmData:\s+(\d+) kB", status)[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (held + MEMORY, held + MEMORY))
    for number in range(first, first + inputs):
        kind, content = the_input(kinds, number)
        print(json.dumps([number, kind.name, None]), flush=True)
        faulthandler.dump_traceback_later(HUNG_S, exit=True)
        ending = verdict(kind, content)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps([number, kind.name, ending]), flush=True)


def survey(first: int, inputs: int) -> Iterator[tuple[int, str, str]]:
    """Number, kind and verdict of each input; one that ends its process is told too, and the next goes on in a new one."""
    last = first + inputs
    while first < last:
        command = [sys.executable, __file__, "--work", "--first", str(first), "--inputs", str(last - first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            number, name, ending = first - 1, "", "done"
            for line in process.stdout:
                number, name, ending = json.loads(line)
                if ending is not None:
                    yield number, name, ending
        if ending is None:
            yield number, name, f"ended its process ({process.returncode})"
        elif number < last - 1:
            raise SystemExit(f"the process that reads ended ({process.returncode})")
        first = number + 1


def main() -> int:
    """Run as the options say; 1 if there was a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="one input again, with its traceback")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.work and options.only is None:
        return report(survey(options.first, options.inputs))
    with tempfile.TemporaryDirectory() as folder:
        kinds = [Kind(name, path, use, path.read_bytes()) for name, path, use in whole_files(Path(folder))]
        if options.work:
            work(kinds, options.first, options.inputs)
            return 0
        kind, content = the_input(kinds, options.only)
        kept = Path(tempfile.gettempdir()) / f"fuzz-{options.only}-{kind.file.name}"
        kept.write_bytes(content)
        print(f"{kind.name}: {kept}")
        kind.file.write_bytes(content)
        kind.use(kind.file)
        return 0


def report(verdicts: Iterator[tuple[int, str, str]]) -> int:
    """Print failures as they come and counts at the end."""
    counts: Counter[tuple[str, str]] = Counter()
    for number, name, ending in verdicts:
        fine = ending in ("read", "refused")
        counts[name, ending if fine else "failed"] += 1
        if not fine:
            print(f"input {number} ({name}): {ending}", flush=True)
    for name in dict.fromkeys(name for name, _ in counts):
        print(f"{name:24}" + "".join(f"{counts[name, word]:7} {word}" for word in ("read", "refused", "failed")))
    failed = sum(count for (_, word), count in counts.items() if word == "failed")
    print(f"{sum(counts.values())} inputs, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
