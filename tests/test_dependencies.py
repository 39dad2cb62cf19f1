"""What the package imports is what pyproject.toml declares, and constraints.txt pins all of it."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="in Python >= 3.11")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA = PROJECT["optional-dependencies"]
DISTRIBUTIONS = {"yaml": "pyyaml", "OCP": "build123d"}  # where names differ; OCP comes with build123d
# Rooms that need an extra, and import it at the top of their modules.
NEEDED = {"train": "train", "cad": "cad"}


def names(requirements: list[str]) -> set[str]:
    """Returns the names of distributions, in lower case and with hyphens."""
    return {normal(re.match(r"[\w.-]+", one)[0]) for one in requirements}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def imported(node: ast.AST, lazily: bool) -> Iterator[str]:
    """Yields the distributions that a module imports, or only those that it cannot do without."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            found = (
                [one.name for one in child.names] if isinstance(child, ast.Import) else [child.module or ""]
            )
            if isinstance(child, ast.Import) or not child.level:
                yield from map(distribution, found)
        elif lazily or not is_optional(child):
            yield from imported(child, lazily)


def is_optional(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Try)


def distribution(module: str) -> str:
    top = module.partition(".")[0]
    return normal(DISTRIBUTIONS.get(top, top))


def undeclared(room: str, source: str) -> set[str]:
    """Returns what a module imports and nothing declares; at the top, what its room may not need."""
    core, tree = names(PROJECT["dependencies"]), ast.parse(source)
    own = core | (names(EXTRA[NEEDED[room]]) if room in NEEDED else set())
    every = core.union(*map(names, EXTRA.values()))
    known = {normal(name) for name in sys.stdlib_module_names} | {"fa-pyg"}
    return ((set(imported(tree, True)) - every) | (set(imported(tree, False)) - own)) - known


@pytest.mark.parametrize("path", sorted((ROOT / "fa_pyg").rglob("*.py")), ids=lambda path: path.stem)
def test_what_is_imported_is_declared(path):
    room = path.relative_to(ROOT / "fa_pyg").parts[0].removesuffix(".py")
    assert undeclared(room, path.read_text()) == set()


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("nn", "import requests", {"requests"}),
        ("nn", "def f():\n    from pandas.io import a", {"pandas"}),
        ("nn", "import lightning.pytorch", {"lightning"}),
        ("train", "import lightning.pytorch", set()),
        ("nn", "def f():\n    import lightning", set()),
        ("nn", "try:\n    import torch_scatter\nexcept ImportError:\n    pass", set()),
        ("nn", "import os.path, yaml, scipy.sparse\nfrom . import other", set()),
    ],
)
def test_what_is_not_declared_is_found(room, source, found):
    assert undeclared(room, source) - names(EXTRA["bench"]) == found - names(EXTRA["bench"])


def test_what_is_declared_is_pinned():
    """But for the CAD kernel, which no set-up of the project installs."""
    lines = [line.partition("#")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pinned = names([line for line in lines if line.strip()])
    declared = names(PROJECT["dependencies"]).union(*(names(EXTRA[one]) for one in EXTRA if one != "cad"))
    assert declared - pinned == set()
    assert all("==" in line for line in lines if line.strip())


def test_the_citation_has_the_version_of_the_package():
    import fa_pyg

    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {fa_pyg.__version__}\n" in text
    assert "arXiv:2110.03336" in text
