"""Molecules held together by springs, and a random network that makes them a little odd."""

import pytest
import torch
from ase.build import molecule
from torch import nn

from fa_pyg import WeightedPCAFrame
from fa_pyg.linalg import scatter_sum
from fa_pyg.models import FAENet, Potential


class Held(nn.Module):
    """Springs between all atoms of one molecule, as long as at the start, and a network on top of them, whose
    energy depends on how the molecule lies. Direct forces are those of the springs and a head's."""

    def __init__(self, pos, direct, stiff=3.0, share=3.0):
        super().__init__()
        torch.manual_seed(0)
        heads = {"energy": "scalar", **({"forces": "node vector"} if direct else {})}
        self.net = FAENet(hidden=16, layers=2, num_radial=4, heads=heads)
        self.head_names, self.stiff, self.share = heads, stiff, share
        self.register_buffer("rest", torch.cdist(pos, pos).flatten())

    def forward(self, z, pos, batch, num_graphs):
        atoms = len(z) // num_graphs
        x = pos.view(num_graphs, 1, atoms, 3) - pos.view(num_graphs, atoms, 1, 3)
        here = ~torch.eye(atoms, dtype=torch.bool)
        length = torch.where(here, x.square().sum(-1), 1).sqrt()
        stretch = torch.where(here, length - self.rest.view(atoms, atoms), 0)
        out = self.net(z, pos, batch=batch, num_graphs=num_graphs)
        springs = self.stiff / 4 * stretch.square().sum((2,)).flatten()
        found = {"energy": scatter_sum(springs, batch, num_graphs) + self.share * out["energy"]}
        if "forces" in out:
            pull = self.stiff * (stretch / length).unsqueeze(3) * x
            found["forces"] = pull.sum(2).flatten(0, 1) + self.share * out["forces"]
        return found


def held(atoms, frame=None, direct=False):
    net = Held(torch.tensor(atoms.positions), direct)
    frame = WeightedPCAFrame("SE(3)") if frame is None else frame
    return Potential(net, frame, gradient=not direct).double()


@pytest.fixture(scope="session")
def make():
    return held


@pytest.fixture
def ethanol():
    return molecule("CH3CH2OH")
