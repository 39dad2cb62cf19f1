"""Where a run lives, and whether an interrupted one can go on from there."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from fa_pyg.config.plain import parse, read

# What makes a run the experiment that it is. Much of it (learning rate, weight decay, network) a resumed run
# would take from the checkpoint without a word. How long, where and how loudly it trains may change.
FIXED = ("seed_everything", "model", "data", "trainer.callbacks")
# Fitted is before training only: a run that goes on has its references and scales from the checkpoint.
FREE = (
    "data.root",
    "data.dataset.init_args.root",
    "data.eval_batch_size",
    "data.num_workers",
    "data.num_fitted",
)

# What Lightning reads of a checkpoint to go on.
PARTS = {"epoch": int, "pytorch-lightning_version": str, "state_dict": dict, "loops": dict, "callbacks": dict}
PARTS |= {"optimizer_states": list, "lr_schedulers": list}
WRITTEN = (".ckpt", ".csv", ".json", ".png", ".yaml")


def run_folder(parent: Path, ckpt_path: str | None) -> tuple[Path, Path | None]:
    """The folder of a run, and the checkpoint it goes on from, None for a new run.

    Args:
        parent: what holds the runs of this name, ``version_0``, ``version_1``, ...
        ckpt_path: None for a new run, "last" for the newest with a checkpoint, or a checkpoint or its folder.

    Raises ValueError where there is nothing to go on from.
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
            f"--ckpt_path is {ckpt_path!r}, but there is no such checkpoint (runs of this name: {parent})"
        )
    return found[-1].parent, found[-1]


def check_files(folder: Path) -> None:
    """Raises ValueError where a file that a run writes is a link, which leads elsewhere, or a pipe."""
    for path in sorted(folder.iterdir()):
        if path.suffix in WRITTEN and (path.is_symlink() or not (path.is_file() or path.is_dir())):
            raise ValueError(f"--ckpt_path: expected files of a run in {folder}, found a link or pipe {path}")


def resumed_step(checkpoint: Path | None) -> int:
    """The step from which a run goes on, 0 for a new run.

    Raises ValueError where the file is no checkpoint of a run.
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
    """Raises ValueError, naming what differs, if a run in this folder was begun as another experiment.

    Options that came after the run was begun differ only where they are not left at their default.

    Args:
        folder: of the run; its ``config.yaml`` says how it was begun. Without one nothing is compared.
        now: the configuration to go on with, in YAML.
        sections: the class that ``"model"``, or another section, holds the arguments of.
        find: gives the class of a ``class_path``, None for one that it does not know.
    """
    if not (folder / "config.yaml").is_file():
        return
    begun, wanted = (
        {key: value for key, value in _flat(settings) if _is_fixed(key)}
        for settings in (read(folder / "config.yaml"), parse(now, "--config"))
    )
    added = {key: value for key, value in wanted.items() if key not in begun}
    begun |= {key: one for key, one in added.items() if _is_default(key, one, wanted, sections or {}, find)}
    missing = "nothing"
    differ = [
        f"{key} (begun with {begun.get(key, missing)}, now {wanted.get(key, missing)})"
        for key in {**begun, **wanted}
        if begun.get(key) != wanted.get(key)
    ]
    if differ:
        raise ValueError(
            f"--ckpt_path: the run in {folder} goes on with the settings it was begun with, found others: "
            f"{', '.join(differ)}. Give its own config.yaml as --config to go on, or leave --ckpt_path out "
            "for a new run"
        )


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The settings by their dotted names."""
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
    """Whether an argument has the value that it has where it is left out."""
    owner, _, name = key.rpartition(".")
    path = f"{owner.removesuffix('init_args')}class_path"
    made = sections.get(owner) or (find(settings.get(path)) if owner.endswith(".init_args") else None)
    argument = inspect.signature(made).parameters.get(name) if made else None
    return argument is not None and type(value) is type(argument.default) and value == argument.default
