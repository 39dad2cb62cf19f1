"""The check of invariants: right ones pass, every kind of wrong one fails."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, Rep, ScaleFrame
from fa_pyg.models import FAENet, Potential
from fa_pyg.testing import assert_invariants, invariants_error

BATCH = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])


class Net(nn.Module):
    """A function of coordinates and of a node feature that should be invariant."""

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point"}

    def invariants(self, pos, batch=None):
        return {"node_norm": self.norm(pos)}

    def norm(self, pos):
        return pos.square().sum(1, keepdim=True)

    def forward(self, pos, batch=None, invariants=None):
        found = self.invariants(pos, batch) if invariants is None else invariants
        return (1 + found["node_norm"]) * pos.exp()


class OfCoordinates(Net):
    """The same under the signs of PCA frames, but not under rotations."""

    def norm(self, pos):
        return pos[:, :1].square()


class Odd(Net):
    def norm(self, pos):
        return pos[:, :1]


class Detached(Net):
    """The right values, without their gradient."""

    def invariants(self, pos, batch=None):
        return {"node_norm": self.norm(pos).detach()}

    def forward(self, pos, batch=None, invariants=None):
        found = {"node_norm": self.norm(pos)} if invariants is None else invariants
        return super().forward(pos, batch, found)


class OfBatch(Net):
    """A quantity that is invariant, and names it by the wrong level: right in whole batches only."""

    def invariants(self, pos, batch=None):
        found = super().invariants(pos, batch)
        return {"graph_norm": found["node_norm"][: int(batch.max()) + 1]}

    def forward(self, pos, batch=None, invariants=None):
        found = self.invariants(pos, batch) if invariants is None else invariants
        first = found["graph_norm"]
        return pos.exp() * torch.cat([first, first.new_zeros(len(pos) - len(first), 1)])


def framed(net, group="E(3)"):
    return FrameAveraging(net, PCAFrame(group), output="vector", level="node").double()


def inputs():
    return {"pos": torch.randn(len(BATCH), 3, dtype=torch.float64), "batch": BATCH}


@pytest.mark.parametrize("group", ["E(3)", "SO(3)"])
def test_right_ones_pass(group):
    model = framed(Net(), group)
    before = dict(vars(model))
    errors = assert_invariants(model, inputs())
    cases = ["own", "random", "ragged", "together"]
    assert list(errors) == [name for case in cases for name in (case, f"{case} gradient")]
    assert max(errors.values()) < 1e-13
    assert vars(model) == before
    assert isinstance(model.frame, PCAFrame)


@pytest.mark.parametrize(
    ("net", "wrong"),
    [
        (Odd, {"own", "random", "ragged", "together"}),
        (OfCoordinates, {"random", "ragged", "together"}),
        (Detached, {f"{case} gradient" for case in ("own", "random", "ragged", "together")}),
        (OfBatch, {"own", "ragged", "together"}),  # small frames share calls by default
    ],
)
def test_wrong_ones_fail(net, wrong):
    model, call = framed(net()), inputs()
    errors = invariants_error(model, call)
    assert {case for case, error in errors.items() if error > 1e-6} >= wrong
    values = {case for case, error in errors.items() if "gradient" not in case and error > 1e-6}
    assert values == {case for case in wrong if "gradient" not in case}
    with pytest.raises(AssertionError, match="not invariant, relative error"):
        assert_invariants(model, call)


def test_models_inside_and_other_groups():
    molecules = {"z": torch.full(BATCH.shape, 6), **inputs()}
    potential = Potential(FAENet(4, 1), PCAFrame("SE(3)")).double().eval()
    assert max(assert_invariants(potential, molecules).values()) < 1e-10
    scaled = FrameAveraging(
        Net(),
        ScaleFrame(PCAFrame("E(3)")),
        {"pos": Rep(1, affine=True, scale=1)},
        output="scalar",
        level="node",
    ).double()
    assert list(assert_invariants(scaled, inputs())) == ["own", "own gradient"]


@pytest.mark.parametrize(
    "model",
    [
        nn.Linear(3, 3),
        FrameAveraging(nn.Linear(3, 3), HaarFrame("O(3)", k=2), {0: "vector"}, "vector"),
        FrameAveraging(Net(), HaarFrame("O(3)", k=2), {"pos": "pseudovector"}, "pseudovector", level="node"),
    ],
)
def test_nothing_to_check(model):
    with pytest.raises(ValueError, match="expected one with invariants of the inputs that transform"):
        assert_invariants(model.double(), (inputs()["pos"],))
