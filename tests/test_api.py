"""The examples of the Python interface do what they say."""

import doctest

from holly_triton import api


def test_the_examples_hold():
    found = doctest.testmod(api)
    assert found.attempted >= 12
    assert found.failed == 0
