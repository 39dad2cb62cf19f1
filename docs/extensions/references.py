"""References to names of fa_pyg by any path that Python accepts, not only by the one that is shown.

A target is looked up as Python would, relative to the class, the module and the package of the docstring
that names it, and linked to the page of the object found. What does not exist, or has no page, stays
unresolved, so that `sphinx-build -n` reports it.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any, TypeVar

from docutils import nodes

__all__ = ["find", "meant", "setup"]


def module_of(path: str) -> tuple[Any, list[str]]:
    """Return the innermost module of a dotted path, and the names that follow it."""
    try:
        return import_module(path), []
    except (ImportError, ValueError):
        head, _, name = path.rpartition(".")
        found, names = module_of(head) if head else (None, [])
        return found, [*names, name]


def find(path: str) -> Any:
    """Return the object at a dotted path, or None."""
    found, names = module_of(path)
    for name in names:
        found = (
            inspect.getattr_static(found, name, None)
            if inspect.isclass(found)
            else getattr(found, name, None)
        )
    return found


def places(node: Any, app: Any) -> list[str]:
    """Return the paths that a target may be relative to: class, module that defines it, module, nothing."""
    module, owner = node.get("py:module") or "fa_pyg", node.get("py:class")
    shown = app.api_objects.get(node.get("refdoc", "").rpartition("/")[2])
    inside = find(f"{module}.{owner}") if owner else None
    homes = [value.__module__ for value in (inside, shown) if hasattr(value, "__module__")]
    return [*([f"{module}.{owner}"] if owner else []), *homes, module, ""]


def meant(target: str, node: Any, app: Any) -> Iterator[tuple[Any, str]]:
    """Yield the objects that a target may mean, with the attribute of each that it names."""
    for place in places(node, app):
        path = f"{place}.{target}".lstrip(".")
        head, _, name = path.rpartition(".")
        owner = find(head) if head else None
        if inspect.isclass(owner):
            yield from ((base, name) for base in owner.__mro__ if name in vars(base))
        elif (value := find(path)) is not None:
            yield value, ""
    if target in app.api_names:  # a public name alone
        yield app.api_names[target], ""


def resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link a Python target to the page of the object that it means."""
    if node.get("refdomain") != "py" or not node.get("reftarget"):
        return None
    for value, name in meant(node["reftarget"], node, app):
        if isinstance(value, TypeVar) or is_outside(value):
            return content
        full = ".".join(filter(None, [shown_path(value, node["reftarget"], app), name]))
        if entry := env.get_domain("py").objects.get(full):
            uri = f"{app.builder.get_relative_uri(node['refdoc'], entry.docname)}#{entry.node_id}"
            return nodes.reference("", "", content, internal=True, refuri=uri, reftitle=full)
    return None


def is_outside(value: Any) -> bool:
    """Whether a class that fa_pyg imports is of another library, for which this reference has no page."""
    return inspect.isclass(value) and not value.__module__.startswith("fa_pyg")


def shown_path(value: Any, target: str, app: Any) -> str:
    """Return the path that an object has in the reference; that of a constant by its name and value."""
    end = f".{target.rpartition('.')[2]}"
    same = (path for path, known in app.api_data.items() if path.endswith(end) and known is value)
    return app.api_paths.get(id(value)) or next(same, "")


def remember(app: Any) -> None:
    """Note the objects that have pages."""
    pages, count = app.api_pages, Counter(page.name for page in app.api_pages)
    app.api_objects = {page.file: page.value for page in pages}
    app.api_names = {page.name: page.value for page in pages if count[page.name] == 1}
    app.api_data = {page.paths[0]: page.value for page in pages if page.kind == "data"}
    app.api_paths = {id(page.value): page.paths[0] for page in pages if page.kind != "data"}
    app.api_paths |= {id(module): name for name, module in sys.modules.items() if name.startswith("fa_pyg")}


def public_bases(app: Any, name: str, value: Any, options: Any, bases: list[Any]) -> None:
    """Show the bases of a private base in its place."""
    while private := next((base for base in bases if getattr(base, "__name__", "").startswith("_")), None):
        at = bases.index(private)
        bases[at : at + 1] = private.__bases__


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", remember, priority=900)
    app.connect("autodoc-process-bases", public_bases)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
