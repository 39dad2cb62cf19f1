"""One graph without ``batch``: the output has the shape that the user's own call gives, however it is cut."""

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame, Rep

POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Pooled(nn.Module):
    """Sums nodes: without ``batch`` as a plain sum, which has a row for the graph only where asked to."""

    def __init__(self, function, keepdim):
        super().__init__()
        self.function, self.keepdim, self.calls = function, keepdim, 0

    def forward(self, pos, batch=None):
        self.calls += 1
        value = self.function(pos)
        if batch is None:
            return value.sum(0, keepdim=self.keepdim)
        return value.new_zeros(int(batch.max()) + 1, *value.shape[1:]).index_add(0, batch, value)


FUNCTIONS = {
    "scalar": ("scalar", lambda p: p.exp().sum(1)),
    "vector": ("vector", lambda p: p.sin()),
    "flat": (Rep(1, flat=True), lambda p: torch.cat([p.sin(), p.exp()], dim=1)),
    "tensor": ("tensor", lambda p: p.sin().unsqueeze(2) * p.unsqueeze(1)),
}


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("chunk", [2, 3, 7, 8, 100])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_shape_and_value_do_not_depend_on_the_chunk(name, chunk, keepdim):
    rep, function = FUNCTIONS[name]
    for group in ("E(3)", "SO(3)"):
        one, many = (
            FrameAveraging(Pooled(function, keepdim), PCAFrame(group), output=rep, chunk=c)
            for c in (1, chunk)
        )
        expected, found = one(POS), many(POS)
        assert found.shape == expected.shape == Pooled(function, keepdim)(POS).shape
        assert torch.allclose(found, expected, atol=1e-12)
        assert many.model.calls < one.model.calls
        with_batch = many(POS, torch.zeros(5, dtype=torch.long))
        assert with_batch.shape == Pooled(function, True)(POS).shape


@pytest.mark.parametrize(("rep", "function"), [("scalar", torch.sum), ("vector", lambda p: p.sum(0))])
def test_a_model_that_adds_up_its_copies_is_refused(rep, function):
    """It takes ``batch`` and does not look at it; three copies of a vector [3] are not three rows."""

    class Blind(nn.Module):
        def forward(self, pos, batch=None):
            return function(pos)

    for chunk in (2, 3, 7):
        with pytest.raises(ValueError, match="it is not a graph-level output"):
            FrameAveraging(Blind(), PCAFrame("O(3)"), {"pos": "vector"}, rep, chunk=chunk)(POS)


def test_nodes_stay_nodes():
    class Nodes(nn.Module):
        def forward(self, pos, batch=None):
            return pos.sin()

    one, many = (FrameAveraging(Nodes(), PCAFrame("E(3)"), output="vector", chunk=c) for c in (1, 3))
    assert torch.allclose(one(POS), many(POS))
