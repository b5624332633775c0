"""What several test files share."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

if os.environ.get("HOLLY_TRITON_GPU") != "1":
    # Only tests/gpu is about a GPU; elsewhere a device that happens to be there would change what is tested, and how
    # long it takes. PyTorch reads this when it is first asked for a device, as do the processes that tests start.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: more threads each would only wait for one another. Read when torch loads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from holly_triton.core.log import LOG, SHOWN  # noqa: E402
from holly_triton.core.stop import Stop  # noqa: E402
from holly_triton.validation import alignment  # noqa: E402


@pytest.fixture
def seed() -> int:
    """Of random numbers; HOLLY_TRITON_SEED gives others, as the nightly check does every night."""
    return int(os.environ.get("HOLLY_TRITON_SEED", "0"))


@pytest.fixture
def report_as_before() -> Iterator[None]:
    """What is reported, and where, is after the test as it was before any command."""
    yield
    for handler in LOG.handlers[:]:
        LOG.removeHandler(handler)
        handler.close()
    SHOWN.setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def quick_alignment() -> Iterator[None]:
    """The alignment has its own tests; a fraction of its starts and spins is enough for these clouds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("STARTS", 1600), ("SPIN_STEP_DEG", 45.0), ("NUDGES", 8)):
            patch.setattr(alignment, name, value)
        yield


@pytest.fixture(scope="module")
def quick_drawing() -> Iterator[None]:
    """Charts and views have their own tests; of a run of a few steps, writing them takes a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("holly_triton.report.charts._svg", lambda figure: "data:,")
        patch.setattr("holly_triton.view.sheet.PANEL_PX", 190)
        yield


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Stops ``train``, as a signal would, when it has asked so many times whether to stop: after each step, once."""

    def after(steps: int) -> None:
        class After(Stop):
            times = 0

            @property
            def asked(self) -> bool:  # type: ignore[override]
                self.times += 1
                return self.times >= steps

        @contextmanager
        def stoppable() -> Iterator[Stop]:
            yield After()

        monkeypatch.setattr("holly_triton.particles.run.training.stoppable", stoppable)

    return after
