"""Two sets of points in one call: slices and <name>_batch say whose rows are whose, not sizes."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, GeneralisedQRFrame, HaarFrame, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.transforms import AddFrames, RandomMotion, data_frames

D = torch.float64
FRAMES = [PCAFrame("E(3)"), WeightedPCAFrame("E(3)"), Sample(HaarFrame("SE(3)"), k=3)]
SIZES = [(4, 2, 5), (3, 5, 2), (5, 5, 3)]  # points, points of the other set, edges


class ComplexOfTwo(Data):  # PyG knows batches by the name of their class: one of its own
    """Edges from one set to the other."""

    def __inc__(self, key, value, *args, **kwargs):
        if key == "edge_index":
            return torch.tensor([[self.lig.size(0)], [self.pos.size(0)]])
        return super().__inc__(key, value, *args, **kwargs)


def graphs(seed=0, cls=ComplexOfTwo):
    g, found = torch.Generator().manual_seed(seed), []
    for n, m, e in SIZES:
        index = torch.stack([torch.randint(0, m, (e,), generator=g), torch.randint(0, n, (e,), generator=g)])
        pos, lig = torch.randn(n, 3, generator=g, dtype=D), torch.randn(m, 3, generator=g, dtype=D)
        weight = torch.rand(e, generator=g, dtype=D)
        found.append(cls(pos=pos, lig=lig, edge_index=index, edge_attr=weight, num_nodes=n))
    return found


class Energy(nn.Module):
    """Of the edges between the sets, in the graph of their target."""

    def forward(self, data):
        source, target = data.edge_index
        batch = torch.zeros(len(data.pos), dtype=torch.long) if data.batch is None else data.batch
        away = (data.lig[source] - data.pos[target]).sin().sum(1) * data.edge_attr
        away = away + data.pos[target][:, 0].cos()
        return torch.zeros(int(batch.max()) + 1, dtype=D).index_add(0, batch[target], away)


INPUTS = {"pos": "point", "lig": "point"}


@pytest.mark.parametrize("chunk", [None, 1, 3, 16])
@pytest.mark.parametrize("frame", FRAMES[:2], ids=str)
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 1, 0]])
def test_bipartite_graphs(order, frame, chunk):
    """A batch is its graphs."""
    each = [graphs()[i] for i in order]
    batch = Batch.from_data_list(each, follow_batch=["lig"])
    model = FrameAveraging(Energy(), frame, INPUTS, chunk=chunk)
    right = torch.cat([FrameAveraging(Energy(), frame, INPUTS)(one) for one in each])
    assert torch.allclose(model(batch), right, atol=1e-12)
    without = Batch.from_data_list(each)
    assert torch.allclose(model(without), right, atol=1e-12)
    turned = RandomMotion("SE(3)", INPUTS)(batch.clone())
    assert torch.allclose(model(turned), right, atol=1e-9)
    stored = AddFrames(frame, INPUTS)(batch.clone())
    assert torch.allclose(model(stored, frames=data_frames(stored)), right, atol=1e-12)


@pytest.mark.parametrize("chunk", [None, 1, 3, 16])
@pytest.mark.parametrize("frame", FRAMES[:2], ids=str)
def test_vectors_on_bipartite_edges(frame, chunk):
    class Along(nn.Module):
        def forward(self, data):
            source, target = data.edge_index
            return (data.lig[source] - data.pos[target]).sin()

    batch = Batch.from_data_list(graphs())
    options = {"output": "vector", "level": "edge"}
    model = FrameAveraging(Along(), frame, INPUTS, chunk=chunk, **options)
    right = torch.cat([FrameAveraging(Along(), frame, INPUTS, **options)(one) for one in graphs()])
    assert torch.allclose(model(batch), right, atol=1e-12)


class TwoSets(nn.Module):
    def forward(self, pos, lig, batch, lig_batch):
        size = int(batch.max()) + 1
        here = torch.zeros(size, 3, dtype=D).index_add(0, batch, pos)
        there = torch.zeros(size, 3, dtype=D).index_add(0, lig_batch, lig.sin())
        return (here * there).sum(1) + there.cos().sum(1)


@pytest.mark.parametrize("chunk", [None, 1, 3, 16])
@pytest.mark.parametrize("frame", FRAMES[:2], ids=str)
@pytest.mark.parametrize("splits", [([4, 2, 3], [2, 4, 3]), ([4, 2, 3], [1, 1, 1]), ([2, 3, 1], [4, 0, 5])])
def test_two_sets_of_loose_points(splits, frame, chunk):
    torch.manual_seed(0)
    batch, lig_batch = (torch.arange(3).repeat_interleave(torch.tensor(one)) for one in splits)
    pos, lig = torch.randn(len(batch), 3, dtype=D), torch.randn(len(lig_batch), 3, dtype=D)
    model = FrameAveraging(TwoSets(), frame, INPUTS, chunk=chunk)
    found = model(pos, lig, batch, lig_batch)
    mix, other = torch.randperm(len(batch)), torch.randperm(len(lig_batch))
    assert torch.allclose(model(pos[mix], lig[other], batch[mix], lig_batch[other]), found, atol=1e-12)
    for b in range(3):
        zeros = (torch.zeros(one[b], dtype=torch.long) for one in splits)
        alone = FrameAveraging(TwoSets(), frame, INPUTS)(pos[batch == b], lig[lig_batch == b], *zeros)
        assert torch.allclose(found[b], alone[0], atol=1e-12)


@pytest.mark.parametrize("chunk", [None, 1, 16])
def test_vectors_on_the_other_set(chunk):
    class Forces(nn.Module):
        def forward(self, pos, lig, batch, lig_batch):
            mean = torch.zeros(int(batch.max()) + 1, 3, dtype=D).index_add(0, batch, pos)
            return pos.sin(), (lig - mean[lig_batch]).sin()

    torch.manual_seed(0)
    batch, lig_batch = torch.tensor([0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    pos, lig = torch.randn(7, 3, dtype=D), torch.randn(7, 3, dtype=D)
    options = {"output": ("vector", "vector"), "level": ("pos", "lig")}
    found = FrameAveraging(Forces(), WeightedPCAFrame("E(3)"), INPUTS, chunk=chunk, **options)(
        pos, lig, batch, lig_batch
    )
    alone = FrameAveraging(Forces(), WeightedPCAFrame("E(3)"), INPUTS, **options)
    for b in range(2):
        here, there = batch == b, lig_batch == b
        one = alone(pos[here], lig[there], batch[here] * 0, lig_batch[there] * 0)
        assert torch.allclose(found[0][here], one[0], atol=1e-12)
        assert torch.allclose(found[1][there], one[1], atol=1e-12)


def test_the_batch_of_the_points_alone():
    """PyG's follow_batch without `batch`."""

    class Followed(nn.Module):
        def forward(self, pos, lig, pos_batch, lig_batch):
            return TwoSets()(pos, lig, pos_batch, lig_batch)

    torch.manual_seed(0)
    batch, lig_batch = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 1])
    pos, lig = torch.randn(5, 3, dtype=D), torch.randn(5, 3, dtype=D)
    for frame in FRAMES[:2]:
        found = FrameAveraging(Followed(), frame, INPUTS)(pos, lig, batch, lig_batch)
        assert torch.allclose(found, FrameAveraging(TwoSets(), frame, INPUTS)(pos, lig, batch, lig_batch))


@pytest.mark.parametrize(
    ("lig_batch", "message"),
    [
        (torch.tensor([0, 0, 1]), r"lig_batch: expected the graph of each row, \[5\], found \[3\]"),
        (torch.tensor([0, 0, 1, 1, 2]), r"lig_batch: expected graphs numbered from 0 to 1"),
        (torch.tensor([0, 0, 1, 1, -1]), r"lig_batch: expected graphs numbered from 0 to 1"),
        (torch.zeros(5), r"lig_batch: expected the graph of each node, int64 \[N\], found torch.float32"),
    ],
)
def test_a_wrong_batch_of_another_set(lig_batch, message):
    pos, batch = torch.randn(5, 3, dtype=D), torch.tensor([0, 0, 0, 1, 1])
    with pytest.raises(ValueError, match=message):
        FrameAveraging(TwoSets(), WeightedPCAFrame("E(3)"), INPUTS)(pos, pos, batch, lig_batch)


def test_bipartite_edges_outside_a_batch():
    """Loose ones do not say of which set their numbers are."""

    class Loose(nn.Module):
        def forward(self, pos, lig, edge_index, batch, lig_batch):
            return pos.sum(1)

    torch.manual_seed(0)
    batch, lig_batch = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 1, 1, 1])
    pos, lig = torch.randn(5, 3, dtype=D), torch.randn(7, 3, dtype=D)
    for edges in (torch.tensor([[0, 2], [1, 4]]), torch.tensor([[1, 6], [0, 4]])):
        for frame, chunk in ((WeightedPCAFrame("E(3)"), None), (PCAFrame("E(3)"), 8)):
            with pytest.raises(
                ValueError, match=r"edge_index: expected (nodes from 0 to 4|edges within graphs)"
            ):
                FrameAveraging(Loose(), frame, INPUTS, chunk=chunk)(pos, lig, edges, batch, lig_batch)
    one = ComplexOfTwo(pos=pos, lig=lig, edge_index=edges, num_nodes=5)
    one.batch, one.lig_batch = batch, lig_batch
    with pytest.raises(
        ValueError, match=r"'edge_index': expected a collated Batch for the __inc__ of its ComplexOfTwo"
    ):
        FrameAveraging(Energy(), PCAFrame("E(3)"), INPUTS, chunk=8)(one)


class Pockets(nn.Module):
    """Sees each of the nodes and of the rows of a second tensor."""

    def forward(self, data):
        batch = data.batch if data.batch is not None else torch.zeros(len(data.pos), dtype=torch.long)
        own = data.other_batch if "other_batch" in data else data.get("cell_batch")
        other = data.get("other", data.get("cell"))
        own = torch.arange(int(batch.max()) + 1).repeat_interleave(3) if own is None else own
        turned = torch.arange(9, dtype=D).view(3, 3).cos()
        h = (data.pos @ turned).sin().sum(1) * data.z
        total = torch.zeros(int(batch.max()) + 1, dtype=D).index_add(0, batch, h)
        return total.index_add(0, own, (other @ turned).sin().sum(1))


@pytest.mark.parametrize(("name", "follow"), [("other", ["other"]), ("cell", ["cell"]), ("cell", [])])
@pytest.mark.parametrize("reads", [["pos"], ["pos", "second"], ["second"]], ids="-".join)
@pytest.mark.parametrize("frame", [*FRAMES[:2], GeneralisedQRFrame("E(3)")], ids=str)
@pytest.mark.parametrize("shape", ["any", "line"])
def test_rows_that_are_as_many_as_atoms_do_not_weigh_as_these(name, follow, reads, frame, shape):
    """The three rows of a cell, or of another set, do not weigh as three atoms do."""
    generator = torch.Generator().manual_seed(3)
    each = []
    for n in (3, 5, 3):
        pos = torch.randn(n, 3 if shape == "any" else 1, generator=generator, dtype=D)
        pos = pos * torch.tensor([1.0, 2.0, -1.0], dtype=D)
        rows = torch.randn(3, 3, generator=generator, dtype=D)
        each.append(Data(pos=pos, z=torch.tensor([6, 8, 1, 7, 9])[:n], **{name: rows}))
    inputs = {"pos": "point", name: "vector"}
    reads = [name if one == "second" else one for one in reads]
    model = FrameAveraging(Pockets(), frame, inputs, reads=reads, level="graph")
    alone = [model(Batch.from_data_list([one], follow_batch=follow)) for one in each]
    together = model(Batch.from_data_list(each, follow_batch=follow))
    assert torch.allclose(together, torch.cat(alone), atol=1e-9)
