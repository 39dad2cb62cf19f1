"""Rows of a benchmark by name or file, and the recipe of the training of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from fa_pyg import checks
from fa_pyg.config.old_names import with_old_settings
from fa_pyg.config.plain import read
from fa_pyg.train.benchmark.lines import NAME

__all__ = ["HasPath", "Recipe", "find", "section"]


class HasPath:
    """Base of rows with a name and the path of a configuration: frozen dataclasses."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: str
    path: Path | None

    @property
    def file(self) -> Path:
        """The configuration file, of a row that has one."""
        if self.path is None:
            raise ValueError(f"{self.name}: expected a row with a configuration, found one without")
        return self.path


R = TypeVar("R", bound=HasPath)


@dataclass(frozen=True)
class Recipe:
    """Length of the training of a row, and the digest of its other settings.

    Attributes:
        epochs: of training; 0 for a model without learning, which is only evaluated.
        every: epochs between two validations.
        schedule: of the learning rate; None for a constant one.
        digest: of the other settings.
    """

    epochs: int
    every: int
    schedule: str | None
    digest: str

    @classmethod
    def read(cls, row: HasPath) -> Recipe:
        """Read the recipe of a row.

        Raises:
            ValueError: naming the file, for one that is not a configuration with a number of epochs.
        """
        return cls.of(read(row.file), row.file)

    @classmethod
    def of(cls, settings: Mapping[str, Any], path: Path) -> Recipe:
        """Return the recipe of settings that were read from a file."""
        trainer, model = (section(settings, name, path) for name in ("trainer", "model"))
        epochs = checks.integer(f"{path}: trainer.max_epochs", trainer.get("max_epochs"), 0)
        every = checks.integer(
            f"{path}: trainer.check_val_every_n_epoch", trainer.get("check_val_every_n_epoch", 1)
        )
        return cls(epochs, every, model.get("schedule"), _digest(settings))


def section(settings: Mapping[str, Any], name: str, path: Path | None) -> dict[str, Any]:
    """Return a section of a configuration, empty without one."""
    found = settings.get(name, {})
    return checks.instance(f"{path}: {name}", found, dict, "settings by their names")


def _digest(settings: Mapping[str, Any]) -> str:
    """Return eight digits that differ for other settings, whatever the number of epochs."""
    trainer = {key: value for key, value in settings.get("trainer", {}).items() if key != "max_epochs"}
    fixed = with_old_settings({key: value for key, value in settings.items() if key != "name"})
    text = json.dumps(fixed | {"trainer": trainer}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def find(names: Sequence[str] | None, folder: Path, rows: Sequence[R], make: Callable[[str], R]) -> list[R]:
    """Return rows by name, in the order of a table; by default all that have a configuration.

    A configuration of the folder, or any YAML file by its path, that is not among ``rows`` becomes a row
    under its own name.

    Args:
        names: of configurations in the folder, or files.
        folder: of the configurations.
        rows: of the table, in its order.
        make: returns a row of another name.

    Raises:
        ValueError: for a name without a configuration or unfit for a record, and for two files of one name.
    """
    known = {row.name: replace(row, path=folder / f"{row.name}.yaml") for row in rows}
    known = {name: row for name, row in known.items() if row.file.is_file()}
    if names is None:
        return list(known.values())
    found: dict[str, R] = {}
    for path in [_path(name, folder) for name in names]:
        row = replace(known.get(path.stem) or make(path.stem), path=path)
        if found.setdefault(row.name, row).file.resolve() != path.resolve():
            checks.refuse("--rows", f"one file of the name {row.name}", str(path))
    order = [*known, *found]
    return sorted(found.values(), key=lambda row: order.index(row.name))


def _path(name: str, folder: Path) -> Path:
    """Return the configuration file of a name, or of its own path."""
    is_file = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_file else folder / f"{name}.yaml"
    if not path.is_file() or not (is_file or Path(name).name == name):
        there = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        checks.refuse("--rows", f"YAML files, or some of {there}", name)
    if not NAME.fullmatch(path.stem):  # the record of the run could not be read
        checks.refuse("--rows", "names of ASCII letters, digits and _.+-, the first a letter or digit", name)
    return path
