"""Types of arguments, also of those passed on as ``**kwargs``: those that jsonargparse finds."""

import inspect

import pytest
from jsonargparse._parameter_resolvers import get_signature_parameters

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import Accepts, _leaves, _of_types
from fa_pyg.config.parameters import parameters

CLASSES = {one for one in Allowlist(training=True).known.values() if inspect.isclass(one)}
# They import what they pass their arguments on to when they are called, or copy the arguments.
MORE = {"MLPAggregation", "DDPStrategy"}


def accepted(hints):
    return {name: _of_types(set(_leaves(hint))) for name, hint in hints.items()}


def test_arguments_accept_what_they_accept_for_jsonargparse():
    assert len(CLASSES) > 200
    for kind in CLASSES:
        expected = accepted({one.name: one.annotation for one in get_signature_parameters(kind)})
        found = accepted(parameters(kind))
        built = {name: one for name, one in expected.items() if one is not Accepts.DATA}
        if kind.__name__ not in MORE:
            assert {name: found.get(name) for name in built} == built, kind
        data = {
            name for name in expected.keys() - built.keys() if found.get(name, Accepts.DATA) != Accepts.DATA
        }
        assert not data, kind


class Base:
    def __init__(self, size: int, *, act: "str | None" = None, **kwargs) -> None:
        self.setup(**kwargs)

    def setup(self, depth: float = 1.0) -> None:
        pass


class Inner(Base):
    def __init__(self, size: "NotDefined", flag: bool = True, **rest) -> None:  # noqa: F821
        super().__init__(3, **rest)


def outer(name: str, **kwargs) -> Inner:
    return Inner(**kwargs)


@pytest.mark.parametrize("kind", [Inner, outer])
def test_keywords_are_followed(kind):
    empty = inspect.Parameter.empty
    expected = {"depth": float, "act": str | None, "size": empty, "flag": bool}
    assert parameters(kind) == expected | ({"name": str} if kind is outer else {})
