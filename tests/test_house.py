"""The house keeps its shape: imports point down, and nothing lies deeper than two folders."""

import ast
import pathlib

import keras_nlp_lite

PACKAGE = pathlib.Path(keras_nlp_lite.__file__).parent

# A room may import itself and what stands on lower floors.
FLOORS = {
    "checks": 0,
    "atomic": 0,
    "memory": 0,
    "untuned": 0,
    "version": 0,
    "ops": 1,
    "svg": 1,
    "workers": 1,
    "optimizers": 1,
    "metrics": 2,
    "samplers": 2,
    "tokenizers": 2,
    "layers": 3,
    "monitoring": 3,
    "backbones": 4,
    "data": 4,
    "tasks": 5,
    "models": 6,
    "training": 6,
    "tuning": 7,
    "export": 7,
    "cli": 8,
}


def sources():
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """Each room of ours that a file imports, anywhere in it, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its floor"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "keras_nlp_lite" and len(parts) > 1:
                yield parts[1]


def test_imports_point_down():
    uphill = []
    for path in sources():
        room = room_of(path)
        if room == "__init__":
            continue
        for target in imported_rooms(path):
            if target != room and FLOORS[target] >= FLOORS[room]:
                uphill.append(f"{path.relative_to(PACKAGE)} imports {target}")
    assert not uphill


def test_every_room_has_a_floor():
    assert {room_of(path) for path in sources()} - {"__init__"} <= set(FLOORS)


def test_no_source_lies_deeper_than_two_folders():
    assert all(len(path.relative_to(PACKAGE.parent).parts) <= 3 for path in sources())


def test_a_layer_file_holds_one_public_class_named_after_it():
    for path in (PACKAGE / "layers").glob("*.py"):
        if path.name == "__init__.py":
            continue
        classes = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        wanted = path.stem.replace("_", "")
        assert [name.lower() for name in classes] == [wanted], path
