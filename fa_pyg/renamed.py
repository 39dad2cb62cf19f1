"""Old names of arguments: accepted with a DeprecationWarning, and left out of signatures. No torch."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

__all__ = ["old_names", "renamed", "with_new_names"]

F = TypeVar("F", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[F], F]:
    """Accept old names of arguments, ``old="new"``, of a function or constructor.

    The signature shows the new names only; the positions of the arguments do not change.

    Raises:
        ValueError: in a call with an argument under both names.
    """

    def decorate(call: F) -> F:
        order = list(inspect.signature(call).parameters)

        @functools.wraps(call)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not names.keys().isdisjoint(kwargs):
                kwargs = with_new_names(kwargs, names, order[: len(args)])
            return call(*args, **kwargs)

        vars(wrapped)["old_names"] = names
        return cast("F", wrapped)  # the signature of the call

    return decorate


def old_names(kind: Any) -> Mapping[str, str]:
    """Return the old names of a class's arguments, each with the new one."""
    return getattr(getattr(kind, "__init__", None), "old_names", {})


def with_new_names(
    arguments: Mapping[str, Any],
    names: Mapping[str, str],
    positional: Collection[str] = (),
    source: str = "",
) -> dict[str, Any]:
    """Return keyword arguments under their new names, in the same order.

    Args:
        arguments: by name.
        names: new names by old ones.
        positional: names of the arguments that are passed by position.
        source: what precedes the names in messages.

    Raises:
        ValueError: for an argument under both names.
    """
    for old in names.keys() & arguments.keys():
        new = names[old]
        if new in arguments or new in positional:
            raise ValueError(f"{source}{old}: expected {new} alone, found both (the same argument, renamed)")
        warnings.warn(f"{source}{old}= is deprecated, use {new}=", DeprecationWarning, stacklevel=3)
    return {names.get(name, name): value for name, value in arguments.items()}
