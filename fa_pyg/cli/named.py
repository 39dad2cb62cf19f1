"""Configurations by name: ``--config aspirin_weighted`` for a file that comes with the package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fa_pyg.cli.places import FOLDERS, configs
from fa_pyg.files.runs import missing
from fa_pyg.options import close

__all__ = ["find_config", "first_comment", "names", "with_files"]

NAME = re.compile(r"[\w.+-]+(/[\w.+-]+)*")
OPTIONS = ("-c", "--config")


def names(folder: str) -> list[str]:
    """Return the names of the configurations in a folder of ``configs``."""
    return sorted(path.stem for path in (configs() / folder).glob("*.yaml"))


def find_config(name: str, folders: Sequence[str], option: str = "--config") -> Path:
    """Return the file of a packaged configuration.

    Args:
        name: ``gnn``, ``nbody/gnn`` or ``configs/nbody/gnn.yaml``.
        folders: of ``configs`` to search.
        option: that errors name.

    Raises:
        ValueError: naming close matches, for an unknown name; for one that is in several folders.
    """
    folder, _, stem = name.removeprefix("configs/").removesuffix(".yaml").rpartition("/")
    where = [one for one in folders if folder in ("", one)]
    found = [one for one in where if stem in names(one)]
    if len(found) == 1:
        return configs() / found[0] / f"{stem}.yaml"
    if found:
        choices = " or ".join(f"{one}/{stem}" for one in found)
        raise ValueError(f"{option}: expected {choices}, found {name!r}, which is both")
    task = f" {folders[0]}" if len(folders) == 1 else ""
    known = [known for one in where or folders for known in names(one)]
    hint = close(stem, known) or f"; `fa-pyg configs list{task}` shows all"
    raise ValueError(f"{option}: expected a file, or the name of a configuration, found {name!r}{hint}")


def with_files(args: Sequence[str], task: str) -> list[str]:
    """Replace names after ``--config`` by packaged files; files and settings in YAML stay as they are.

    Raises:
        ValueError: for a name that is neither a file nor that of a configuration of the task.
    """
    found, is_value = [], False
    for arg in args:
        option, equals, value = arg.partition("=")
        if is_value:
            found.append(_file(arg, task))
        elif equals and option in OPTIONS:
            found.append(f"{option}={_file(value, task)}")
        else:
            found.append(arg)
        is_value = not is_value and arg in OPTIONS
    return found


def _file(given: str, task: str) -> str:
    if not NAME.fullmatch(given) or Path(given).is_file():
        if given.endswith((".yaml", ".yml")) and missing([given]):
            raise ValueError(f"--config: expected a file that exists, found {given}")
        return given
    path = find_config(given, [FOLDERS[task]])
    return _classification(path) if task == "graphs" else str(path)


def _classification(path: Path) -> str:
    """Return the training of a row of the separation benchmark, by default on EXP, as YAML."""
    import yaml

    settings = yaml.safe_load(path.read_text())["exp_classify"]
    exp = {"class_path": "fa_pyg.datasets.EXP", "init_args": {"root": "data/EXP"}}
    settings["data"] = {"dataset": exp, **settings.get("data", {})}
    return yaml.safe_dump({"name": path.stem, **settings}, sort_keys=False)


def first_comment(path: Path) -> str:
    """Return the first line of a configuration, which says what it is; with dots where it goes on."""
    with open(path, encoding="utf-8") as file:
        line = file.readline().strip()
    text = line.removeprefix("#").strip() if line.startswith("#") else ""
    return text if text.endswith(".") or not text else f"{text} ..."
