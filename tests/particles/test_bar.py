"""The bar of a run on a terminal."""

import io
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from holly_triton.core import progress
from holly_triton.particles.run import bar


@pytest.mark.parametrize("stage", [*bar.STAGES][1:])
@pytest.mark.parametrize("part", ["", "part 2 of 4"])
@pytest.mark.parametrize(("width", "has_loss"), [(80, False), (120, True)])
def test_nothing_is_cut_and_the_time_left_is_that_of_the_part(
    stage: str, part: str, width: int, has_loss: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=width)
    for module in (bar, progress):
        monkeypatch.setattr(module, "console", console)
    state: Any = SimpleNamespace(step=0, seconds=0.0)

    def work(callback: Callable[[Any], None]) -> bool:
        for step in range(1, 301):
            state.seconds = 10.0 * step
            callback(SimpleNamespace(step=step, stage=stage, loss=1.234e5, sigma_nm=12.3))
        return True

    assert bar.under_bar(state, 1000, work, part)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.getvalue()).strip().splitlines()[-1]
    assert "…" not in last and "300/1000" in last and ("loss 1.234e+05" in last) is has_loss
    assert last.endswith(f"about 1:56:40 left in {part}" if part else "about 1:56:40 left")
