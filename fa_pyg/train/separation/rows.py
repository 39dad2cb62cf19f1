"""Rows of the graph separation benchmark: models by configuration files, and their factories."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch import Trainer
from torch import nn
from torch_geometric.transforms import BaseTransform, Compose

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import check as check_names
from fa_pyg.config.plain import read
from fa_pyg.train.guard import guarded
from fa_pyg.train.tasks.graphs import GraphData, GraphModule

__all__ = ["MODELS", "PARTS", "Counted", "Row", "check", "factory"]

PARTS = ("graph8c", "exp", "exp_classify")
MODELS = "initialisations"  # key of the number of random models in stored results


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of its configuration file, without the suffix.
        title: in the table.
        published: figures by part, as printed.
        parts: settings by part: of :class:`Counted`, and of a :class:`~fa_pyg.train.GraphCLI`.
        trust: names that the settings may hold beside the allowlist.
    """

    name: str
    title: str
    published: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]
    trust: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path, trust: Iterable[str] = ()) -> Row:
        """Read the row of a configuration file.

        Raises:
            ValueError: naming the file, for keys that are missing or unknown, and for settings that name what
                is not trusted.
        """
        found, allowed = read(path), Allowlist(trust, training=True)
        known = {"title", "published", *PARTS}
        if not {"title"} <= set(found) <= known:
            keys = sorted(map(str, found))
            raise ValueError(f"{path}: expected the keys title and some of {sorted(known)}, found {keys}")
        parts = {part: found[part] for part in PARTS if part in found}
        kinds = {"model": GraphModule, "data": GraphData, "trainer": Trainer}
        for part, settings in parts.items():
            trained = part == "exp_classify" and isinstance(settings, dict)
            given, of = (settings, kinds) if trained else ({part: settings}, {part: Counted})
            check_names(given, of, path, allowed)
        return cls(Path(path).stem, found["title"], found.get("published", {}), parts, allowed.trust)


class Counted:
    """Untrained model of one part of a row, with its inputs.

    Args:
        model: with new random weights every time it is built.
        inputs: names of the attributes that it is called with, by keyword except for the first two.
        transforms: of all graphs, and of their relabeled copies.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[str] = ("x", "edge_index"),
        transforms: Sequence[BaseTransform] = (),
    ) -> None:
        self.model, self.inputs, self.transforms = model, tuple(inputs), Compose(list(transforms))


def factory(settings: Mapping[str, Any], trust: Iterable[str] = ()) -> Callable[[], Counted]:
    """Return a function that builds a part of a row from its settings, with new random weights every time.

    Raises:
        ArgumentError: (of jsonargparse) for unknown or wrong settings.
    """
    return _builder(Counted, settings, trust)


def check(row: Row) -> None:
    """Check that the parts of a row can be built.

    Raises:
        ValueError: naming row and part, for unknown or wrong settings.
    """
    for part, settings in row.parts.items():
        _check_part(f"{row.name}, {part}", part, settings, row.trust)


def _check_part(name: str, part: str, settings: Mapping[str, Any], trust: Iterable[str]) -> None:
    try:
        if part == "exp_classify":
            _builder(GraphModule, settings["model"], trust)
        else:
            factory(settings, trust)
    except (ArgumentError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: expected settings of a model, found others ({error})") from error


def _builder(kind: type, settings: Mapping[str, Any], trust: Iterable[str]) -> Callable[[], Any]:
    parser, allowed = ArgumentParser(exit_on_error=False), Allowlist(trust, training=True)
    parser.add_class_arguments(kind, "part")
    with guarded(allowed):
        config = parser.parse_object({"part": copy.deepcopy(settings)})  # it changes its argument

    def build() -> Any:
        with guarded(allowed):
            return parser.instantiate(config).part

    return build
