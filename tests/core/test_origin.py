"""What the last lines of reports say of the commit and the machine."""

import re

from holly_triton.core import origin


def test_a_checkout_names_its_commit_and_an_installed_copy_its_release() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}|release \S+", origin.short_commit())


def test_records_name_each_commit_and_machine_once() -> None:
    runs = [{"commit": "b", "machine": "x86_64, one thread"}, {"commit": "a", "machine": "x86_64, one thread"}]
    assert origin.origin_of([*runs, runs[0]]) == "Commit a, b; x86_64, one thread."


def test_records_that_lack_them_are_said_to() -> None:
    assert origin.origin_of([{"seed": 0}]) == origin.NOT_RECORDED
    assert origin.origin_of([{"seed": 0}, origin.here()]).endswith("Of some runs both were not recorded.")
