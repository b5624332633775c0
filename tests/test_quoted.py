"""Every measured number on the pages is that of its source in ``reports/``.

A number is followed by a comment that names where it is from, which readers do not see::

    a mean F1 of 0.99<!--= tomography/figures.md: | mean | {} -->

Behind the colon is a part of one line of the file, in which ``{}`` is the number, ``*`` anything, and runs of blanks are one blank; lines
of a paragraph count as one. Several ``{}`` are the last numbers before the comment, in their order. ``{min}`` and ``{max}`` are of all
lines that fit, ``{*100}`` and ``{/1024}`` change the unit. ``file.md#heading`` looks below that heading only. Numbers that are not
measured, such as the size of a simulation, end with ``<!--= condition -->``.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "reports"
EXPLAINED = ("comparison", "results", "speed")
TAUGHT = ("particles", "frames", "tomography")
PAGES = (
    "README.md", "docs/index.md", *(f"docs/explanation/{name}.md" for name in EXPLAINED), *(f"docs/tutorials/{name}.md" for name in TAUGHT),
)  # fmt: skip
CONDITION = "condition"
MARK = re.compile(r"<!--= (.+?) -->", re.DOTALL)
NUMBER = r"-?\d{1,3}(?: \d{3})+(?!\d)|-?\d+(?:\.\d+)?(?:e-?\d+)?"
IN_TEXT = re.compile(rf"(?<![\w.])({NUMBER})(?![\w]|\.\d)")
HOLE = re.compile(r"\\\{(min|max)?(?:(\\\*|/)(\d+))?\\\}")
NO_NUMBERS = re.compile(
    r"```.*?```|^ {4}[^\n]*$|`[^`]*`|!?\[[^\]]*\.md\]\([^)]*\)|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|https?:\S+|doi \S+|\b(?:199|20[012])\d\b(?! pictures)|\(\d{4}\)"
    r"|Python 3\.\d+|[Ff]igures? \d+(?:(?:, \d+)* (?:and|to) \d+)*(?: to \d+)?|[Tt]able \d+(?:\.\d+)?|Frontiers in\s+Bioinformatics 1",
    re.DOTALL | re.MULTILINE,
)
"""Code, names of files and links, years, and numbers of figures and tables."""


class Quote(NamedTuple):
    """A comment, and the numbers before it that no comment before it took."""

    page: str
    numbers: list[str]
    source: str


def quotes_of(page: str, text: str) -> tuple[list[Quote], list[str]]:
    """The comments of a page, and the numbers of paragraphs that none of them covers."""
    quotes, left = [], []
    *parts, rest = MARK.split(text)
    for before, source in zip(parts[::2], parts[1::2], strict=True):
        *others, last = numbers_of(before)
        left += [number for paragraph in others for number in paragraph]
        quotes.append(Quote(page, last, " ".join(source.split())))
    return quotes, left + [number for paragraph in numbers_of(rest) for number in paragraph]


def numbers_of(text: str) -> list[list[str]]:
    """The numbers of each paragraph."""
    return [[found[1] for found in IN_TEXT.finditer(one)] for one in re.split(r"\n\s*\n", NO_NUMBERS.sub(" ", text))]


def number(text: str) -> float:
    return float(text.replace(" ", ""))


def lines_of(source: str) -> list[str]:
    """Lines of a file, or of a part of it below a heading; those of a paragraph as one."""
    name, _, heading = source.partition("#")
    text = (REPORTS / name).read_text(encoding="utf-8")
    if heading:
        (start,) = re.finditer(rf"^(#+) {re.escape(heading)}.*$", text, flags=re.MULTILINE)
        end = re.search(rf"^#{{1,{len(start[1])}}} ", text[start.end() :], flags=re.MULTILINE)
        text = text[start.end() :][: end.start() if end else None]
    joined = re.sub(r"(?<=[^\n])\n(?![\n|#\-!]| {4})", " ", text)
    return [" ".join(line.split()) for line in joined.splitlines()]


def found_in(source: str, fragment: str) -> list[float]:
    """The numbers of a fragment's holes, in their order."""
    escaped = re.escape(fragment).replace(r"\ ", " ")
    holes = list(HOLE.finditer(escaped))
    pattern = re.sub(r"(?<!\{)\\\*(?!\d)", r".*?", HOLE.sub("\0", escaped)).replace("\0", rf"(?<![\w.])({NUMBER})")
    rows = [row.groups() for line in lines_of(source) if (row := re.search(pattern, line))]
    assert rows, f"nothing in reports/{source} is like: {fragment}"
    values = []
    for hole, cells in zip(holes, zip(*rows, strict=True), strict=True):
        column = {number(cell) for cell in cells}
        choose, operator, factor = hole.groups()
        assert choose or len(column) == 1, f"several lines of reports/{source} are like: {fragment}"
        value = min(column) if choose == "min" else max(column)
        values.append(value / float(factor) if operator == "/" else value * float(factor or 1))
    return values


def agrees(quoted: str, value: float) -> bool:
    """Whether a number is the source's, rounded to the digits that are quoted."""
    digits = len(quoted.partition(".")[2]) if "." in quoted else 0
    whole = quoted.replace(" ", "")
    zeros = len(whole) - len(whole.rstrip("0")) if digits == 0 and abs(value) >= 100 else 0
    return abs(number(quoted) - value) <= 0.5 * 10.0 ** (zeros - digits) * (1 + 1e-9)


def check(quote: Quote) -> None:
    if quote.source == CONDITION:
        return
    source, fragment = quote.source.split(": ", 1)
    values = found_in(source, fragment)
    quoted = quote.numbers[len(quote.numbers) - len(values) :]
    assert len(quoted) == len(values), f"{quote.page}: {len(values)} numbers are expected before {quote.source}"
    wrong = [f"{own}, but {value:g}" for own, value in zip(quoted, values, strict=True) if not agrees(own, value)]
    assert not wrong, f"{quote.page}: {'; '.join(wrong)} in reports/{quote.source}"


READ = {page: quotes_of(page, (ROOT / page).read_text(encoding="utf-8")) for page in PAGES}
QUOTES = [quote for quotes, _ in READ.values() for quote in quotes]


@pytest.mark.parametrize("quote", QUOTES, ids=[f"{Path(one.page).stem}: {one.source[:60]}" for one in QUOTES])
def test_a_quoted_number_is_that_of_its_source(quote: Quote) -> None:
    check(quote)


@pytest.mark.parametrize("page", PAGES)
def test_every_number_of_a_page_names_its_source(page: str) -> None:
    quotes, left = READ[page]
    assert left == [], f"{page}: numbers without a comment that names their source"
    for quote in quotes:
        holes = len(HOLE.findall(re.escape(quote.source)))
        assert quote.source == CONDITION or len(quote.numbers) == holes, (
            f"{page}: {quote.numbers} before {quote.source}"
        )


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small report in place of those of the project."""
    monkeypatch.setitem(globals(), "REPORTS", tmp_path)
    (tmp_path / "a.md").write_text("# A\n\n| b | 0.986 | 3 |\n| c | 12 345 | 3 |\n\n## D\n\nIt took\n18.2 s.\n")


def quote_in(text: str) -> Quote:
    ((quote,), _) = quotes_of("page", text)
    return quote


@pytest.mark.parametrize(
    "text",
    [
        "0.99<!--= a.md: | b | {} -->", "99 %<!--= a.md: | b | {*100} -->", "12 000<!--= a.md: | c | {} -->",
        "12345<!--= a.md: | {max} | 3 -->", "18<!--= a.md#D: took {} s -->", "3<!--= a.md: | * | * | {} | -->",
        "1.0 of 3<!--= a.md: | b | {} | {} -->",
    ],
)  # fmt: skip
def test_a_number_agrees_in_the_digits_that_are_quoted(source: None, text: str) -> None:
    check(quote_in(text))


@pytest.mark.parametrize(
    "text",
    ["0.98<!--= a.md: | b | {} -->", "18.3<!--= a.md#D: took {} s -->", "12 400<!--= a.md: | c | {} -->",
     "3<!--= a.md: | d | {} -->", "1<!--= a.md: | {} | 3 -->", "0.99<!--= a.md: | b | {} | {} -->"],
    ids=["value", "decimal", "zeros", "no line", "two lines", "too few"],
)  # fmt: skip
def test_what_differs_from_its_source_is_found(source: None, text: str) -> None:
    with pytest.raises(AssertionError):
        check(quote_in(text))


def test_numbers_that_name_no_source_are_listed() -> None:
    assert quotes_of("page", "in `7` of 2020, as table 5.1 has it, 5 and 1 000 were found, in 3D")[1] == ["5", "1 000"]
