"""Transforms that move data say what they leave behind."""

import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg import PCAFrame
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion

MOVERS = {
    "motion": lambda **k: RandomMotion("E(3)", **k),
    "pose": lambda **k: CanonicalPose(PCAFrame("E(3)"), **k),
}
ATTRIBUTES = {"force": (5, 3), "dipole": (1, 3), "stress": (1, 3, 3), "modes": (5, 4, 3)}


def data(**more):
    return Data(pos=torch.randn(5, 3), z=torch.arange(5), charge=torch.randn(5), x=torch.randn(5, 4), **more)


@pytest.mark.parametrize("mover", MOVERS)
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_is_left_behind_is_named_once(mover, name, caught):
    transform, value = MOVERS[mover](), torch.randn(ATTRIBUTES[name])
    found = caught(lambda: [transform(data(**{name: value})) for _ in range(3)])
    assert len(found) == 1
    assert found[0].startswith(f"{name!r}: found {list(value.shape)}, left as it is")
    batch = Batch.from_data_list([data(**{name: value}), data(**{name: value})])
    assert len(caught(lambda: MOVERS[mover]()(batch))) == 1


@pytest.mark.parametrize("mover", MOVERS)
@pytest.mark.parametrize("rep", ["vector", "scalar"])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_is_declared_is_silent(mover, rep, name, caught):
    value = torch.randn(ATTRIBUTES[name])
    transform, one = MOVERS[mover](inputs={"pos": "point", name: rep}), data(**{name: value})
    found = []
    assert not caught(lambda: found.append(transform(one)))
    assert torch.equal(found[0][name], value) == (rep == "scalar")


@pytest.mark.parametrize("mover", MOVERS)
def test_other_attributes_are_silent(mover, caught):
    assert not caught(lambda: MOVERS[mover]()(data()))


def test_frames_that_are_only_added_move_nothing(caught):
    assert not caught(lambda: AddFrames(PCAFrame("E(3)"))(data(force=torch.randn(5, 3))))
