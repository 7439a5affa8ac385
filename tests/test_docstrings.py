"""Docstrings begin in plain technical English and have sections that numpydoc knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_segany

PACKAGE = Path(napari_segany.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]

RIDDLES = ("What", "Who", "Whom", "Whose", "Whoever", "How", "Where", "Whether", "When", "Which")
"""First words of sentences that do not say what a thing is or does."""

SECTIONS = {
    *("Parameters", "Returns", "Yields", "Receives", "Other Parameters", "Raises", "Warns"),
    *("Warnings", "See Also", "Notes", "References", "Examples", "Attributes", "Methods"),
}
"""Sections of numpydoc."""

_HEADING = re.compile(r"^([^\n]+)\n-{3,}$", re.MULTILINE)


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Iterate over lines and texts of all docstrings, those of constants included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, "\n".join(each.strip() for each in text.split("\n"))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_first_lines_say_what_a_thing_is_or_does(path: Path) -> None:
    bad = {
        line: text.split("\n")[0]
        for line, text in docstrings(path)
        if (text.split(maxsplit=1) or [""])[0].rstrip(",.:;") in RIDDLES
    }
    assert not bad


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_sections_are_those_of_numpydoc(path: Path) -> None:
    found = {heading for _, text in docstrings(path) for heading in _HEADING.findall(text)}
    assert found <= SECTIONS


@pytest.mark.parametrize("word", RIDDLES)
def test_the_test_itself_finds_riddles(word: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f'"""{word} is asked."""\nVALUE = 1\n"""Number\n------\n"""\n')
    (_, first), (_, second) = docstrings(path)
    assert first.split()[0] == word
    assert _HEADING.findall(second) == ["Number"]
