"""Counters of energy, as Linux shows them, in a folder of the test's own."""

from pathlib import Path

import pytest
import torch

from holly_triton.core import energy

CPU = torch.device("cpu")


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "PROCESSOR_COUNTERS", tmp_path)
    return tmp_path


def count(counters: Path, name: str, microjoules: object) -> None:
    (counters / name).mkdir(exist_ok=True)
    (counters / name / "energy_uj").write_text(f"{microjoules}\n")
    (counters / name / "name").write_text("psys\n" if name.endswith("9") else "package-0\n")


def test_packages_are_summed_and_their_parts_are_not_counted_twice(counters: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0", "intel-rapl:9"):
        count(counters, name, 1_000_000)
    meter = energy.EnergyMeter(CPU)
    count(counters, "intel-rapl:0", 4_000_000)
    count(counters, "intel-rapl:1", 1_500_000)
    count(counters, "intel-rapl:0:0", 9_000_000)
    count(counters, "intel-rapl:9", 9_000_000)  # the whole machine
    assert meter.joules() == pytest.approx(3.5)
    assert meter.joules() == 0


def test_a_counter_that_starts_again_counts_nothing(counters: Path) -> None:
    count(counters, "intel-rapl:0", 5_000_000)
    meter = energy.EnergyMeter(CPU)
    count(counters, "intel-rapl:0", 7)
    assert meter.joules() == 0


@pytest.mark.parametrize("content", [None, "not a number"])
def test_where_nothing_counts_there_is_no_figure(counters: Path, content: str | None) -> None:
    if content is not None:
        count(counters, "intel-rapl:0", content)
    assert energy.EnergyMeter(CPU).joules() == 0
