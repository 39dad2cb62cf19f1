"""Arguments of a call of a module, by name: positional, keyword, or inside a ``Data``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData  # pyright: ignore[reportMissingTypeStubs]
from torch_geometric.data.data import BaseData  # pyright: ignore[reportMissingTypeStubs]

from fa_pyg.calls.keywords import is_alias, parts_with_keywords

__all__ = ["Call", "Name", "Named", "Signature", "check_unchanged", "versions"]

T = TypeVar("T")
Name = str | int
"""Name of an argument of a call, or its position."""
# A Mapping is invariant in its keys.
Named = Mapping[str, T] | Mapping[int, T] | Mapping[Name, T]
"""Values by the name of an argument, or by its position."""


class Signature:
    """Parameters of a module's ``forward``: the names of positions, and the keywords that it takes.

    Args:
        module: a module or a function. A wrapper that publishes the ``signature`` of the module inside (a
            framed model) has the same names. ``**kwargs`` passed on to submodules take what these take.
    """

    def __init__(self, module: nn.Module | Callable[..., Any]) -> None:
        module = _original(module)
        inner = getattr(module, "signature", None)
        self.is_framed = isinstance(inner, Signature)
        self.parts: list[Signature] | None = None
        if isinstance(inner, Signature):
            self.parts = inner.parts
            self.positional, self.named, self.takes_any = inner.positional, inner.named, inner.takes_any
            return
        # torch_geometric.nn.Sequential
        if inner is not None and isinstance(getattr(inner, "param_dict", None), Mapping):
            self.positional = self.named = list(inner.param_dict)
            self.takes_any = False
            return
        try:
            forward = module.forward if isinstance(module, nn.Module) else module
            parameters = inspect.signature(forward).parameters.values()
        except ValueError:  # a traced module has no names, only positions
            parameters = ()
        self.positional = [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        self.named = [*self.positional, *(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)]
        self.takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if self.takes_any and isinstance(module, nn.Module):
            self._read_parts(module)

    def _read_parts(self, module: nn.Module) -> None:
        parts = parts_with_keywords(module)
        self.parts = None if parts is None else [Signature(part) for part in parts]
        if self.parts and not self.positional and len(self.parts) == 1 and is_alias(type(module).forward):
            self.positional = self.parts[0].positional

    def takes(self, name: str) -> bool:
        """Whether the module can be called with this keyword."""
        if self.is_framed or name in self.named:
            return True
        return self.takes_any and all(part.takes(name) for part in self.parts or ())

    def name(self, position: int) -> Name:
        """Return the name of a positional argument; the position itself for ``*args``."""
        return self.positional[position] if position < len(self.positional) else position


class Call:
    """Arguments of a call by name; those inside a PyG ``Data`` argument by attribute.

    Args:
        signature: the signature of the model.
        args, kwargs: the arguments of the call.
        extra: keywords for the caller: moved to ``extra`` unless the model takes them.

    Raises:
        TypeError: for an argument that is passed twice.
        ValueError: for two ``Data`` arguments, a ``HeteroData``, or an attribute that is an argument as well.
    """

    def __init__(
        self,
        signature: Signature,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        extra: tuple[str, ...] = (),
    ) -> None:
        self.signature = signature
        self.arguments: dict[Name, Any] = {signature.name(i): value for i, value in enumerate(args)}
        twice = [name for name in kwargs if name in self.arguments]
        if twice:
            raise TypeError(f"argument {twice[0]!r}: expected one value, found two, by position and by name")
        self.num_positional = len(args)
        self.extra: dict[Name, Any] = {
            k: v for k, v in kwargs.items() if k in extra and not signature.takes(k)
        }
        self.arguments.update((k, v) for k, v in kwargs.items() if k not in self.extra)
        self.holder = self._holder()
        self.data: Data | None = None if self.holder is None else self.arguments[self.holder]
        self.values: dict[Name, Any] = {k: v for k, v in self.arguments.items() if k != self.holder}
        if self.data is not None:
            attributes = self.data.to_dict()
            both = [k for k in attributes if k in self.values]
            if both:
                raise ValueError(
                    f"{both[0]!r}: expected an argument or an attribute of the Data argument, found both"
                )
            self.values.update(attributes)

    def _holder(self) -> Name | None:
        """The name of the ``Data`` argument."""
        holders = [name for name, value in self.arguments.items() if isinstance(value, BaseData)]
        if len(holders) > 1:
            raise ValueError(
                f"call: expected at most one Data argument, found {', '.join(map(str, holders))}"
            )
        for name in holders:
            if not isinstance(self.arguments[name], Data):
                found, hint = type(self.arguments[name]).__name__, ""
                if isinstance(self.arguments[name], HeteroData):
                    hint = ": call fa_pyg.nn.TypedModel(model, *data.metadata()) on data.to_homogeneous()"
                raise ValueError(f"argument {name!r}: expected a Data or Batch, found {found}{hint}")
        return holders[0] if holders else None

    @property
    def takes_batch(self) -> bool:
        """Whether the model receives the graph of each node, so that copies can share a call."""
        held = self.data is not None and self.data.get("batch") is not None
        given = "batch" in self.arguments and not self.signature.is_framed
        return held or given or "batch" in self.signature.named

    def get(self, name: Name) -> Any:
        """Return the value of an argument or attribute, or None."""
        return self.values.get(name, self.extra.get(name))

    def run(
        self, model: Callable[..., Any], changed: Mapping[Name, Any], data: Data | None = None, **added: Any
    ) -> Any:
        """Call the model with some values changed or added; ``data`` stands in for the Data argument."""
        arguments = {**self.arguments, **{k: v for k, v in changed.items() if k in self.arguments}}
        if self.holder is not None:
            arguments[self.holder] = self._changed_data(changed) if data is None else data
        values = list(arguments.items())
        positional = [value for _, value in values[: self.num_positional]]
        named = {str(name): value for name, value in values[self.num_positional :]}
        return model(*positional, **named, **added)

    def versions(self) -> dict[Name, int]:
        """Return the in-place version of each tensor of the call; none inside ``torch.compile``."""
        return versions(self.values)

    def check_unchanged(self, before: Mapping[Name, int]) -> None:
        """Raise ValueError if the model has modified an argument in place."""
        check_unchanged(self.values, before)

    def _changed_data(self, changed: Mapping[Name, Any]) -> Any:
        data: Any = copy.copy(self.data)
        for name, value in changed.items():
            if name in data:
                data[name] = value
        return data


def versions(values: Mapping[Any, Any]) -> dict[Any, int]:
    """Return the in-place version of each tensor by name; none inside ``torch.compile``."""
    if torch.compiler.is_compiling():
        return {}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    return {name: value._version for name, value in tensors.items() if not value.is_inference()}


def check_unchanged(values: Mapping[Any, Any], before: Mapping[Any, int]) -> None:
    """Raise ValueError if a tensor has been modified in place since it had these :func:`versions`."""
    changed = [name for name, version in versions(values).items() if version != before[name]]
    if changed:
        raise ValueError(
            f"{changed[0]!r}: expected a model that does not modify its arguments, found it changed in "
            "place, which later copies would see"
        )


def _original(module: nn.Module | Callable[..., Any]) -> nn.Module | Callable[..., Any]:
    return getattr(module, "_orig_mod", module)  # torch.compile hides the signature
