"""Transforms under their names in PyG's data pipes."""

import pytest
import torch
from torch.utils.data.datapipes.iter import IterableWrapper
from torch_geometric.data import Data

from fa_pyg import PCAFrame, transforms

NAMES = {
    "add_frames": (transforms.AddFrames, [PCAFrame("E(3)")]),
    "canonical_pose": (transforms.CanonicalPose, [PCAFrame("SE(3)")]),
    "node_degree": (transforms.NodeDegree, []),
    "node_id": (transforms.NodeID, []),
    "normalize_cloud": (transforms.NormalizeCloud, []),
    "random_motion": (transforms.RandomMotion, ["E(3)"]),
}


def graphs():
    edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    return [Data(pos=torch.randn(4, 3), x=torch.ones(4, 1), edge_index=edge_index) for _ in range(3)]


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_applies_the_transform(name):
    kind, args = NAMES[name]
    found = graphs()
    before = [data.clone() for data in found]
    torch.manual_seed(0)
    piped = list(getattr(IterableWrapper(found), name)(*args))
    torch.manual_seed(0)
    expected = [kind(*args)(data.clone()) for data in found]
    for data, other, first, old in zip(piped, expected, found, before, strict=True):
        assert data.keys() == other.keys()
        values = {key: value for key, value in other.to_dict().items() if isinstance(value, torch.Tensor)}
        assert all(torch.equal(data[key], value) for key, value in values.items())
        changed = {key for key in values if key not in old or not torch.equal(values[key], old[key])}
        assert changed
        assert torch.equal(first.pos, old.pos)


def test_every_transform_has_a_name():
    kinds = {getattr(transforms, name) for name in transforms.__all__ if name[0].isupper()}
    assert kinds == {kind for kind, _ in NAMES.values()}
