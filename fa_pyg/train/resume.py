"""Resume interrupted runs: find their folder and checkpoint, and compare their settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from fa_pyg.config.plain import parse, read

# The settings that define an experiment. Many of them (learning rate, weight decay, network) would silently
# be those of the checkpoint in a resumed run. How long and where it trains may change.
FIXED = ("seed_everything", "model", "data", "trainer.callbacks")
# Fits are before training only: the references and scales of a resumed run are those of the checkpoint.
FREE = (
    "data.root",
    "data.dataset.init_args.root",
    "data.eval_batch_size",
    "data.num_workers",
    "data.num_fitted",
)

# The parts of a checkpoint that Lightning resumes from.
PARTS = {"epoch": int, "pytorch-lightning_version": str, "state_dict": dict, "loops": dict, "callbacks": dict}
PARTS |= {"optimizer_states": list, "lr_schedulers": list}
WRITTEN = (".ckpt", ".csv", ".json", ".png", ".yaml")

__all__ = ["check_files", "check_settings", "resumed_step", "run_folder"]


def run_folder(parent: Path, ckpt_path: str | None) -> tuple[Path, Path | None]:
    """Return the folder of a run, and the checkpoint to resume from, None for a new run.

    Args:
        parent: folder of the runs of this name, ``version_0``, ``version_1``, ...
        ckpt_path: None for a new run, ``"last"`` for the newest with a checkpoint, or a checkpoint or its
            folder.

    Raises:
        ValueError: if there is no such checkpoint.
    """
    numbers = {path.name.removeprefix("version_"): path for path in parent.glob("version_*")}
    versions = {int(number): path for number, path in numbers.items() if number.isdecimal()}
    if ckpt_path is None:
        return parent / f"version_{max(versions, default=-1) + 1}", None
    found = [versions[number] for number in sorted(versions)] if ckpt_path == "last" else [Path(ckpt_path)]
    found = [path / "last.ckpt" if path.is_dir() else path for path in found]
    found = [path for path in found if path.is_file()]
    if not found:
        raise ValueError(
            f"--ckpt_path: expected a checkpoint, found none for {ckpt_path!r} (runs of this name: {parent})"
        )
    return found[-1].parent, found[-1]


def check_files(folder: Path) -> None:
    """Refuse a folder in which a file that a run writes is a link or a pipe.

    Raises:
        ValueError: naming the file.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in WRITTEN and (path.is_symlink() or not (path.is_file() or path.is_dir())):
            raise ValueError(f"--ckpt_path: expected files of a run in {folder}, found a link or pipe {path}")


def resumed_step(checkpoint: Path | None) -> int:
    """Return the step of a checkpoint, 0 for a new run.

    Raises:
        ValueError: for a file that is not a checkpoint of a run.
    """
    if checkpoint is None:
        return 0
    try:
        state = torch.load(checkpoint, "cpu", weights_only=True, mmap=True)
        wrong = [key for key, kind in PARTS.items() if not isinstance(state[key], kind)]
        step = int(state["global_step"])
    except Exception as error:  # whatever a file of any kind can cause
        found = f"a file that cannot be read as one ({type(error).__name__}: {error})"
        raise ValueError(f"--ckpt_path: expected a checkpoint, found {checkpoint}, {found}") from error
    if wrong:
        raise ValueError(
            f"--ckpt_path: expected a checkpoint of a training, found {checkpoint} with other {wrong}"
        )
    return step


def check_settings(
    folder: Path,
    now: str,
    sections: Mapping[str, type] | None = None,
    find: Callable[[Any], Any] = lambda name: None,
) -> None:
    """Refuse to resume a run that was started as another experiment.

    Options that did not exist when the run was started differ only if they are not at their default.

    Args:
        folder: of the run; its ``config.yaml`` is compared, if there is one.
        now: the configuration to resume with, in YAML.
        sections: class whose arguments are in ``"model"``, or another section.
        find: returns the class of a ``class_path``, None for unknown ones.

    Raises:
        ValueError: naming what differs.
    """
    if not (folder / "config.yaml").is_file():
        return
    begun, wanted = (
        {key: value for key, value in _flat(_with_homes(settings, find)) if _is_fixed(key)}
        for settings in (read(folder / "config.yaml"), parse(now, "--config"))
    )
    added = {key: value for key, value in wanted.items() if key not in begun}
    begun |= {key: one for key, one in added.items() if _is_default(key, one, wanted, sections or {}, find)}
    missing = "nothing"
    differ = [
        f"{key} (started with {begun.get(key, missing)}, now {wanted.get(key, missing)})"
        for key in {**begun, **wanted}
        if begun.get(key) != wanted.get(key)
    ]
    if differ:
        raise ValueError(
            f"--ckpt_path: expected the settings that the run in {folder} was started with, found others: "
            f"{', '.join(differ)}. Resume with its config.yaml as --config, or leave --ckpt_path out for a "
            "new run"
        )


def _with_homes(value: Any, find: Callable[[Any], Any]) -> Any:
    """Replace every ``class_path`` by the path of the module that defines the class: classes may move."""
    if isinstance(value, list):
        return [_with_homes(item, find) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _with_homes(item, find) for key, item in value.items()}
    kind = find(found.get("class_path"))
    is_kind = hasattr(kind, "__qualname__")
    return found | {"class_path": f"{kind.__module__}.{kind.__qualname__}"} if is_kind else found


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings by their dotted names."""
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, one in value.items():
        yield from _flat(one, f"{path}.{key}" if path else str(key))


def _is_fixed(key: str) -> bool:
    return f"{key}.".startswith(tuple(f"{name}." for name in FIXED)) and key not in FREE


def _is_default(
    key: str,
    value: Any,
    settings: Mapping[str, Any],
    sections: Mapping[str, type],
    find: Callable[[Any], Any],
) -> bool:
    """Return whether the value of an argument is its default."""
    owner, _, name = key.rpartition(".")
    path = f"{owner.removesuffix('init_args')}class_path"
    made = sections.get(owner) or (find(settings.get(path)) if owner.endswith(".init_args") else None)
    argument = inspect.signature(made).parameters.get(name) if made else None
    return argument is not None and type(value) is type(argument.default) and value == argument.default
