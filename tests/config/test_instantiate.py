"""Objects from plain settings: the same as jsonargparse builds, from the allowlist only."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

from fa_pyg import Rep
from fa_pyg.builders import Frame
from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.instantiate import instantiate
from fa_pyg.groups import Group
from fa_pyg.train.guard import guarded

RELU = {"class_path": "torch.nn.ReLU", "init_args": {"inplace": True}}
PCA = {"class_path": "fa_pyg.PCAFrame", "init_args": {"group": "SE(3)"}}


class Color(Enum):
    RED = 1


class Holder:
    """Arguments of many types, as they are in constructors of networks."""

    def __init__(
        self,
        whole: int = 0,
        real: float = 0.0,
        flag: bool = False,
        text: str = "",
        maybe: float | None = None,
        old: Optional[int] = None,  # noqa: UP045 - as in PyG
        literal: Literal["a", "b"] | None = None,
        pair: tuple[int, float] = (0, 0.0),
        many: tuple[int, ...] = (),
        numbers: Sequence[float] = (),
        names: list[str] | None = None,
        some: Iterable[int] = (),
        table: dict[str, float] | None = None,
        mapping: Mapping[str, str] | None = None,
        keys: dict[int, str] | None = None,
        noted: Annotated[int, "positive"] = 1,
        anything: Any = None,
        untyped=None,
        color: Color | None = None,
        path: Path | None = None,
        dtype: torch.dtype = torch.float32,
        act: Callable[[torch.Tensor], torch.Tensor] | None = None,
        layer: nn.Module | Callable | None = None,
        word: Union[str, Callable, None] = None,  # noqa: UP007 - as in PyG
        kind: type[nn.Module] = nn.ReLU,
        make: Callable[[], nn.Module] = nn.ReLU,
        frame: Frame | str | None = None,
        group: str | Group = "E(3)",
        rep: str | Rep | None = None,
        reps: Mapping[str, str | Rep] | None = None,
    ) -> None:
        self.given = {k: v for k, v in locals().items() if k != "self"}


def shown(value):
    """Return a value with its types; objects as text, and what factories make."""
    if isinstance(value, dict):
        return {key: shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value), [shown(one) for one in value]
    made = value() if isinstance(value, partial) else value
    return type(value), type(made), repr(made)


def reference(settings, allowed):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Holder, "holder")
    with guarded(allowed):
        return parser.instantiate(parser.parse_object({"holder": copy.deepcopy(settings)})).holder


@pytest.mark.parametrize(
    "settings",
    [
        {"whole": 3, "real": 2, "flag": True, "text": "a"},
        {"whole": "3", "real": "1e-3", "flag": "false", "text": "1.5"},
        {"real": "2.5E+4", "maybe": "-1e2", "old": "null", "text": "null"},
        {"maybe": None, "old": None, "names": None, "frame": None},
        {"literal": "b", "pair": [1, 2], "many": [1, 2, 3], "numbers": [1, "1e-2"]},
        {"many": "[1, 2]", "table": "{a: 1, b: 2.5}", "names": ["1", "true", "x"], "some": [1]},
        {"table": {"a": 1}, "mapping": {"energy": "scalar"}, "keys": {"3": "a"}},
        {"noted": 5, "anything": [1, {"a": "b"}], "untyped": {"a": 2}},
        {"anything": "1e-3", "untyped": "[1, a]"},
        {"anything": "text", "untyped": "true"},
        {"color": "RED", "path": "a/b.xyz", "dtype": "torch.float64"},
        {"act": "torch.nn.functional.silu", "layer": "torch.nn.functional.relu"},
        {"layer": "torch.nn.SiLU", "word": "relu"},
        {"layer": RELU, "word": RELU},
        {"kind": "torch.nn.SiLU", "make": "torch.nn.SiLU"},
        {"frame": PCA},
        {"frame": "forces"},
        {"frame": PCA, "group": "SO(3)"},
        {"group": {"class_path": "fa_pyg.Group", "init_args": {"kind": "SE", "dim": "3"}}},
        {"rep": "vector", "reps": {"pos": "point"}},
        {"rep": {"class_path": "fa_pyg.Rep", "init_args": {"rank": 2}}},
        {"layer": {"class_path": "torch.nn.Linear", "init_args": {"in_features": "2", "out_features": 3}}},
        {"layer": {"class_path": "torch.nn.Linear", "dict_kwargs": {"in_features": 2, "out_features": "3"}}},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_arguments_are_those_of_jsonargparse(settings):
    expected, found = reference(settings, Allowlist()).given, instantiate(Holder, settings, Allowlist()).given
    assert {name: shown(found[name]) for name in settings} == {
        name: shown(expected[name]) for name in settings
    }


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"whole": 1.5}, "whole: expected int, found 1.5"),
        ({"whole": True}, "whole: expected int, found True"),
        ({"real": "far"}, "real: expected float, found 'far'"),
        ({"flag": 1}, "flag: expected bool, found 1"),
        ({"text": 3}, "text: expected str, found 3"),
        ({"literal": "c"}, "literal: expected "),
        ({"pair": [1]}, "pair: expected "),
        ({"many": 3}, "many: expected "),
        ({"table": [1]}, "table: expected "),
        ({"color": "GREEN"}, "color: expected "),
        ({"dtype": "torch.nn.ReLU"}, "dtype: expected dtype, found 'torch.nn.ReLU'"),
        ({"dtype": "float64"}, "dtype: expected .*, found 'float64'"),
        ({"act": "os.system"}, "act: expected "),
        ({"kind": "torch.nn.functional.silu"}, "kind: expected "),
        ({"frame": {"class_path": "torch.nn.ReLU"}}, "frame: expected "),
        ({"layer": RELU | {"init_args": [1]}}, ""),
        ({"nothing": 1}, "nothing"),
    ],
)
def test_what_does_not_fit_is_named(settings, text):
    with pytest.raises((ValueError, TypeError), match=text):
        instantiate(Holder, settings, Allowlist())


def test_a_class_that_is_not_listed_is_not_built_by_its_annotation_either():
    class Canary:
        built = False

        def __init__(self, a: int = 0) -> None:
            Canary.built = True

    class Box:
        def __init__(self, canary: Canary | None = None) -> None:
            pass

    Box.__init__.__annotations__["canary"] = Canary
    with pytest.raises(ValueError, match="canary: expected a public model"):
        instantiate(Box, {"canary": {"a": 1}}, Allowlist())
    assert not Canary.built
