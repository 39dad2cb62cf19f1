"""Molecules with something of every representation and level, and frames whose number differs."""

import pytest
import torch
from torch_geometric.data import Data

from fa_pyg import Frames, MotionFrame, PCAFrame
from fa_pyg.transforms.pose import heaviest

SIZES = (5, 8, 3, 6)


@pytest.fixture
def inputs():
    """What the molecules declare."""
    return {
        "pos": "point",
        "force": "vector",
        "spin": "pseudovector",
        "polar": "tensor",
        "cell": "vector",
        "torque": "pseudovector",
        "edge_vec": "vector",
        "chirality": "pseudoscalar",
    }


@pytest.fixture
def make():
    """One molecule of n atoms; generic, so that plain frames are exact."""

    def molecule(n, dtype=torch.float64):
        ring = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n])
        return Data(
            z=torch.randint(1, 9, (n,)),
            pos=torch.randn(n, 3, dtype=dtype) * torch.tensor([1.0, 2.0, 3.0], dtype=dtype) + 1,
            force=torch.randn(n, 3, dtype=dtype),
            spin=torch.randn(n, 4, 3, dtype=dtype),
            polar=torch.randn(n, 3, 3, dtype=dtype),
            cell=torch.randn(1, 3, 3, dtype=dtype),
            torque=torch.randn(1, 3, dtype=dtype),
            edge_index=torch.cat([ring, ring.flip(0)], dim=1),
            edge_vec=torch.randn(2 * n, 3, dtype=dtype),
            chirality=torch.randn(1, dtype=dtype),
            charge=torch.randn(n, dtype=dtype),
        )

    return molecule


@pytest.fixture
def molecules(make):
    return [make(n) for n in SIZES]


class RaggedFrame(MotionFrame):
    """All PCA frames where the number of nodes is even, the most skewed one where it is odd."""

    def build(self, cloud):
        full = PCAFrame(self.group).build(cloud)
        one = heaviest(full, cloud)
        batch = cloud.read[0].rows.body
        nodes = torch.tensor([len(cloud.read[0].value)]) if batch is None else batch.bincount()
        few, many = nodes % 2 == 1, nodes % 2 == 0
        rotation = torch.cat([one.rotation[few[one.body]], full.rotation[many[full.body]]])
        body = torch.cat([one.body[few[one.body]], full.body[many[full.body]]])
        weight = 1 / body.bincount()[body].to(rotation)
        return Frames.ragged(rotation, body, weight, cloud.size, full.origin, full.batch, nodes)


@pytest.fixture
def ragged():
    return RaggedFrame("SE(3)")
