"""Calls that are no plain ones: each works, or is a ValueError that names the argument."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.nn import (
    GAE,
    VGAE,
    AntiSymmetricConv,
    DeepGCNLayer,
    GCNConv,
    GENConv,
    SAGEConv,
    to_hetero,
)

from fa_pyg import CanonicalFrame, FrameAveraging, PCAFrame, SpectralFrame, WeightedPCAFrame
from fa_pyg.calls import Signature
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion

D = torch.float64
MOTIONS = [PCAFrame("E(3)"), WeightedPCAFrame("E(3)")]
EDGES = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
BATCH = torch.tensor([0, 0, 0, 1, 1, 1])


def points(n=6, seed=0):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=D)


class Energy(nn.Module):
    def forward(self, pos, batch=None):
        batch = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
        return torch.zeros(int(batch.max()) + 1, dtype=D).index_add(0, batch, pos.sin().sum(1))


class OfData(nn.Module):
    def forward(self, data):
        return Energy()(data.x, data.batch)


# ---------------------------------------------------------------------------------- **kwargs


class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, *args, **kwargs):
        return self.net(*args, **kwargs)


class Method(Wrapped):
    def encode(self, *args, **kwargs):
        return self.net(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """Alias."""
        return self.encode(*args, **kwargs)


class Reads(nn.Module):
    def forward(self, pos, **kwargs):
        return Energy()(pos, kwargs["batch"])


class Both(Wrapped):
    def forward(self, pos, **kwargs):
        return self.net(pos, **kwargs) + kwargs["batch"].max()


TAKES = {
    "GAE": (lambda: GAE(GCNConv(3, 4)), False),
    "VGAE": (lambda: VGAE(GCNConv(3, 4)), False),
    "AntiSymmetricConv": (lambda: AntiSymmetricConv(3), False),
    "DeepGCNLayer": (lambda: DeepGCNLayer(GENConv(3, 3)), False),
    "wrapped": (lambda: Wrapped(GCNConv(3, 3)), False),
    "wrapped twice": (lambda: Wrapped(Wrapped(GCNConv(3, 3))), False),
    "method": (lambda: Method(GCNConv(3, 3)), False),
    "wrapped energy": (lambda: Wrapped(Energy()), True),
    "wrapped twice energy": (lambda: Wrapped(Wrapped(Energy())), True),
    "method energy": (lambda: Method(Energy()), True),
    "reads": (Reads, True),
    "wrapped reads": (lambda: Wrapped(Reads()), True),
    "both": (lambda: Both(Energy()), True),
}


@pytest.mark.parametrize("name", TAKES)
def test_who_takes_batch(name):
    make, takes = TAKES[name]
    assert Signature(make()).takes("batch") == takes
    assert not Signature(GAE(GCNConv(3, 4))).takes("num_graphs")
    assert Signature(GAE(GCNConv(3, 4))).takes("edge_weight")


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame(), SpectralFrame()], ids=str)
@pytest.mark.parametrize("name", [name for name, (_, takes) in TAKES.items() if not takes])
def test_models_that_hand_their_keywords_on(name, frame):
    """Of graphs one by one, without `batch`: the same."""
    torch.manual_seed(0)
    net = TAKES[name][0]().double().eval()
    inputs = {} if frame.group.permutes else {"inputs": {0: "point"}}
    if name == "DeepGCNLayer" and frame.group.permutes:  # which hides the names of its arguments
        inputs = {"levels": {0: "node", 1: "index"}}
    model, x = FrameAveraging(net, frame, **inputs), points()
    alone = [model(x[:3], EDGES[:, :4]), model(x[3:], EDGES[:, 4:] - 3)]
    assert torch.allclose(model(x, EDGES, batch=BATCH), torch.cat(alone), atol=1e-12)


@pytest.mark.parametrize("name", [name for name, (_, takes) in TAKES.items() if takes])
def test_models_that_take_batch_still_get_it(name):
    model, x = FrameAveraging(TAKES[name][0](), PCAFrame("E(3)"), {0: "point"}), points()
    assert model(x, batch=BATCH).shape == (2,)


# ---------------------------------------------------------------------------------- numbers


class WithNumber(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, pos, batch=None):
        return Energy()(pos, batch), {"number": self.number(pos)}


OUTPUT = ("scalar", {"number": "scalar"})


@pytest.mark.parametrize("frame", MOTIONS, ids=str)
@pytest.mark.parametrize("number", [3, 0.5, 1 + 2j])
def test_a_number_is_handed_through(number, frame):
    energy, found = FrameAveraging(WithNumber(lambda pos: number), frame, output=OUTPUT)(points(), BATCH)
    assert found == {"number": number}
    assert torch.equal(energy, FrameAveraging(Energy(), frame)(points(), BATCH))


def test_a_number_that_differs_from_frame_to_frame_is_averaged():
    model = FrameAveraging(
        WithNumber(lambda pos: pos.exp().sum().item()), WeightedPCAFrame("E(3)"), output=OUTPUT
    )
    pos = points()
    energy = FrameAveraging(Exp(), WeightedPCAFrame("E(3)"))(pos)
    assert model(pos)[1]["number"] == pytest.approx(energy.item())
    assert model(points(seed=1))[1] != model(pos)[1]
    mixed = torch.cat([pos, torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]], dtype=D)])
    with pytest.raises(ValueError, match=r"output\[1\]\['number'\]: expected a tensor with one row for each"):
        model(mixed, torch.tensor([0] * 6 + [1] * 3))


class Exp(nn.Module):
    def forward(self, pos):
        return pos.exp().sum().reshape(1)


@pytest.mark.parametrize("number", [True, None, "text", [1.0]])
def test_what_is_no_number_is_not(number):
    with pytest.raises(ValueError, match=r"output\[1\]\['number'\]: expected a tensor \(a scalar\), found a"):
        FrameAveraging(WithNumber(lambda pos: number), PCAFrame("E(3)"), output=OUTPUT)(points(), BATCH)
    spec = ("scalar", {"number": "vector"})
    with pytest.raises(ValueError, match=r"output\[1\]\['number'\] of shape \[\] cannot be a vector"):
        FrameAveraging(WithNumber(lambda pos: 1.0), PCAFrame("E(3)"), output=spec)(points(), BATCH)


@pytest.mark.parametrize(
    ("output", "path"),
    [
        ("vector", "output"),
        (("scalar", "tensor"), r"output\[1\]"),
        ({"a": "pseudoscalar"}, r"output\['a'\]"),
        (("scalar", {"b": "point"}), r"output\[1\]\['b'\]"),
    ],
)
def test_outputs_under_permutations_are_scalars(output, path):
    for frame in (CanonicalFrame(), SpectralFrame()):
        with pytest.raises(ValueError, match=path + r': expected "scalar", found a.*under S\(n\)'):
            FrameAveraging(Energy(), frame, output=output)


# ---------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame()], ids=str)
def test_a_batch_of_batches(frame):
    graphs = [Data(x=points(n, n), edge_index=EDGES[:, :2]) for n in (3, 4, 5)]
    flat = Batch.from_data_list(graphs)
    nested = Batch.from_data_list([Batch.from_data_list(graphs[:2]), Batch.from_data_list(graphs[1:])])
    inputs = {} if frame.group.permutes else {"inputs": {"x": "point"}}
    calls = [
        FrameAveraging(OfData(), frame, **inputs),
        AddFrames(frame, **inputs),
        CanonicalPose(frame, **inputs),
    ]
    calls += [] if frame.group.permutes else [RandomMotion("E(3)", {"x": "point"})]
    for call in calls:
        call(flat.clone())
        for wrong in (nested, Batch.from_data_list([flat])):
            with pytest.raises(ValueError, match="expected a Batch of Data, found a Batch of Batches"):
                call(wrong.clone())


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame()], ids=str)
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([0, 0, 0, 1, 1, 10**12], "batch: expected at most 1048582 graphs of 6 nodes, found 10{12}"),
        ([0, 0, 0, 1, 1, 2**63 - 1], "batch: expected at most 1048582 graphs of 6 nodes, found 92"),
        ([0, 0, 0, 1, 1, -1], "batch: expected graphs numbered from 0 on, found -1 to 1"),
        ([0, 0, 0, 1, 1], r"batch: expected the graph of each node, \[6\], found \[5\]"),
        ([0.0, 0, 0, 1, 1, 1], r"batch: expected the graph of each node, int64 \[N\], found torch.float32"),
    ],
)
def test_absurd_graph_numbers(batch, message, frame):
    with pytest.raises(ValueError, match=message):
        FrameAveraging(Named(), frame, **inputs_of(frame))(points(), torch.tensor(batch))
    for name in ("num_graphs", "batch_size"):
        with pytest.raises(ValueError, match=f"{name}: expected at most 1048582 graphs"):
            FrameAveraging(Named(), frame, **inputs_of(frame))(points(), BATCH, **{name: 10**12})


class Named(nn.Module):
    def forward(self, x, batch=None, batch_size=None):
        return Energy()(x, batch)


def inputs_of(frame):
    return {} if frame.group.permutes else {"inputs": {"x": "point"}}


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame()], ids=str)
def test_unsorted_graphs_and_graphs_without_nodes(frame):
    model, x = FrameAveraging(Named(), frame, **inputs_of(frame)), points()
    mixed = torch.tensor([3, 1, 3, 1, 1, 3])
    found = model(x, mixed)
    for b in (1, 3):
        assert torch.allclose(found[b], model(x[mixed == b], mixed[mixed == b] * 0)[0], atol=1e-12)
    assert found[[0, 2]].tolist() == [0, 0]


def test_a_changed_batch_of_a_collated_one():
    batch = Batch.from_data_list([Data(pos=points(3)), Data(pos=points(3, 1))])
    for wrong in (-1, 2, 10**12):
        batch.batch = torch.tensor([0, 0, 0, 1, 1, wrong])
        with pytest.raises(ValueError, match=r"batch: expected graphs numbered from 0 to 1"):
            FrameAveraging(OfPos(), WeightedPCAFrame("E(3)"))(batch)


class OfPos(nn.Module):
    def forward(self, data):
        return Energy()(data.pos, data.batch)


# ---------------------------------------------------------------------------------- heterogeneous graphs


class Sage(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = SAGEConv((-1, -1), 3)

    def forward(self, x, edge_index):
        return self.conv(x, edge_index)


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame()], ids=str)
@pytest.mark.parametrize("given", [{}, {"batch": torch.zeros(3, dtype=torch.long)}])
def test_heterogeneous_graphs_are_refused(given, frame):
    kinds = [("a", "to", "b"), ("b", "of", "a")]
    model = FrameAveraging(to_hetero(Sage(), (["a", "b"], kinds)), frame, **inputs_of(frame))
    x, edges = {"a": points(3).float(), "b": points(4).float()}, dict.fromkeys(kinds, EDGES[:, :4])
    with pytest.raises(
        ValueError,
        match=r"'x'.* found a dict|num",
    ):
        model(x, edges, **given)
    with pytest.raises(ValueError, match=r"argument 'data': expected a Data or Batch, found HeteroData"):
        FrameAveraging(OfData(), frame, **inputs_of(frame))(HeteroData(a={"x": points()}))


# ---------------------------------------------------------------------------------- NaN and types


@pytest.mark.parametrize("frame", [*MOTIONS, CanonicalFrame()], ids=str)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_in_its_graph(value, frame):
    model, x = FrameAveraging(Named(), frame, **inputs_of(frame)), points()
    right = model(x, BATCH)
    x[1, 2] = value
    found = model(x, BATCH)
    assert not found[0].isfinite()
    assert torch.equal(found[1], right[1])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (EDGES.double(), r"edge_index: expected int64 \[2, E\], found torch.float64"),
        (EDGES + 4, "edge_index: expected nodes from 0 to 5, found 4 to 8"),
        (EDGES - 1, "edge_index: expected nodes from 0 to 5, found -1 to 3"),
        (EDGES[:1], r"edge_index: expected int64 \[2, E\], found torch.int64 \[1, 6\]"),
        (
            torch.tensor([[0], [5]]),
            "edge_index: expected edges within graphs, found one from node 0 of graph 0",
        ),
    ],
)
def test_wrong_edges(edges, message):
    class Graph(nn.Module):
        def forward(self, x, edge_index, batch):
            return Energy()(x, batch)

    with pytest.raises(ValueError, match=message):
        FrameAveraging(Graph(), CanonicalFrame())(points(), edges, BATCH)
