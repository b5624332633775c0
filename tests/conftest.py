"""What several test files share."""

import pytest

from holly_triton import evaluate


@pytest.fixture
def quick_alignment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alignment has its own tests; a fraction of its starts and spins is enough for these clouds."""
    for name, value in (("STARTS", 1600), ("SPIN_STEP_DEG", 45.0), ("NUDGES", 8)):
        monkeypatch.setattr(evaluate, name, value)
