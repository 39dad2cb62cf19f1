"""Old names of arguments in configurations: replaced by the new ones before anything looks at them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from fa_pyg import models, nn
from fa_pyg.renamed import old_names, with_new_names

__all__ = ["with_new_settings", "with_old_settings"]


def with_new_settings(settings: Any, source: str) -> Any:
    """Return plain settings in which arguments of classes of this package have their new names.

    Raises:
        ValueError: naming the source, for an argument under both names.
    """
    if isinstance(settings, list):
        return [with_new_settings(value, source) for value in settings]
    if not isinstance(settings, Mapping):
        return settings
    found = {key: with_new_settings(value, source) for key, value in settings.items()}
    names, arguments = _names(found.get("class_path")), found.get("init_args")
    if names and isinstance(arguments, Mapping):
        where = f"{source}: {found['class_path']}: "
        found["init_args"] = with_new_names(arguments, names, source=where)
    return found


def with_old_settings(settings: Any) -> Any:
    """Return plain settings in which arguments have their old names, for digests of results stored before."""
    if isinstance(settings, list):
        return [with_old_settings(value) for value in settings]
    if not isinstance(settings, Mapping):
        return settings
    found = {key: with_old_settings(value) for key, value in settings.items()}
    names, arguments = _names(found.get("class_path")), found.get("init_args")
    if names and isinstance(arguments, Mapping):
        old = {new: name for name, new in names.items()}
        found["init_args"] = {old.get(name, name): value for name, value in arguments.items()}
    return found


def _names(class_path: Any) -> Mapping[str, str]:
    """Old names of a class of this package, or of a subclass elsewhere, without importing any module."""
    if not isinstance(class_path, str):
        return {}
    module, _, name = class_path.rpartition(".")
    if class_path.startswith("fa_pyg."):  # whichever path it has or had
        home = models if name in models.__all__ else nn
        kind = getattr(home, name, None)
    else:
        kind = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return old_names(kind) if isinstance(kind, type) else {}
