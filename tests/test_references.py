"""Every reference in a docstring names something, also in docstrings that the site does not show."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module

import fa_pyg

ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc|obj):`~?([\w.]+)`")
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(fa_pyg.__path__, "fa_pyg.")
    if info.name.rpartition(".")[2] not in ("__main__", "serve", "worker", "tasks", "rdkit_bonds")
)


def found(path):
    """Whether Python finds something at this dotted path."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for name in parts[end:]:
            fields = {**getattr(value, "__annotations__", {}), **getattr(value, "__dataclass_fields__", {})}
            if name in fields and name == parts[-1]:
                return True
            if not hasattr(value, name):
                return False
            value = getattr(value, name)
        return True
    return False


def texts(tree):
    """Yield the docstrings of a module, those below assignments too, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            yield node.value.value, node.lineno


def owners(tree):
    """Return the lines of every class."""
    return [
        (node.name, node.lineno, node.end_lineno) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]


def broken(source, module):
    """Return the references of a module that name nothing, seen from where they stand."""
    tree = ast.parse(source)
    missing = []
    for text, line in texts(tree):
        around = [f"{module}.{name}" for name, start, end in owners(tree) if start <= line <= end]
        for target in ROLE.findall(text):
            places = [*around, module, "builtins"]
            if not any(found(f"{place}.{target}") for place in places) and not found(target):
                missing.append(target)
    return missing


def test_every_reference_names_something():
    sources = {module: inspect.getsource(import_module(module)) for module in MODULES}
    assert sum(len(ROLE.findall(source)) for source in sources.values()) > 300
    missing = {module: broken(source, module) for module, source in sources.items()}
    assert {module: targets for module, targets in missing.items() if targets} == {}


def test_a_broken_reference_is_found():
    source = '"""See :class:`~fa_pyg.PCAFrame`, :func:`lost` and :meth:`fa_pyg.Frames.lost`."""\n'
    assert broken(source, "fa_pyg.builders.pca") == ["lost", "fa_pyg.Frames.lost"]
