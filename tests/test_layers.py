"""The house's floors (an import may only go down) and what may be imported when a module loads."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avrec"

FLOORS = [
    {"errors", "progress"},
    {"files"},
    {"geometry"},
    {"drive", "gaussians"},
    {"ingest", "raster", "mesh", "maps"},
    {"scene"},
    {"rendering", "scenario"},
    {"reconstruction"},  # it ends by meshing what it renders
    {"evaluation", "simulation"},
    {"services", "viewer", "curation", "fleet"},
    {"cli"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
EXTRAS = {"carla", "fiftyone", "gsplat", "matplotlib", "ncore", "ray", "viser"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """First part of the path below the package: its room, or the name of a module that stands alone."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_of(path: Path) -> list[str]:
    parts = ["avrec", *path.relative_to(PACKAGE).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(tree: ast.AST, path: Path) -> Iterator[str]:
    """Full names of everything imported anywhere below ``tree``; ``from a import b`` gives ``a.b``."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def loaded_at_once(tree: ast.Module) -> ast.Module:
    """The module without the bodies of its functions and of its ``if TYPE_CHECKING`` blocks."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)

    return Strip().visit(tree)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms <= set(FLOOR_OF), f"give these a floor: {sorted(rooms - set(FLOOR_OF))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_import_runs_upward(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":  # the package's own face shows what is upstairs
        return
    for name in imports(parse(path), path):
        parts = name.split(".")
        if parts[0] in {"tests", "bench"}:
            pytest.fail(f"{path.name} imports {name}")
        if parts[0] != "avrec" or len(parts) == 1 or parts[1] == room:
            continue
        assert parts[1] in FLOOR_OF, f"{path.relative_to(PACKAGE)} takes {name} from the top of avrec"
        assert FLOOR_OF[parts[1]] < FLOOR_OF[room], f"{path.relative_to(PACKAGE)} ({room}) imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_extras_load_only_where_used(path: Path) -> None:
    loaded = {name.split(".")[0] for name in imports(loaded_at_once(parse(path)), path)}
    assert not loaded & EXTRAS, "import it inside the function that needs it (avrec.errors.require)"


def test_the_catalogue_of_cases_stands_on_scenarios_only() -> None:
    """A case must not know which simulator plays it."""
    for path in sorted((PACKAGE.parent / "scenarios").rglob("*.py")):
        for name in imports(parse(path), PACKAGE / "scenario" / path.name):
            parts = name.split(".")
            if parts[0] == "avrec":
                assert FLOOR_OF[parts[1]] <= FLOOR_OF["scenario"], f"{path.name} imports {name}"
            else:
                assert parts[0] in set(sys.stdlib_module_names) | {"numpy", "scenarios"}, f"{path.name} imports {name}"


def test_geometry_needs_numpy_and_pyproj_only() -> None:
    for path in (PACKAGE / "geometry").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(parse(path), path)}
        strangers = roots - set(sys.stdlib_module_names) - {"avrec", "numpy", "pyproj"}
        assert not strangers, f"{path.name} imports {strangers}"


def test_command_line_loads_no_room_before_a_verb_runs() -> None:
    for path in (PACKAGE / "cli").rglob("*.py"):
        for name in imports(loaded_at_once(parse(path)), path):
            parts = name.split(".")
            assert parts[0] in set(sys.stdlib_module_names) | {"avrec", "tyro"}, f"{path.name} loads {name}"
            assert parts[0] != "avrec" or parts[1] in {"cli", "errors", "progress"}, f"{path.name} loads {name}"


def test_the_judge_sees_an_upward_import() -> None:
    """The parser finds relative, nested and aliased imports."""
    text = "from ..scene import Scene\ndef f():\n    import avrec.cli.app as a\nif x:\n    from avrec import errors\n"
    found = set(imports(ast.parse(text), PACKAGE / "geometry" / "shutter.py"))
    assert found == {"avrec.scene.Scene", "avrec.cli.app", "avrec.errors"}
    assert set(imports(loaded_at_once(ast.parse(text)), PACKAGE / "cli" / "app.py")) == {
        "avrec.scene.Scene",
        "avrec.errors",
    }
