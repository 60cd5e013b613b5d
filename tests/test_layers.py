"""Imports point down and neighbours never import each other; ray and web3 stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("experts", "contracts", "router", "nodes", "agents", "training")
SHARED = "shared"  # types, wire, errors, config, architecture, files
FACE = "face"  # moray/__init__: names of the SDK, found when they are used
# What each layer may import, besides itself.
MAY_IMPORT = {
    SHARED: set(),
    "experts": {SHARED},
    "contracts": {SHARED},
    "router": {SHARED, "experts", "contracts"},
    "nodes": {SHARED, "experts", "contracts"},
    "agents": {SHARED, "experts", "contracts"},
    "training": {SHARED, "experts", "contracts", "router", "nodes", "agents"},
    FACE: {"agents"},
    "cli": {SHARED, "experts", "contracts", "router", "nodes", "agents", "training"},
}
RAY_MODULES = {"experts/deployment.py", "router/deployment.py"}  # and nodes/, whose subject is Ray


def product_files() -> Iterator[tuple[str, Path]]:
    """(layer, file) of all product code."""
    for layer in FOLDERS:
        yield from ((layer, path) for path in sorted((ROOT / layer).rglob("*.py")))
    for path in sorted((ROOT / "src" / "moray").glob("*.py")):
        yield FACE if path.name == "__init__.py" else SHARED, path
    for path in sorted((ROOT / "src" / "moray" / "cli").glob("*.py")):
        yield "cli", path


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "moray")


def layer_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "moray" or len(parts) == 1:
        return None
    return parts[1] if parts[1] in MAY_IMPORT else SHARED


def wrong_imports(layer: str, name: str, modules: Iterator[str]) -> list[str]:
    wrong = []
    for module in modules:
        target, top = layer_of(module), module.split(".")[0]
        if target is not None and target != layer and target not in MAY_IMPORT[layer]:
            wrong.append(f"{name} imports {module}")
        if top == "ray" and layer != "nodes" and name not in RAY_MODULES:
            wrong.append(f"{name} imports {module}")
        if top == "web3" and layer != "contracts":
            wrong.append(f"{name} imports {module}")
        if top in FOLDERS:
            wrong.append(f"{name} imports the bare {module}")
    return wrong


def test_every_import_points_down() -> None:
    files = list(product_files())
    assert len(files) > 50
    wrong = [
        line
        for layer, path in files
        for line in wrong_imports(layer, path.relative_to(ROOT).as_posix(), imported_modules(path))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("layer", "module"),
    [
        ("router", "moray.nodes.cluster"),
        ("experts", "moray.router.gate"),
        ("shared", "moray.experts.ffn"),
        ("router", "ray"),
        ("agents", "web3"),
        ("cli", "router.gate"),
        ("nodes", "moray.cli.launch"),
        ("router", "moray.training.tokenizer"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(layer: str, module: str) -> None:
    assert wrong_imports(layer, "x.py", iter([module])) == [
        f"x.py imports {'the bare ' if module.startswith('router') else ''}{module}"
    ]


def test_the_folders_have_no_init_file() -> None:
    assert [name for name in FOLDERS if (ROOT / name / "__init__.py").exists()] == []
    for name in FOLDERS:
        link = ROOT / "src" / "moray" / name
        assert link.is_symlink() and link.readlink().as_posix() == f"../../{name}"
