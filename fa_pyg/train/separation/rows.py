"""The rows of the graph separation benchmark: models by configuration files, and what builds them."""

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

PARTS = ("graph8c", "exp", "exp_classify")


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of its configuration file, without the ending.
        title: in the table.
        published: figure of each part, as it was printed.
        parts: the settings of each part: of :class:`Counted`, and of a :class:`~fa_pyg.train.GraphCLI`.
        trust: what they may name beside what every configuration may.
    """

    name: str
    title: str
    published: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]
    trust: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path, trust: Iterable[str] = ()) -> "Row":
        """Read the row of a configuration file.

        Raises ValueError, naming the file, for keys that are missing or unknown, and for settings that name
        what is not trusted.
        """
        found, allowed = read(path), Allowlist(trust, training=True)
        known = {"title", "published", *PARTS}
        if not {"title"} <= set(found) <= known:
            keys = sorted(map(str, found))
            raise ValueError(f"{path}: found the keys {keys}, expected title and some of {sorted(known)}")
        parts = {part: found[part] for part in PARTS if part in found}
        kinds = {"model": GraphModule, "data": GraphData, "trainer": Trainer}
        for part, settings in parts.items():
            trained = part == "exp_classify" and isinstance(settings, dict)
            given, of = (settings, kinds) if trained else ({part: settings}, {part: Counted})
            check_names(given, of, path, allowed)
        return cls(Path(path).stem, found["title"], found.get("published", {}), parts, allowed.trust)


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


def factory(settings: Mapping[str, Any], trust: Iterable[str] = ()) -> Callable[[], Counted]:
    """Returns what builds a part of a row from its settings, with new random weights every time.

    Raises jsonargparse's ArgumentError for unknown or wrong settings.
    """
    return _builder(Counted, settings, trust)


def check(row: Row) -> None:
    """Raises ValueError, naming row and part, for settings that nothing could be built from."""
    for part, settings in row.parts.items():
        _check_part(f"{row.name}, {part}", part, settings, row.trust)


def _check_part(name: str, part: str, settings: Mapping[str, Any], trust: Iterable[str]) -> None:
    try:
        if part == "exp_classify":
            _builder(GraphModule, settings["model"], trust)
        else:
            factory(settings, trust)
    except (ArgumentError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _builder(kind: type, settings: Mapping[str, Any], trust: Iterable[str]) -> Callable[[], Any]:
    parser, allowed = ArgumentParser(exit_on_error=False), Allowlist(trust, training=True)
    parser.add_class_arguments(kind, "part")
    with guarded(allowed):
        config = parser.parse_object({"part": copy.deepcopy(settings)})  # it writes into what it is given

    def build() -> Any:
        with guarded(allowed):
            return parser.instantiate(config).part

    return build
