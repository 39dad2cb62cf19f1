"""A Data with a ``__inc__`` of its own under S(n): nodes are numbered anew, what counts others is not."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import CanonicalFrame, FrameAveraging, RandomNodeFrame, SpectralFrame

D = torch.float64


class Mixture(Data):  # PyG knows batches by the name of their class: one of its own
    """Species of which each graph has its own list; nodes and species that belong together."""

    def __inc__(self, key, value, *args, **kwargs):
        counts = {"species_of": len(self.species), "bond_id": self.num_edges, "plain_index": 0}
        if key == "assign":
            return torch.tensor([[self.num_nodes], [len(self.species)]])
        return counts[key] if key in counts else super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key, value, *args, **kwargs):
        return 1 if key == "assign" else super().__cat_dim__(key, value, *args, **kwargs)


def crystal(nodes, edges, species, seed=0):
    g = torch.Generator().manual_seed(seed)

    def draw(n, *size):
        return torch.randint(0, n, size, generator=g)

    return Mixture(
        x=torch.randn(nodes, 2, generator=g, dtype=D),
        edge_index=draw(nodes, 2, edges),
        species=torch.randn(species, 2, generator=g, dtype=D),
        species_of=draw(species, nodes),
        assign=torch.stack([draw(nodes, edges), draw(species, edges)]),
    )


class Net(nn.Module):
    def forward(self, data):
        node, kind = data.assign
        return (data.x * data.species[data.species_of]).sum(1), (data.x[node] * data.species[kind]).sum(1)


def framed(frame, **levels):
    return FrameAveraging(Net(), frame, output=("scalar",) * 2, level=("node", "assign"), levels=levels)


@pytest.mark.parametrize("frame", [CanonicalFrame(), SpectralFrame(), RandomNodeFrame(k=3)], ids=str)
@pytest.mark.parametrize("sizes", [[(5, 7, 2), (4, 3, 3)], [(5, 6, 3)], [(5, 5, 2), (4, 4, 2)], [(3, 3, 5)]])
def test_each_set_is_numbered_by_itself(sizes, frame):
    batch = Batch.from_data_list([crystal(*one) for one in sizes])
    for found, right in zip(framed(frame, species_of="node")(batch), Net()(batch), strict=True):
        assert torch.allclose(found, right)


def test_sets_of_one_size_are_asked_for():
    batch = Batch.from_data_list([crystal(5, 7, 5), crystal(4, 3, 4)])
    with pytest.raises(
        ValueError, match=r"'species_of': expected a declaration of these 9 rows of node indices"
    ):
        framed(CanonicalFrame())(batch)
    with pytest.raises(ValueError, match=r"'assign': expected a __inc__ of nodes and of another set"):
        framed(CanonicalFrame(), species_of="node", species="shared")(batch)
    del batch.assign

    class Rows(nn.Module):
        def forward(self, data):
            return (data.x * data.species[data.species_of]).sum(1)

    levels = {"species_of": "node", "species": "shared"}
    assert torch.allclose(FrameAveraging(Rows(), CanonicalFrame(), levels=levels)(batch), Rows()(batch))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "bond_id",
            "'bond_id': expected indices of nodes, or of items that keep their order, found indices of edges",
        ),
        ("plain_index", r"'plain_index': expected node indices.*found another __inc__"),
    ],
)
def test_numbers_that_cannot_follow(name, message):
    graphs = [crystal(5, 7, 2), crystal(4, 3, 3)]
    for one in graphs:
        one[name] = torch.arange(one.num_edges)
    with pytest.raises(ValueError, match=message):
        framed(CanonicalFrame(), species_of="node")(Batch.from_data_list(graphs))
