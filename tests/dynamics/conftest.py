"""Molecules held together by springs, and a random network that makes them a little odd."""

import pytest
import torch
from ase.build import molecule
from torch import nn

from fa_pyg import WeightedPCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.models import Potential


class Held(nn.Module):
    """Springs between all atoms of one molecule, as long as at the start, and a random network of where each
    atom lies, which no symmetry spares. Direct forces are those of the springs and a head's."""

    def __init__(self, pos, direct, share, stiff=3.0):
        super().__init__()
        torch.manual_seed(0)
        heads = {"energy": "scalar", **({"forces": "node vector"} if direct else {})}
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 4))
        self.head_names, self.stiff, self.share = heads, stiff, share
        self.register_buffer("rest", torch.cdist(pos, pos).flatten())

    def forward(self, z, pos, batch, num_graphs):
        atoms = len(z) // num_graphs
        x = pos.view(num_graphs, 1, atoms, 3) - pos.view(num_graphs, atoms, 1, 3)
        here = ~torch.eye(atoms, dtype=torch.bool)
        length = torch.where(here, x.square().sum(-1), 1).sqrt()
        stretch = torch.where(here, length - self.rest.view(atoms, atoms), 0)
        odd = self.share * self.net(torch.cat([pos, z.unsqueeze(1) / 10], dim=1).to(pos))
        springs = self.stiff / 4 * stretch.square().sum(2).flatten()
        found = {"energy": scatter_sum(springs + odd[:, 0], batch, num_graphs)}
        if "forces" in self.head_names:
            pull = self.stiff * (stretch / length).unsqueeze(3) * x
            found["forces"] = pull.sum(2).flatten(0, 1) + odd[:, 1:]
        return found


def held(atoms, frame=None, direct=False, share=0.3):
    net = Held(torch.tensor(atoms.positions), direct, share)
    frame = WeightedPCAFrame("SE(3)") if frame is None else frame
    return Potential(net, frame, gradient=not direct).double()


@pytest.fixture(scope="session")
def make():
    return held


@pytest.fixture(scope="session")
def ethanol():
    """Out of its mirror plane, near which the weights of frames turn fast against these time steps."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=1)
    return atoms
