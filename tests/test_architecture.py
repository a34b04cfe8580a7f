"""Imports point one way; this test reads them all and keeps it so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Layers from the bottom up. A module may import its own layer's package and what lies below.
PURE = ("streams.supervisor", "streams.ladder", "streams.origin")
LAYERS: list[tuple[str, ...]] = [
    (*PURE, "streams.names", "streams.buckets", "streams.once"),
    ("streams.models",),
    (
        "streams.deadline",
        "streams.presence",
        "streams.client_address",
        "streams.known_browser",
        "streams.ingest_node",
        "streams.ingest_nodes",
        "streams.identity",
        "streams.steadiness",
        "streams.timeline",
        "streams.disk",
        "streams.closing",
        "streams.continuation",
        "streams.broadcast_folder",
    ),
    ("streams.lease", "streams.capacity", "streams.deliveries"),
    ("streams.claim",),
    ("streams.ingest", "streams.api"),
    ("streams.events",),
    ("streams.board",),
    ("streams.copied",),
    ("streams.sources", "streams.unfinished"),
    ("streams.allowance",),
    ("streams.desk", "streams.studio"),
    ("streams.crew",),
    ("streams.foreman",),
    ("streams.tasks", "streams.transfer"),
    (
        "streams.webhooks",
        "streams.views",
        "streams.urls",
        "streams.admin",
        "streams.checks",
        "streams.csp",
        "streams.login",
        "streams.management",
        "streams.apps",
    ),
    ("chat",),
    ("livestream",),
]


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("livestream", "streams", "chat"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in file.parts:
                name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__"), file


def imports(file: Path) -> Iterator[str]:
    """Names of modules the file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int | None:
    fits = [
        (len(package), number)
        for number, layer in enumerate(LAYERS)
        for package in layer
        if inside(module, package)
    ]
    return max(fits)[1] if fits else None


MODULES = list(modules())
IDS = [name for name, _ in MODULES]


@pytest.mark.parametrize(("name", "file"), MODULES, ids=IDS)
def test_a_module_imports_only_downwards(name: str, file: Path) -> None:
    mine = layer_of(name)
    if name == "streams":
        return
    assert mine is not None, f"{name} has no layer: give it one in LAYERS"
    for imported in imports(file):
        theirs = layer_of(imported)
        assert theirs is None or theirs <= mine, f"{name} imports {imported}, which lies above it"


@pytest.mark.parametrize(("name", "file"), MODULES, ids=IDS)
def test_the_pure_cores_know_no_framework_and_not_each_other(name: str, file: Path) -> None:
    home = next((package for package in PURE if inside(name, package)), None)
    if home is None:
        return
    others = [package for package in PURE if package != home]
    for imported in imports(file):
        for forbidden in ("django", "celery", "channels", "livestream", "chat", *others):
            assert not inside(imported, forbidden), f"{name} imports {imported}"


def test_livestream_is_imported_by_nobody() -> None:
    for name, file in MODULES:
        if not inside(name, "livestream"):
            assert not any(inside(imported, "livestream") for imported in imports(file)), name
