"""Every kernel variant that can ship, compiled and inspected without a GPU.

``python -m holly_triton.kernels.ahead_of_time`` writes the table ``reports/ahead_of_time.md``.

The variants are the rows of ``blocks.TABLE`` through the same functions that the launchers use, for each
architecture. Triton specialises nothing else: sizes are ``do_not_specialize``, and all that a kernel is given
is aligned to 16 bytes.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from .blocks import ARCHITECTURES, TABLE, Blocks
from .frames import triton_emitters as triton_psf
from .frames import triton_mixture
from .gaussians import triton_emitters, triton_loss, triton_poses, triton_splat
from .volumes import triton_correlation

FLOAT_POINTERS = frozenset(
    "points rotation shift sigma weights point_sigma boxes images grad_images grad_scale grad_points "
    "grad_poses xy target loss gradient xyz psf frames "
    "logits mean emitters totals nll grad_nll grad_logits grad_mean grad_sigma "
    "spectra values phase frequencies weight scores density".split()
)
INTEGER_POINTERS = frozenset(["offsets"])
FLOATS = frozenset(["scale", "threshold", "z_first", "z_step", "samples"])
TENSOR_CORES = "HGMMA", "HMMA"
REGISTERS = 65536
"""Registers of a multiprocessor."""
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


class Variant(NamedTuple):
    """A kernel with the constants that a row of the table gives it; "any" where a constant has no effect."""

    kernel: Any
    architecture: int
    precision: str
    size: str
    constants: dict[str, Any]

    @property
    def name(self) -> str:
        """Readable and unique."""
        group = self.constants.get("GROUP", 0)
        culled = "-culled" if group > 1 else ""
        widths = "-widths" if self.constants.get("WIDTHS") else ""
        return f"{self.kernel.__name__}{culled}{widths}-sm{self.architecture}-{self.precision}-{self.size}"


class Inspection(NamedTuple):
    """Properties of a compiled variant: registers per thread, bytes, tensor-core instructions."""

    registers: int
    stack: int
    shared: int
    products: dict[str, int]

    def fault(self, variant: Variant) -> str | None:
        """The reason why it must not ship, or None."""
        if self.stack:
            return f"{variant.name} spills: {self.stack} bytes of stack"
        if variant.precision not in ("ieee", "any") and not sum(self.products.values()):
            return f"{variant.name} has no tensor-core instruction"
        # With fewer than two programs per multiprocessor, the latency of the exponentials is not hidden.
        if 2 * self.registers * 32 * variant.constants["warps"] > REGISTERS:
            return f"{variant.name} takes {self.registers} registers a thread: one program a multiprocessor"
        return None


def variants(architecture: int) -> list[Variant]:
    """All variants that can be launched on an architecture, each once."""
    found = {}
    for (row, precision, size), blocks in TABLE.items():
        if row != architecture:
            continue
        boxes = [(triton_emitters.emitter_boxes, triton_emitters.box_constants(blocks))]
        if size == "large":
            boxes.append((triton_splat.cloud_boxes, triton_splat.box_constants(blocks)))
        bounding = [
            Variant(kernel, row, "any", f"{constants['POINTS']} points", constants) for kernel, constants in boxes
        ]
        passes = drawing_variants(row, precision, size, blocks) + gradient_variants(row, precision, size, blocks)
        found.update({variant.name: variant for variant in passes + bounding})
    alone = [
        (triton_loss.compare_pictures, triton_loss.CONSTANTS),
        (triton_poses.score_poses, triton_poses.CONSTANTS),
        (triton_psf.draw_psf, triton_psf.CONSTANTS),
        (triton_mixture.frame_totals, triton_mixture.TOTAL_CONSTANTS),
        (triton_mixture.mixture_nll, triton_mixture.NLL_CONSTANTS),
        (triton_mixture.mixture_gradients, triton_mixture.GRADIENT_CONSTANTS),
    ]
    unsized = [Variant(kernel, architecture, "any", "any", constants) for kernel, constants in alone]
    correlation = triton_correlation.CONSTANTS
    products = Variant(triton_correlation.correlate, architecture, triton_correlation.PRECISION, "any", correlation)
    return [*found.values(), *unsized, products]


def drawing_variants(architecture: int, precision: str, size: str, blocks: Blocks) -> list[Variant]:
    """The constants of the drawing kernels in a row of the table."""
    drawn = [(triton_splat.draw_cloud, triton_splat.draw_constants(blocks, False, precision))]
    if size == "large":
        drawn.append((triton_splat.draw_cloud, triton_splat.draw_constants(blocks, True, precision)))
    if precision == triton_emitters.PRECISION:
        drawn.append((triton_emitters.draw_emitters, triton_emitters.draw_constants(blocks)))
    return [Variant(kernel, architecture, precision, size, constants) for kernel, constants in drawn]


def gradient_variants(architecture: int, precision: str, size: str, blocks: Blocks) -> list[Variant]:
    """The constants of the gradient kernel in a row of the table."""
    constants = (triton_splat.gradient_constants(blocks, widths, precision) for widths in (False, True))
    return [Variant(triton_splat.cloud_gradients, architecture, precision, size, some) for some in constants]


def compile_variant(variant: Variant) -> Any:
    """Triton's compiled kernel, from Triton's cache if it is there."""
    constants = {name: value for name, value in variant.constants.items() if name != "warps"}
    names = variant.kernel.arg_names
    signature = {name: "constexpr" if name in constants else _type(name) for name in names}
    aligned = {(at,): [["tt.divisibility", 16]] for at, name in enumerate(names) if signature[name].startswith("*")}
    source = ASTSource(variant.kernel, signature, constants, aligned)
    options = {"num_warps": variant.constants["warps"], "num_stages": 1}
    return triton.compile(source, target=GPUTarget("cuda", variant.architecture, 32), options=options)


def inspect_variant(variant: Variant) -> Inspection:
    """Compile a variant and read registers, stack and instructions from the binary."""
    compiled = compile_variant(variant)
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "kernel.cubin"
        binary.write_bytes(compiled.asm["cubin"])
        usage = _output(TOOLS / "cuobjdump", "-res-usage", binary)
        listing = _output(TOOLS / "nvdisasm", "-c", binary)
    registers, stack = (int(_only(rf"\b{key}:(\d+)", usage)) for key in ("REG", "STACK"))
    products = {word: len(re.findall(rf"\b{word}\b", listing)) for word in TENSOR_CORES}
    return Inspection(registers, stack, compiled.metadata.shared, products)


def report(inspected: list[tuple[Variant, Inspection]]) -> str:
    """The table of ``reports/ahead_of_time.md``."""
    lines = [
        "# Kernels compiled ahead of time",
        "",
        f"Written by `python -m holly_triton.kernels.ahead_of_time`, Triton {triton.__version__}. No GPU",
        "takes part: these are facts about the binaries, not about their speed. A stack would be a spill.",
        "",
        "| kernel | sm | precision | picture | constants | warps | registers | stack, B | shared, KiB | HGMMA | HMMA |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(report_row(*one) for one in inspected)]) + "\n"


def report_row(variant: Variant, seen: Inspection) -> str:
    """A line of that table: the variant, then from the registers on the properties of its binary."""
    shown = (
        f"{name.lower()} {value}" for name, value in variant.constants.items() if name not in ("warps", "PRECISION")
    )
    cells = (
        variant.kernel.__name__, variant.architecture, variant.precision, variant.size, ", ".join(shown),
        variant.constants["warps"], seen.registers, seen.stack, f"{seen.shared / 1024:g}", *seen.products.values(),
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Inspect every variant, write the table, and exit with 1 if any must not ship."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/ahead_of_time.md"))
    out = parser.parse_args().out
    inspected = [(variant, inspect_variant(variant)) for sm in ARCHITECTURES for variant in variants(sm)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report(inspected))
    faults = [fault for variant, seen in inspected if (fault := seen.fault(variant))]
    print("\n".join(faults) or f"{len(inspected)} variants, none spills, products on tensor cores: {out}")
    raise SystemExit(bool(faults))


def _type(name: str) -> str:
    if name in FLOAT_POINTERS:
        return "*fp32"
    return "*i64" if name in INTEGER_POINTERS else "fp32" if name in FLOATS else "i32"


def _output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def _only(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"{pattern} not found in {text!r}")
    return found[1]


if __name__ == "__main__":
    main()
