"""The examples of the Python interface do what they say."""

import doctest

import pytest

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
