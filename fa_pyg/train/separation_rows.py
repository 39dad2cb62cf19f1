"""The rows of the graph separation benchmark: models by configuration files, and what builds them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from torch import nn
from torch_geometric.transforms import BaseTransform, Compose

from fa_pyg.train.graphs import GraphModule

PARTS = ("graph8c", "exp", "exp_classify")


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of its configuration file, without the ending.
        title: in the table.
        published: figure of each part, as it was printed.
        parts: the settings of each part: of :class:`Counted`, and of a :class:`~fa_pyg.train.GraphCLI`.
    """

    name: str
    title: str
    published: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, path: str | Path) -> "Row":
        """The row of a configuration file.

        Raises ValueError, naming the file, for keys that are missing or unknown.
        """
        found = yaml.safe_load(Path(path).read_text())
        known = {"title", "published", *PARTS}
        if not isinstance(found, dict) or not {"title"} <= set(found) <= known:
            keys = sorted(found) if isinstance(found, dict) else found
            raise ValueError(f"{path}: found the keys {keys}, expected title and some of {sorted(known)}")
        parts = {part: found[part] for part in PARTS if part in found}
        return cls(Path(path).stem, found["title"], found.get("published", {}), parts)


class Counted:
    """What is counted in one part of a row: models without training, and what they are given.

    Args:
        model: with new random weights whenever it is built.
        inputs: names of the attributes that it is called with, by keyword but for the first two.
        transforms: of all graphs, and of their relabelled copies.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[str] = ("x", "edge_index"),
        transforms: Sequence[BaseTransform] = (),
    ) -> None:
        self.model, self.inputs, self.transforms = model, tuple(inputs), Compose(list(transforms))


def factory(settings: Mapping[str, Any]) -> Callable[[], Counted]:
    """Returns what builds a part of a row from its settings, with new random weights every time.

    Raises jsonargparse's ArgumentError for unknown or wrong settings.
    """
    return _builder(Counted, settings)


def check(row: Row) -> None:
    """Raises ValueError, naming row and part, for settings that nothing could be built from."""
    for part, settings in row.parts.items():
        _check_part(f"{row.name}, {part}", part, settings)


def _check_part(name: str, part: str, settings: Mapping[str, Any]) -> None:
    try:
        if part == "exp_classify":
            _builder(GraphModule, settings["model"])
        else:
            factory(settings)
    except (ArgumentError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _builder(kind: type, settings: Mapping[str, Any]) -> Callable[[], Any]:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "part")
    config = parser.parse_object({"part": copy.deepcopy(settings)})  # it writes into what it is given
    return lambda: parser.instantiate_classes(config).part
