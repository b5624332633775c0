"""The examples of the Python interface do what they say."""

import doctest
from pathlib import Path

import pytest

import holly_triton
from holly_triton import api
from holly_triton.frames import api as frames_api
from holly_triton.tomography import api as tomography_api


@pytest.mark.parametrize(
    ("module", "fewest"), [(api, 12), (frames_api, 10), (tomography_api, 9)], ids=["particles", "frames", "tomography"]
)
def test_the_examples_hold(module, fewest):
    found = doctest.testmod(module)
    assert found.attempted >= fewest
    assert found.failed == 0


def test_the_page_of_the_reference_has_every_public_name() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    lacking = [name for name in holly_triton.__all__ if f".{name}\n" not in page and f"`{name}`" not in page]
    assert lacking == []
