"""What the package imports is what pyproject.toml declares, and constraints.txt pins all of it."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python >= 3.11")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Where the name of a module is not that of its distribution.
DISTRIBUTIONS = {"yaml": "pyyaml", "OCP": "build123d"}  # OCP is the kernel that build123d wraps
# Optional or deliberately undeclared: GPL, or a torch package that only speeds something up.
EXTRA_ONLY = {"matplotlib", "plotly", "trimesh", "vesin", "e3nn", "tblite", "torch_scatter", "jsonargparse"}


def names(requirements: list[str]) -> set[str]:
    """Names of distributions, in lower case and with hyphens."""
    return {re.match(r"[\w.-]+", one)[0].lower().replace("_", "-") for one in requirements}


CORE = names(PROJECT["dependencies"])
EXTRAS = set().union(*(names(extra) for extra in PROJECT["optional-dependencies"].values()))


def imported(source: str, top_only: bool = False) -> Iterator[str]:
    """Yields the names of the third-party distributions that a source imports."""
    tree = ast.parse(source)
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            modules = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "fa_pyg":
                yield DISTRIBUTIONS.get(top, top).lower().replace("_", "-")
