"""Compare the documentation with the code: commands, paths, links, models and snippets."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_segany
from napari_segany.cli.main import build_parser
from napari_segany.weights.catalog import CATALOG

ROOT = Path(__file__).parents[1]
PACKAGE = Path(napari_segany.__file__).parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="the documentation is not beside the tests"
)

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> Iterator[str]:
    """Code blocks of a language, without the indentation of the list they are in."""
    for indent, code in re.findall(rf"^( *)```{language}\n(.*?)^ *```", text_of(path), re.M | re.S):
        yield re.sub(rf"^{indent}", "", code, flags=re.M)


def commands(path: Path) -> Iterator[list[str]]:
    """Arguments of each command of ours that can be run as it is written."""
    for block in blocks(path, ""):
        for line in block.splitlines():
            words = shlex.split(line, comments=True) if line.startswith("napari-segany ") else []
            if (
                words
                and not {"|", "IN...", "--box R0,C0,R1,C1"} & set(words)
                and "R,C" not in words
            ):
                yield words[1:]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_understood(path: Path) -> None:
    parser = build_parser()
    for words in commands(path):
        try:
            parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"{path.name}: napari-segany {' '.join(words)}")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_snippets_use_names_that_exist(path: Path) -> None:
    for code in blocks(path, "python"):
        if code.startswith("--8<--"):
            assert (ROOT / "examples" / code.split('"')[1]).is_file()
            continue
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sa":
                assert node.attr in napari_segany.__all__, f"{path.name}: sa.{node.attr}"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_s"):
                module = PACKAGE.parent / Path(*str(node.module).split("."))
                assert module.with_suffix(".py").is_file() or module.is_dir(), node.module


def is_there(name: str) -> bool:
    """True for a path below the repository, the package or one of its packages."""
    roots = [ROOT, PACKAGE, PACKAGE / "networks" / "decoder"]
    return any(list(root.glob(name.rstrip("/"))) for root in roots)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(path: Path) -> None:
    """Paths of modules, scripts and tests in backticks: at least one folder and a name."""
    named = re.findall(r"`((?:[\w.*-]+/)+(?:[\w*-]+\.(?:py|md|yml))?)`", text_of(path))
    ours = {"src", "tests", "docs", "benchmarks", "scripts", "examples", "plugin", "networks"}
    ours |= {each.name for each in PACKAGE.iterdir() if each.is_dir()}
    wrong = [
        name
        for name in named
        if name.split("/")[0] in ours and "NAME" not in name and not is_there(name)
    ]
    assert not wrong, f"{path.name} names files that do not exist"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Links between files; mkdocs checks those within the documentation again."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text_of(path))
    assert not [link for link in links if not (path.parent / link).exists()]


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    shown = re.findall(r"^::: ([\w.]+)$", text_of(ROOT / "docs" / "api.md"), re.M)
    assert len(shown) == len(set(shown))
    homes = {f"{home}.{name}" for name, home in napari_segany._HOMES.items()}
    assert homes <= set(shown)


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_every_published_model_is_named_with_its_licence(page: str) -> None:
    lines = re.split(r"\n(?=[|-] )|\n(?=- )", text_of(ROOT / page))
    for spec in CATALOG.values():
        found = [line for line in lines if f"`{spec.id}`" in line]
        licence = spec.licence.split(" (")[0]
        assert any(licence in line for line in found), f"{page}: {spec.id} ({licence})"


def test_shortcuts_are_the_same_on_both_pages() -> None:
    def keys(page: str) -> list[str]:
        rows = re.findall(r"^\| (`[^|]*`) \| ([^|]*?) \|", text_of(ROOT / page), re.M)
        return [key for key, _ in rows if re.fullmatch(r"(`(Shift-)?[A-Z]`(, )?)+", key)]

    assert keys("README.md") == keys("docs/widgets.md")
    assert len(keys("README.md")) == 15


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    records = [path.name for path in sorted(folder.glob("[0-9]*.md"))]
    assert [name[:4] for name in records] == [f"{i:04}" for i in range(1, len(records) + 1)]
    index, nav = text_of(folder / "index.md"), text_of(ROOT / "mkdocs.yml")
    for name in records:
        assert f"]({name})" in index
        assert f"decisions/{name}" in nav
        headings = re.findall(r"^## (.*)$", text_of(folder / name), re.M)
        assert headings == ["Context", "Decision", "Consequences"]
