"""Properties that are computed once, also inside compiled code."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

__all__ = ["cached_property"]

if TYPE_CHECKING:
    cached_property = functools.cached_property
else:

    class cached_property(functools.cached_property):
        """``functools.cached_property`` without the lock that it takes in Python 3.11 and older.

        ``torch.compile`` cannot trace the lock, and the values that are cached here live for one call.
        """

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            value = self.func(instance)
            object.__setattr__(instance, self.attrname, value)  # found before this descriptor from now on
            return value
