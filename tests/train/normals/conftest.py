"""For tests on point clouds: boxes and spheres with exact normals in place of CAD parts, a small network."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from fa_pyg.train.tasks.clouds_data import CloudsData


def box(points, index):
    """Random points of an upright box, longest along z; the kind of surface is plane."""
    sides, axis = torch.rand(3) + torch.tensor([0.5, 1.0, 2.0]), torch.randint(3, (points,))
    normal = nn.functional.one_hot(axis, 3) * (torch.randint(2, (points, 1)) * 2.0 - 1)
    pos = torch.where(normal != 0, normal, torch.rand(points, 3) * 2 - 1) * sides
    return Data(pos=pos, normal=normal, surface=torch.zeros(points, dtype=torch.long), y=torch.tensor([0]))


def ball(points, index):
    """Random points of a sphere."""
    normal = nn.functional.normalize(torch.randn(points, 3), dim=1)
    pos = normal * (0.5 + torch.rand(1))
    return Data(pos=pos, normal=normal, surface=torch.full((points,), 3), y=torch.tensor([1]))


class Parts(list):
    """Boxes and spheres in place of a data set."""

    num_classes = 2

    def __init__(self, parts):
        super().__init__(parts)
        for name in ("pos", "normal", "surface"):
            setattr(self, name, torch.stack([part[name] for part in self]))
        self.y = torch.cat([part.y for part in self])


def parts(count, points=64, seed=0):
    """Boxes and spheres by turns."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Parts((box, ball)[i % 2](points, i) for i in range(count))


class Net(nn.Module):
    """Normals of points from their coordinates and those of the farthest point; classes of clouds."""

    def __init__(self, width: float = 1.0, k: int = 2, num_classes: int | None = None):
        super().__init__()
        channels = max(4, round(16 * width))
        self.num_classes = num_classes
        self.mlp = nn.Sequential(nn.Linear(6, channels), nn.ReLU(), nn.Linear(channels, num_classes or 3))

    def forward(self, pos, batch=None):
        batch = pos.new_zeros(len(pos), dtype=torch.long) if batch is None else batch
        size = int(batch[-1]) + 1
        top = scatter(pos, batch, dim_size=size, reduce="max")
        found = self.mlp(torch.cat([pos, top[batch]], dim=1))
        if self.num_classes is None:
            return nn.functional.normalize(found, dim=1)
        return scatter(found, batch, dim_size=size, reduce="mean")


@pytest.fixture
def some_parts():
    return parts


@pytest.fixture
def data(monkeypatch):
    """Replaces CAD parts: 10 in training, 6 in validation, 4 in the test."""
    sizes = {"train": (10, 1), "val": (6, 2), "test": (4, 3)}

    def dataset(self, name):
        count = self.num_parts if name == "train" else self.num_eval
        number, seed = sizes[name]
        return parts(number if count is None else min(number, count), seed=seed)

    monkeypatch.setattr(CloudsData, "dataset", dataset)
