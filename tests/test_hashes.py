"""The hashes of benchmarks/hashes.py: the same twice, and others after the smallest change."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from fa_pyg import CanonicalFrame, Frames, PCAFrame

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SOME = {"parts": ("layers", "graphs", "molecules"), "only": "float32"}


@pytest.fixture
def hashes(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("hashes")


@pytest.fixture
def digest(hashes):
    return importlib.import_module("hashed.digest").digest


def test_cases_are_the_same_twice_and_have_names_of_their_own(hashes):
    found = hashes.lines(**SOME)
    assert found == hashes.lines(**SOME)
    assert all(len(line.split()) == 2 and len(line.split()[1]) == 16 for line in found), found
    names = [name for part in hashes.PARTS for name, _ in importlib.import_module(f"hashed.{part}").cases()]
    assert len(set(names)) == len(names) > 1000


def test_a_change_of_the_last_bit_is_found(hashes, monkeypatch, tmp_path, capsys):
    build, (old, new) = PCAFrame.build, (tmp_path / "old.txt", tmp_path / "new.txt")
    given = {"parts": ("layers",), "only": "transforms/float64"}
    old.write_text("\n".join(hashes.lines(**given)))
    assert hashes.main(["--compare", str(old), str(old)]) == 0

    def changed(self, cloud):
        frames = build(self, cloud)
        axes = torch.nextafter(frames.axes, torch.ones_like(frames.axes))
        return Frames.signed(axes, frames.signs, frames.origin, frames.batch)

    monkeypatch.setattr(PCAFrame, "build", changed)
    new.write_text("\n".join(hashes.lines(**given)))
    assert hashes.main(["--compare", str(old), str(new)]) == 1
    assert "transforms/float64\n1 cases differ" in capsys.readouterr().out


def test_a_case_that_is_missing_differs_and_one_that_fails_is_named(hashes, tmp_path, capsys):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("a 1\nb 2\n")
    two.write_text("b 2\n")
    assert hashes.differences(one, two) == hashes.differences(two, one) == ["a"]
    assert hashes.differences(one, two, some=True) == []
    assert hashes.outcome("a case", lambda: {}["key"]) == "KeyError"
    assert "a case: KeyError: 'key'" in capsys.readouterr().err


X = torch.tensor([[1.0, -2.0], [0.0, torch.nan]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (X, torch.where(X == 1, torch.nextafter(X, 2 * X), X)),
        (X, X.double()),
        (X, X.view(1, 4)),
        (X, torch.where(X == 0, -0.0, X)),
        (torch.tensor(1.0), torch.tensor(2.0)),
        (torch.tensor([], dtype=torch.long), torch.tensor([])),
        ([X, X], [X]),
        ({"a": X}, {"b": X}),
        (Data(x=X), Data(x=X, y=1)),
        (1, 1.0),
        ("a", b"a"),
        (None, "None"),
        (np.float64(1), np.float32(1)),
        (Frames(torch.eye(3)[None]), Frames(-torch.eye(3)[None])),
        (Frames(torch.eye(3)[None]), Frames(torch.eye(3)[None], origin=torch.zeros(1, 3))),
    ],
    ids=str,
)
def test_different_values_have_different_hashes(digest, one, other):
    assert digest(one) == digest(one)
    assert digest(one) != digest(other)


def test_equal_values_have_equal_hashes(digest):
    assert digest(X) == digest(X.clone()) == digest(X.t().contiguous().t()) == digest(X.numpy())
    assert digest({"a": 1, "b": X}) == digest({"b": X, "a": 1})
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    assert digest(CanonicalFrame()(edges)) == digest(CanonicalFrame()(edges))
    with pytest.raises(TypeError, match="no digest of a set"):
        digest({1})
