"""Old paths of modules lead to the modules themselves."""

import importlib

import pytest

import fa_pyg
from fa_pyg.moved import MOVED


@pytest.mark.parametrize("old", sorted(path for path in MOVED if not path.startswith("train")))
def test_an_old_path_is_the_module_that_has_moved(old):
    assert importlib.import_module(f"fa_pyg.{old}") is importlib.import_module(f"fa_pyg.{MOVED[old]}")


def test_old_paths_are_attributes_and_others_are_not():
    assert fa_pyg.projections is importlib.import_module("fa_pyg.math.projections")
    with pytest.raises(AttributeError, match="no attribute 'attic'"):
        _ = fa_pyg.attic
    with pytest.raises(ModuleNotFoundError, match=r"fa_pyg\.attic"):
        importlib.import_module("fa_pyg.attic")


def test_what_the_room_of_copies_exported_is_still_there():
    from fa_pyg.calls import Layout
    from fa_pyg.copies import Layout as Old

    assert Old is Layout
    with pytest.raises(ImportError, match="nothing_of_it"):
        from fa_pyg.copies import nothing_of_it  # noqa: F401
