"""Every kernel variant that can ship compiles without spilling and with its products on tensor cores.

No GPU takes part. ``python -m holly_triton.kernels.ahead_of_time`` writes the same facts to
``reports/ahead_of_time.md``.
"""

import os
import re
from pathlib import Path

import pytest

from holly_triton.kernels.blocks import ARCHITECTURES, SIZES, TABLE, blocks_for, split_evenly

triton = pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET"):
    pytest.skip("the interpreter's kernels can't be compiled", allow_module_level=True)

from holly_triton.kernels import ahead_of_time  # noqa: E402  (only where triton is)

VARIANTS = [variant for architecture in ARCHITECTURES for variant in ahead_of_time.variants(architecture)]
STALE = "reports/ahead_of_time.md is stale: run python -m holly_triton.kernels.ahead_of_time"
REPORT = Path(__file__).parents[2] / "reports" / "ahead_of_time.md"


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_variant_neither_spills_nor_leaves_the_tensor_cores(variant: ahead_of_time.Variant) -> None:
    seen = ahead_of_time.inspect_variant(variant)
    assert seen.fault(variant) is None
    large = variant.precision == "tf32" and variant.size == "large" and variant.architecture == 90
    assert seen.products["HGMMA"] or not large, "Hopper's large tiles are for its warpgroup instruction"
    row = ahead_of_time.report_row(variant, seen)
    if f"Triton {triton.__version__}." not in REPORT.read_text():  # another compiler counts other registers
        row = row[: row.index(f" | {seen.registers} | {seen.stack} |")]
    assert row in REPORT.read_text(), STALE


def test_the_report_lists_no_variant_that_is_gone() -> None:
    rows = re.findall(r"^\| \w+ \| \d+ \|.*", REPORT.read_text(), re.MULTILINE)
    assert len(set(rows)) == len(rows) == len(VARIANTS), STALE


def test_what_leaves_one_program_a_multiprocessor_must_not_ship() -> None:
    variant = VARIANTS[0]._replace(precision="ieee", constants={"warps": 4})
    products = dict.fromkeys(ahead_of_time.TENSOR_CORES, 1)
    assert ahead_of_time.Inspection(255, 0, 0, products).fault(variant) is None
    assert "spills" in (ahead_of_time.Inspection(255, 8, 0, products).fault(variant) or "")
    wide = variant._replace(constants={"warps": 8})
    assert "registers" in (ahead_of_time.Inspection(255, 0, 0, products).fault(wide) or "")


def test_every_row_of_the_table_is_inspected() -> None:
    seen = {(v.architecture, v.precision, v.size) for v in VARIANTS}
    assert set(TABLE) <= seen and set(TABLE) == {
        (a, p, s) for a in ARCHITECTURES for p in ("tf32", "tf32x3", "bf16x3", "ieee") for s in SIZES
    }


@pytest.mark.parametrize(
    ("capability", "row"), [(75, 80), (80, 80), (86, 80), (89, 80), (90, 90), (100, 90), (120, 90)]
)
def test_devices_in_between_take_the_older_row(capability: int, row: int) -> None:
    assert blocks_for(capability, "tf32x3", 128, 16) == TABLE[row, "tf32x3", "large"]
    assert blocks_for(capability, "tf32", 16, 7) == TABLE[row, "tf32", "small"]


@pytest.mark.parametrize("items", [0, 1, 7, 16, 1000])
@pytest.mark.parametrize("most", [1, 3, 16, 5000])
def test_shares_are_even_and_cover_everything(items: int, most: int) -> None:
    shares = split_evenly(items, most)
    share = -(-items // max(1, shares))
    assert shares <= max(1, most) and shares * share >= items
    assert items == 0 or (shares - 1) * share < items
