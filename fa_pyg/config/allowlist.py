"""Allowlist of the classes that a configuration file may name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

from torch import nn
from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

from fa_pyg.groups import Group
from fa_pyg.moved import MOVED
from fa_pyg.reps import Rep

__all__ = ["ARGUMENTS", "EXPECTED", "Allowlist"]

EXPECTED = (
    "a public model, frame, layer, transform or data set of fa_pyg, a module of torch.nn or "
    "torch_geometric.nn, or what trust= (on a command line: --trust) names"
)
# Namespaces of which all public subclasses of these bases are listed.
NAMESPACES: dict[str, tuple[type, ...]] = {
    "fa_pyg": (nn.Module, Group, Rep),
    "fa_pyg.builders": (nn.Module,),
    "fa_pyg.models": (nn.Module, BaseTransform),
    "fa_pyg.nn": (nn.Module,),
    "fa_pyg.transforms": (BaseTransform,),
    "fa_pyg.datasets": (Dataset, BaseTransform),
    "torch.nn": (nn.Module,),
    "torch_geometric.nn": (nn.Module,),
}
# Single names: none of them runs, imports or deletes what its arguments name.
NAMES = {
    "fa_pyg.builders.qr": ("GeneralisedQRFrame",),  # its old spelling, in saved configurations
    "fa_pyg.datasets": ("Table",),
    "torch": ("dtype", "float16", "bfloat16", "float32", "float64"),
    "torch.nn.functional": (
        *("celu", "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish", "relu"),
        *("relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanhshrink"),
    ),
    "torch_geometric.datasets": ("MD17", "QM9"),
}
# The same for configurations of a training, which may use Lightning.
TRAINING_NAMES = {
    "fa_pyg.train": ("EMA", "EpochSeed"),
    "lightning.pytorch.callbacks": (
        *("EarlyStopping", "GradientAccumulationScheduler", "LearningRateMonitor", "ModelSummary"),
        *("RichProgressBar", "StochasticWeightAveraging", "TQDMProgressBar", "Timer"),
    ),
    "lightning.pytorch.loggers": ("CSVLogger", "TensorBoardLogger", "WandbLogger"),
    "lightning.pytorch.strategies": ("DDPStrategy",),
}
# The safe arguments of classes that take more: settings of W&B name the server that keys are sent to.
ARGUMENTS = {
    "lightning.pytorch.loggers.wandb.WandbLogger": (
        *("entity", "group", "id", "job_type", "log_model", "name", "notes", "offline", "prefix", "project"),
        *("save_dir", "tags", "version"),
    ),
}
# Excluded: their constructors build code or download models from text, or call what it names.
EXCLUDED = {
    "torch_geometric.nn": (
        *("DataParallel", "GLEM", "GPSE", "GRetriever", "LLM", "PatchTransformerAggregation"),
        *("SentenceTransformer", "Sequential", "VisionTransformer"),
    ),
    "torch.nn": ("DataParallel",),
}


class Allowlist:
    """Names that a configuration may hold: ``EXPECTED``.

    Args:
        trust: full names of more classes and functions (``"my_net.Net"``), and of modules and packages whose
            classes are trusted (``"my_net"``); these are imported.
        training: also list the callbacks, loggers and strategies of a training, which loads Lightning.

    Attributes:
        known: every listed full name, and the object.
        packages: the trusted modules and packages.

    Raises:
        ValueError: for text that is not a name, and names that cannot be imported.
    """

    def __init__(self, trust: str | Iterable[str] = (), training: bool = False) -> None:
        self.trust = (trust,) if isinstance(trust, str) else tuple(trust)
        self.known: dict[str, Any] = dict(_listed(training))
        self.packages: tuple[str, ...] = ()
        for name in self.trust:
            trusted = _import(name)
            if isinstance(trusted, ModuleType):
                self.packages += (name,)
            else:
                self.known |= dict.fromkeys((name, *_spellings(trusted)), trusted)

    def find(self, name: object) -> Any:
        """Return the object of a full name; None if it is not listed, in which case nothing is imported."""
        if not isinstance(name, str) or not _is_name(name):
            return None
        if name in self.known:
            return self.known[name]
        package = next((one for one in self.packages if name.startswith(f"{one}.")), None)
        return None if package is None else _defined_class(name, package)


def _defined_class(name: str, package: str) -> Any:
    """Return a class that is defined, not only imported, in a package."""
    module, _, attribute = name.rpartition(".")
    try:
        found = vars(import_module(module)).get(attribute)
    except Exception:  # modules of the package that have nothing to do with the model may fail in any way
        return None
    home = getattr(found, "__module__", None)
    inside = isinstance(home, str) and f"{home}.".startswith(f"{package}.")
    return found if inspect.isclass(found) and inside else None


@cache
def _listed(training: bool) -> Mapping[str, Any]:
    """Return every spelling of the full names that are listed without ``trust``, and the objects."""
    listed = {name: one for module, bases in NAMESPACES.items() for name, one in _classes(module, bases)}
    for module, names in (NAMES | (TRAINING_NAMES if training else {})).items():
        home = import_module(module)
        listed |= {f"{module}.{name}": getattr(home, name) for name in names if hasattr(home, name)}
    return MappingProxyType(listed | {name: one for one in listed.values() for name in _spellings(one)})


def _classes(module: str, bases: tuple[type, ...]) -> Iterator[tuple[str, type]]:
    home, root = import_module(module), module.partition(".")[0]
    public = home.__all__ if root == "fa_pyg" else [name for name in vars(home) if name[0] != "_"]
    for name in set(public) - set(EXCLUDED.get(module, ())):
        one = getattr(home, name, None)  # some packages import names on first use
        if inspect.isclass(one) and issubclass(one, bases) and one.__module__.startswith(f"{root}."):
            yield f"{module}.{name}", one


def _spellings(one: Any) -> Iterator[str]:
    """Yield the full names of an object: in its module, in packages that re-export it, under old paths."""
    home, name = getattr(one, "__module__", None), getattr(one, "__qualname__", None)
    if not home or not name:
        return
    yield f"{home}.{name}"
    parts = home.split(".")
    for end in range(1, len(parts)):
        package = ".".join(parts[:end])
        if vars(sys.modules.get(package, ModuleType(package))).get(name) is one:
            yield f"{package}.{name}"
    yield from (f"fa_pyg.{old}.{name}" for old, new in MOVED.items() if home == f"fa_pyg.{new}")


def _import(name: object) -> Any:
    """Import what a user trusts: a module, or an object in one."""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"trust: expected names such as 'my_net' or 'my_net.Net', found {name!r}")
    try:
        return import_module(name)
    except ImportError as error:
        module, _, attribute = name.rpartition(".")
        if module and error.name == name:  # not a module, perhaps an object in one
            found = vars(_import(module)).get(attribute)
            if found is not None:
                return found
        raise ValueError(f"trust: expected a module, class or function, found {name!r} ({error})") from error


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and all(part.isidentifier() for part in name.split("."))
