"""A page of sections on one self-contained HTML file: sentences, tables and pictures, in the style of the report of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from holly_triton.core.files import foreign, replacing

from .charts import data_uri

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A picture and what is to be seen in it."""

    path: Path
    caption: str
    alt: str = ""
    """What a reader who does not see it is told; the caption if not given."""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        heading: A few words.
        sentences: A paragraph each.
        table: Rows of cells, the first one the head; empty for none.
        pictures: Embedded, in this order.
        commands: Lines to type.
        links: Words, and the file that they lead to, relative to the page.
        printed: Lines of a program, which are shown on request
        is_short: or at once.
    """

    heading: str
    sentences: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    pictures: Sequence[Shown] = ()
    commands: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    printed: Sequence[str] = ()
    is_short: bool = False


def write_sections(
    path: Path, name: str, answer: str, sections: Sequence[Section], warnings: Sequence[str] = ()
) -> None:
    """Write the page.

    Args:
        path: Its file.
        name: What it is of, in a few words.
        answer: The result in one sentence, with which it begins.
        sections: In their order.
        warnings: Sentences about limitations.

    Raises:
        HollyError: A picture can't be read, or the page can't be written.
    """
    pictures = {shown.path: _embedded(shown.path) for section in sections for shown in section.pictures}
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("sections.html.j2").render(
        name=name, answer=answer, sections=sections, warnings=warnings, pictures=pictures,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
    )  # fmt: skip
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _embedded(path: Path) -> str:
    with foreign(path, "a picture"):
        return data_uri(path.read_bytes(), "png")
