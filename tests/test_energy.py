"""Counters of energy, as Linux shows them, in a folder of the test's own."""

from pathlib import Path

import pytest
import torch

from holly_triton import energy

CPU = torch.device("cpu")


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "PROCESSOR_COUNTERS", tmp_path)
    return tmp_path


def test_packages_are_summed_and_their_parts_are_not_counted_twice(counters: Path) -> None:
    for name, microjoules in (("intel-rapl:0", 3_000_000), ("intel-rapl:1", 500_000), ("intel-rapl:0:0", 999)):
        (counters / name).mkdir()
        (counters / name / "energy_uj").write_text(f"{microjoules}\n")
    assert energy.energy_joules(CPU) == 3.5


@pytest.mark.parametrize("content", [None, "not a number"])
def test_no_counter_is_no_figure(counters: Path, content: str | None) -> None:
    if content is not None:
        (counters / "intel-rapl:0").mkdir()
        (counters / "intel-rapl:0" / "energy_uj").write_text(content)
    assert energy.energy_joules(CPU) is None
