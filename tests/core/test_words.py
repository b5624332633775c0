import pytest

from holly_triton.core.words import counted, enumerated, in_capitals, part_of, rounded, spanned


@pytest.mark.parametrize(("number", "said"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures")])
def test_nouns_follow_their_number(number: int, said: str) -> None:
    assert counted(number, "picture") == said


def test_a_plural_that_is_irregular_is_given() -> None:
    assert counted(2, "half", "halves") == "2 halves" and counted(1, "half", "halves") == "1 half"


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (1, 9, "1 of 9 rows holds no number, is left out and was counted"),
        (3, 9, "3 of 9 rows hold no number, are left out and were counted"),
        (1, 1, "1 of 1 row holds no number, is left out and was counted"),
    ],
)
def test_verbs_follow_the_part(part: int, whole: int, said: str) -> None:
    assert part_of(part, whole, "row", "{hold} no number, {are} left out and {were} counted") == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.05123, "0.0512"), (13.14, "13.1"), (1000, "1000"), (123456.7, "123457")]
)
def test_large_figures_have_no_exponent(value: float, said: str) -> None:
    assert rounded(value) == said


@pytest.mark.parametrize(("texts", "said"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_the_last_of_several_is_joined_by_and(texts: list[str], said: str) -> None:
    assert enumerated(texts) == said


@pytest.mark.parametrize(
    ("ends", "form", "said"), [((3, 24), "", "3 to 24"), ((24, 24), "", "24"), ((1.01, 1.02), ".1f", "1.0")]
)
def test_a_range_of_one_figure_is_that_figure(ends: tuple[float, float], form: str, said: str) -> None:
    assert spanned(*ends, form) == said


def test_a_name_with_another_initial_stays_as_it_was_typed() -> None:
    assert [in_capitals(name, "CD") for name in ("c8", "D3", "q5", "")] == ["C8", "D3", "q5", ""]
