"""Generic and symmetric clouds, and small point networks whose batch norms have seen data."""

import math

import pytest
import torch

from fa_pyg.models import DGCNN, FADGCNN, FALocalPointNet, FAPointNet, PointNet

PLAIN = {
    "PointNet": lambda **kw: PointNet(0.06, **kw),
    "DGCNN": lambda **kw: DGCNN(0.06, 7, **kw),
}
FRAMED = {
    "FAPointNet": lambda **kw: FAPointNet(0.06, **kw),
    "FADGCNN": lambda **kw: FADGCNN(0.06, 7, **kw),
    "FALocalPointNet": lambda **kw: FALocalPointNet(0.06, 7, **kw),
}


@pytest.fixture(params=[*PLAIN])
def plain(request):
    return PLAIN[request.param]


@pytest.fixture(params=[*FRAMED])
def framed(request):
    return FRAMED[request.param]


@pytest.fixture(params=[*PLAIN, *FRAMED])
def any_model(request):
    return {**PLAIN, **FRAMED}[request.param]


@pytest.fixture
def clouds():
    """Positions and clouds of a ragged batch, one of fewer points than neighbors, in float64."""

    def make(sizes=(12, 5, 20)):
        torch.manual_seed(1)
        stretch = torch.tensor([1.0, 1.4, 2.0]).double()
        pos = torch.cat([torch.randn(n, 3).double() * stretch for n in sizes])
        return pos, torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))

    return make


@pytest.fixture
def washer():
    """Points of a flat ring with an 8-fold axis: two equal second moments, in float64."""
    angle = torch.arange(8).double() * math.pi / 4
    rings = [(0.5, 0.0), (0.77, 0.0), (1.0, 0.13), (0.5, 0.13)]
    return torch.cat([torch.stack([r * angle.cos(), r * angle.sin(), 0 * angle + z], 1) for r, z in rings])


@pytest.fixture
def settled():
    """A model in float64 and evaluation mode, with running statistics and parameters off their start."""

    def make(model, pos, batch=None):
        torch.manual_seed(2)
        model = model.double()
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
        # Two clouds, as batch norm of cloud features needs.
        batch = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
        pos, batch = torch.cat([pos, pos.roll(1, 1) + 0.1]), torch.cat([batch, batch + 1 + batch.max()])
        for _ in range(3):
            model.train()(pos, batch)
        return model.eval()

    return make
