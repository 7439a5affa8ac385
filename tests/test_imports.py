"""Who may import whom. Packages and their order are those of ARCHITECTURE in the documentation."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_segany

PACKAGE = Path(napari_segany.__file__).parent
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"
STANDARD = sys.stdlib_module_names

PACKAGES: dict[str, set[str]] = {
    "errors": set(),
    "schema": set(),
    "openmp": set(),
    "core": set(),
    "networks": set(),
    "weights": {"core", "networks", "schema"},
    "models": {"core", "networks", "weights"},
    "generators": {"core", "models"},
    "classification": {"core", "models", "generators"},
    "linking": {"core", "models"},
    "recipe": {"core", "classification", "generators", "linking", "schema"},
    "tiled_planes": {"core", "models", "generators", "recipe"},
    "plane_search": {
        *("core", "weights", "models", "generators", "classification", "linking", "recipe"),
        "tiled_planes",
    },
    "segmentation": {
        *("core", "models", "generators", "classification", "linking", "recipe", "plane_search"),
        "tiled_planes",
    },
    "volume_regions": {"core", "models", "generators", "linking", "plane_search"},
    "propagation": {
        *("core", "models", "generators", "linking", "recipe", "segmentation", "volume_regions"),
    },
    "zero_shot": {"core", "models", "generators", "recipe"},
    "session": {"core", "models", "linking", "recipe", "schema"},
    "io": {"core", "models", "linking", "recipe", "segmentation", "schema"},
    "tracking": {"core", "linking", "io"},
    "batch": {
        *("core", "weights", "models", "generators", "recipe", "segmentation", "zero_shot"),
        *("io", "linking", "plane_search", "schema", "classification", "tiled_planes"),
    },
    "evaluation": {
        *("core", "weights", "models", "generators", "recipe", "segmentation", "zero_shot"),
        *("io", "batch", "linking", "propagation", "plane_search", "schema", "tracking"),
    },
    "training": {
        *("core", "networks", "weights", "models", "generators", "recipe", "io", "batch"),
        *("evaluation", "schema"),
    },
    "remote": {"core", "networks", "weights", "models", "generators", "recipe"},
    "cli": {
        *("core", "weights", "models", "generators", "recipe", "segmentation", "zero_shot"),
        *("session", "io", "batch", "evaluation", "training", "linking", "propagation", "schema"),
        *("tracking", "remote", "volume_regions"),
    },
    "__main__": {"cli"},
    "plugin": {
        *("core", "weights", "models", "generators", "recipe", "segmentation", "zero_shot"),
        *("session", "io", "batch", "evaluation", "linking", "propagation", "plane_search"),
        *("tracking", "remote", "classification", "tiled_planes", "training", "volume_regions"),
    },
    # The public names, loaded when they are used.
    "__init__": {
        *("core", "weights", "models", "generators", "recipe", "segmentation", "zero_shot"),
        *("session", "io", "evaluation", "linking", "propagation", "openmp", "tracking"),
        *("classification", "training"),
    },
}
"""Packages and single modules that each of them may import beside itself and the errors."""

OUTSIDE: dict[str, set[str]] = {
    "errors": set(),
    "openmp": set(),
    "core": {"numpy", "scipy", "skimage", "torch", "PIL", "xxhash"},
    "networks": {"torch", "numpy"},
    "recipe": {"torch"},
    "__init__": set(),
    "__main__": set(),
}
"""Packages from outside that the strict ones may import."""

GUI = {"napari", "qtpy", "magicgui", "PyQt5", "PyQt6", "PySide6", "vispy"}


LINES = 400
"""Lines of the longest module."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def package(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Full names of everything a module imports, anywhere in it, for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = package(path)
    assert here in PACKAGES, f"{here} is a new package: say here what it may import"
    for name in imported(path):
        first, _, rest = name.partition(".")
        if first == "napari_segany":
            there = rest.partition(".")[0]
            assert there in {here, "errors", *PACKAGES[here]}, f"{here} must not import {there}"
        elif first not in STANDARD:
            assert here == "plugin" or first not in GUI, f"{here} must not import {first}"
            assert first in OUTSIDE.get(here, {first}), f"{here} must not import {first}"


def test_only_the_public_names_know_a_family_of_models() -> None:
    """All other packages use models through :mod:`napari_segany.models.protocol`."""
    families = [f"napari_segany.models.{p.name}." for p in PACKAGE.glob("models/*/")]
    known = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        if package(path) != "models"
        for name in imported(path)
        if name.startswith(tuple(families))
    }
    assert known == {"__init__.py"}


def imports_at_module_level() -> dict[str, set[str]]:
    """Modules that each module imports when it is imported, or for its types."""
    names = {module_name(path): path for path in modules()}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        graph[name] = set()
        todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        while todo:
            for node in ast.iter_child_nodes(todo.pop()):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    for alias in node.names:
                        inner = f"{node.module}.{alias.name}"
                        graph[name] |= {inner if inner in names else node.module} & set(names)
                elif isinstance(node, ast.Import):
                    graph[name] |= {alias.name for alias in node.names} & set(names)
                elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                    todo.append(node)
    # A package's public names are loaded when they are used, and most packages import nothing.
    return {name: found - {"napari_segany", name} for name, found in graph.items()}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other() -> None:
    """Imports for types count, too: a circle of types is a circle of ideas."""
    graph = imports_at_module_level()
    before = 0
    while before != len(graph):
        before = len(graph)
        used = set().union(*graph.values())
        # Modules that import nothing here, or that nothing here imports, are in no circle.
        graph = {name: found & set(graph) for name, found in graph.items() if name in used}
        graph = {name: found for name, found in graph.items() if found}
    assert not graph, "these import each other"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_short(path: Path) -> None:
    """One that grows beyond this has two ideas; the second gets a module of its own."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.skipif(not ARCHITECTURE.is_file(), reason="the documentation is not beside the tests")
def test_the_architecture_names_every_module() -> None:
    """By its package, or in its package; folders within a package speak for what is in them."""
    rows = re.findall(r"^\| `([\w./]+)` \| (.*) \|$", ARCHITECTURE.read_text("utf-8"), re.M)
    said = {name.removesuffix("/").removesuffix(".py"): text for name, text in rows}
    missing = []
    for path in modules():
        first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
        known = not rest or f"`{rest[0]}`" in said.get(first, "")
        if len(rest) > 1:
            known = f"`{rest[0]}/`" in said.get(first, "")
        if first not in said or not (known or rest == ["__init__"]):
            missing.append(str(path.relative_to(PACKAGE)))
    assert not missing, "name them in docs/architecture.md"


PLUGIN = PACKAGE / "plugin"
DOCKS = {"prompt", "everything", "tracks", "batch", "learn", "evaluate", "models"}
PLUGIN_PACKAGES: dict[str, set[str]] = {
    "layers": set(),
    "jobs": set(),
    "shared": {"layers", "jobs"},
    **{dock: {"layers", "jobs", "shared"} for dock in DOCKS},
}
"""Packages of the plugin that each of them may import beside itself."""


def dotted(path: Path) -> str:
    return ".".join(("napari_segany", *path.relative_to(PACKAGE).with_suffix("").parts))


@pytest.mark.parametrize("dock", sorted(PLUGIN_PACKAGES))
def test_no_dock_imports_another(dock: str) -> None:
    """Docks share what is in ``layers``, ``jobs`` and ``shared``, which import no dock."""
    allowed = {dock, *PLUGIN_PACKAGES[dock]}
    for path in sorted((PLUGIN / dock).rglob("*.py")):
        for name in imported(path):
            parts = name.split(".")
            if parts[:2] == ["napari_segany", "plugin"]:
                assert parts[2] in allowed, f"{path}: {dock} must not import {parts[2]}"


def test_the_plugin_has_no_other_packages() -> None:
    there = {path.name for path in PLUGIN.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert there == set(PLUGIN_PACKAGES)
    assert [path.name for path in PLUGIN.glob("*.py")] == ["__init__.py"]


def test_controllers_layers_and_jobs_need_no_qt() -> None:
    """Qt is needed by widgets, by what builds them, and by the queue that delivers results."""
    free = [
        path
        for path in modules()
        if path.is_relative_to(PLUGIN)
        and (
            path.stem == "controller"
            or path.parent.name == "layers"
            or (path.parent.name == "jobs" and path.stem != "qt_queue")
        )
    ]
    assert len(free) > 12
    names = ", ".join(dotted(path) for path in free if path.stem != "__init__")
    loaded = run(f"import sys, {names}; print(*set(sys.modules) & {{'qtpy', 'superqt'}})")
    assert loaded == ""


def test_the_packages_are_in_an_order() -> None:
    """No package can be reached from itself."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(PACKAGES[start])
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += PACKAGES[name]
        return seen

    assert not [name for name in PACKAGES if name in reach(name)]
    assert not [name for name in PACKAGES if "plugin" in reach(name)]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": "", "HOME": "/nonexistent"},
    )
    return done.stdout.strip()


HEAVY = "torch numpy scipy skimage napari qtpy dask zarr tifffile onnx PIL rich"


def test_importing_the_package_costs_nothing_heavy() -> None:
    loaded = run(f"import sys, napari_segany; print(*set(sys.modules) & set('{HEAVY}'.split()))")
    assert loaded == ""


def test_the_command_line_starts_without_torch() -> None:
    loaded = run(
        "import sys, contextlib, io\n"
        "from napari_segany.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "print(*set(sys.modules) & {'torch', 'napari', 'qtpy', 'skimage', 'scipy', 'onnx'})"
    )
    assert loaded == ""


def test_the_core_runs_without_files_or_windows() -> None:
    names = [
        f"napari_segany.{'.'.join(p.relative_to(PACKAGE).with_suffix('').parts)}"
        for p in modules()
        if package(p) == "core" and p.stem != "__init__"
    ]
    assert len(names) > 8
    unwanted = {*GUI, "dask", "zarr", "tifffile", "onnx"}
    loaded = run(f"import sys, {', '.join(names)}; print(*set(sys.modules) & {unwanted!r})")
    assert loaded == ""


def test_public_names_are_loaded_when_they_are_used() -> None:
    loaded = run(
        "import sys, napari_segany as sa\n"
        "sa.AutomaticParams(); before = 'torch' in sys.modules\n"
        "sa.SamModel; print(before, 'torch' in sys.modules)"
    )
    assert loaded == "False True"


def test_every_public_name_is_there() -> None:
    assert dir(napari_segany) == sorted(napari_segany.__all__)
    assert set(napari_segany.__all__) == {*napari_segany._HOMES, "__version__"}
    for name, home in napari_segany._HOMES.items():
        value = getattr(napari_segany, name)
        assert value.__module__ == home
        assert value is getattr(napari_segany, name)
        assert value.__doc__, f"{name} has no documentation"


def test_every_public_name_has_a_type() -> None:
    """Type checkers do not run ``__getattr__``: they read the imports."""
    (block,) = (
        node
        for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.If)
    )
    homes = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert homes == napari_segany._HOMES


def test_names_that_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'napari_segany' has no attribute 'segment'"):
        napari_segany.segment  # noqa: B018
    assert not hasattr(napari_segany, "_private")
