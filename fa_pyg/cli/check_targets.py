"""Models and data that a command names: ``module:name``, ``file.py:name``, checkpoints, XYZ files."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from fa_pyg.io import find_files, iterate_xyz
from fa_pyg.potential import load
from fa_pyg.testing.reports.calculators import CalculatorModel, is_calculator

__all__ = ["load_data", "load_model"]


def load_model(target: str, trust: Iterable[str] = ()) -> Callable:
    """Load the model that a command names.

    Args:
        target: ``module:name`` or ``file.py:name`` of a model, of a function without arguments that makes
            one, or of an ASE calculator; or the folder or checkpoint of a trained potential. Modules are run.
        trust: as for :func:`fa_pyg.potential.load`.

    Raises:
        ValueError: for what is no model, and errors of the module.
    """
    if ":" not in target and (Path(target).exists() or target.endswith((".ckpt", ".pt"))):
        if target.endswith(".py"):
            raise ValueError(f"model: expected file.py:name, found {target}; name what is in the file")
        return load(target, trust)
    found = _made(_named("model", target), target)
    if is_calculator(found):
        return CalculatorModel(found)
    if not callable(found):
        raise ValueError(
            f"model: expected a torch.nn.Module, a function or an ASE calculator, "
            f"found {found!r:.60s} in {target}"
        )
    return found


def load_data(targets: Sequence[str]) -> Any:
    """Load the structures that a command names: XYZ files and folders, or ``module:name``.

    Raises:
        ValueError: naming the file and line of what cannot be read.
    """
    if len(targets) == 1 and ":" in targets[0] and not Path(targets[0]).exists():
        found = _named("data", targets[0])
        return list(_called("data", found, targets[0]) if callable(found) else found)
    files = [path for target in targets for path in find_files(target)]
    return [data for path in files for data in iterate_xyz(path, dtype=torch.float64)]


def _made(value: Any, target: str) -> Any:
    """Call a function without arguments that makes a model; a model stays as it is."""
    is_model = isinstance(value, nn.Module) or (is_calculator(value) and not isinstance(value, type))
    if is_model or not callable(value) or _required(value):
        return value
    return _called("model", value, target)


def _required(value: Callable) -> bool:
    """Whether a function has parameters without defaults, and so is a model itself."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return False
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return any(p.default is p.empty for p in named)


def _called(name: str, value: Callable, target: str) -> Any:
    try:
        return value()
    except Exception as error:  # of the user's own code
        raise ValueError(f"{name}: expected {target} to run, found {_said(error)}") from error


def _named(name: str, target: str) -> Any:
    path, _, attribute = target.rpartition(":")
    if not path or not attribute:
        raise ValueError(f"{name}: expected module:name, file.py:name or a checkpoint, found {target!r}")
    module = _imported(name, path)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{name}: expected a name in {path}{_names(module)}, found {attribute!r}")
        found = getattr(found, part)
    return found


def _names(module: ModuleType) -> str:
    """Functions and classes that a module defines, as a hint."""
    own = [k for k, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
    return f", such as {', '.join(own[:8])}" if own else ""


def _imported(name: str, path: str) -> ModuleType:
    try:
        if path.endswith(".py"):
            return _of_file(name, Path(path))
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(path)
    except Exception as error:  # of the user's own code
        if isinstance(error, ValueError) and str(error).startswith(f"{name}: expected"):
            raise
        raise ValueError(f"{name}: expected {path} to be importable, found {_said(error)}") from error


def _of_file(name: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"{name}: expected a file that exists, found {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for its own imports
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{name}: expected a Python file, found {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _said(error: Exception) -> str:
    """Error in a line, with the line of code that raised it."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        where = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}{where}"
