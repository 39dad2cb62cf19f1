"""Ways to call a framed model, and how often it calls the model inside."""

import itertools
import math
import warnings

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.nn import global_add_pool

from fa_pyg import (
    FrameAveraging,
    GalileanFrame,
    HaarFrame,
    PCAFrame,
    RandomBoostFrame,
    RandomScaleFrame,
    Rep,
    Sample,
    ScaleFrame,
)
from fa_pyg import batches as sizes_of_batches
from fa_pyg.math import columns, eigh

SIZES = [4, 1, 6]


def arguments():
    """Three small graphs, one of a single node."""
    g = torch.Generator().manual_seed(0)
    z = torch.randint(1, 9, (11,), generator=g)
    pos = torch.randn(11, 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0]) + 2
    return {"z": z, "pos": pos, "batch": torch.arange(3).repeat_interleave(torch.tensor(SIZES))}


class Energy(nn.Module):
    def forward(self, z, pos, batch=None):
        batch = z.new_zeros(len(z)) if batch is None else batch
        size = int(batch.max()) + 1 if len(batch) else 0
        return global_add_pool(z * (pos * torch.tensor([1.0, 2.0, 3.0])).sin().sum(1).exp(), batch, size)


def test_by_position_by_name_and_mixed():
    args = arguments()
    z, pos, batch = args["z"], args["pos"], args["batch"]
    model = FrameAveraging(Energy(), PCAFrame("E(3)"))
    expected = model(z, pos, batch)
    for found in (
        model(z, pos, batch=batch),
        model(batch=batch, pos=pos, z=z),
        model(z, batch=batch, pos=pos),
    ):
        assert torch.equal(found, expected)
    by_number = FrameAveraging(Energy(), PCAFrame("E(3)"), inputs={1: "point"}, reads=[1])
    assert torch.equal(by_number(z, pos, batch), expected)
    assert torch.equal(by_number(z, batch=batch, pos=pos), expected)


def test_one_graph_with_and_without_batch():
    z, pos = arguments()["z"][:4], arguments()["pos"][:4]
    for chunk in (None, 1, 3, 8):
        model = FrameAveraging(Energy(), PCAFrame("E(3)"), chunk=chunk)
        results = [
            model(z, pos),
            model(z, pos, None),
            model(z, pos, torch.zeros_like(z)),
            model(z, pos, batch=None),
        ]
        assert all(torch.allclose(results[0], other) for other in results)


def test_models_with_star_arguments():
    class Stars(nn.Module):
        def forward(self, first, *args, **kwargs):
            return Energy()(first, *args, **kwargs)

    args = arguments()
    expected = FrameAveraging(Energy(), PCAFrame("E(3)"))(args["z"], args["pos"], args["batch"])
    for inputs, a, k in [
        ({1: "point"}, ("z", "pos"), ("batch",)),
        ({"pos": "point"}, ("z",), ("pos", "batch")),
        ({"pos": "point"}, (), ("pos", "batch")),
    ]:
        model = FrameAveraging(Stars(), PCAFrame("E(3)"), inputs=inputs, node_weight=lambda v: args["z"])
        kwargs = {name: args[name] for name in k} | ({} if a else {"first": args["z"]})
        assert torch.equal(model(*(args[name] for name in a), **kwargs), expected)


def test_batch_serves_the_frames_of_models_that_do_not_take_it():
    linear = nn.Linear(3, 2).double()
    model = FrameAveraging(linear, PCAFrame("O(3)"), inputs={"input": "vector"})
    args = arguments()
    out = model(args["pos"], batch=args["batch"])
    for graph in range(3):
        mine = args["batch"] == graph
        assert torch.allclose(out[mine], model(args["pos"][mine]), atol=1e-12)
    many = model(args["pos"], batch=args["batch"], num_graphs=7)
    assert torch.equal(many, out)
    with pytest.raises(TypeError, match="btach"):
        model(args["pos"], btach=args["batch"])


@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_empty_graphs_and_unused_numbers(chunk):
    class Sums(nn.Module):
        def forward(self, pos, batch, num_graphs):
            return global_add_pool(pos.exp(), batch, num_graphs), num_graphs * pos.new_ones(num_graphs)

    pos, batch = arguments()["pos"][5:], torch.tensor([1, 4, 1, 1, 4, 4])
    model = FrameAveraging(Sums(), PCAFrame("SE(3)"), output=("vector", "scalar"), level="graph", chunk=chunk)
    sums, sizes = model(pos, batch, num_graphs=6)
    assert sums.shape == (6, 3)
    assert sums[[0, 2, 3, 5]].eq(0).all()
    assert torch.allclose(sums[1:2], model(pos[batch == 1], batch[batch == 1] * 0, 1)[0])
    assert sizes.eq(6 * min(chunk, 4)).all()


@pytest.mark.parametrize("chunk", [1, 8])
def test_no_graphs(chunk):
    model = FrameAveraging(Energy(), PCAFrame("E(3)"), chunk=chunk)
    none = torch.zeros(0, dtype=torch.long)
    assert model(none, torch.zeros(0, 3), none).shape == (0,)


def test_one_node_graphs_and_as_many_nodes_as_graphs():
    model = FrameAveraging(Energy(), PCAFrame("E(3)"), chunk=2)
    z, pos = torch.tensor([1, 6, 8]), torch.randn(3, 3)
    assert torch.allclose(model(z, pos, torch.arange(3)), z.float())
    for batch in (torch.tensor([2, 0, 1]), torch.tensor([0, 2, 2])):  # N = B, and not the same
        with pytest.raises(ValueError, match="6 nodes and 6 graphs: its level is ambiguous"):
            model(z, pos, batch)
        said = FrameAveraging(Energy(), PCAFrame("E(3)"), chunk=2, level="graph")
        alone = [
            said(z[batch == g], pos[batch == g]) if (batch == g).any() else torch.zeros(1) for g in range(3)
        ]
        expected = torch.cat(alone)
        assert torch.allclose(said(z, pos, batch), expected)


POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Returns(nn.Module):
    """Gives back what a function makes of the points."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, pos, batch=None):
        return self.make(pos, batch)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, pos, batch=None):
        self.sizes.append(len(pos))
        return pos.sum(1)


class Without(Counting):
    def forward(self, pos):
        return super().forward(pos)


@pytest.mark.parametrize(
    ("chunk", "sizes", "alone"),
    [
        (None, [5] * 8, [5] * 8),
        (1, [5] * 8, [5] * 8),
        (3, [15, 15, 10], [5, 15, 15, 5]),
        (8, [40], [5, 35]),
        (99, [40], [5, 35]),
    ],
)
def test_chunks(chunk, sizes, alone):
    """Without ``batch`` the first slot is called alone, where the level of the output is not said."""
    batch = torch.tensor([0, 0, 1, 1, 1])
    for args, level, expected in [
        ((POS, batch), None, sizes),
        ((POS,), None, alone),
        ((POS,), "node", sizes),
    ]:
        model = FrameAveraging(Counting(), PCAFrame("E(3)"), chunk=chunk, level=level)
        model(*args)
        assert model.model.sizes == expected


def test_a_model_without_batch_cannot_share_calls():
    model = FrameAveraging(Without(), PCAFrame("E(3)"), chunk=2)
    with pytest.raises(ValueError, match=r"chunk=2: expected a model that takes `batch`.*pos"):
        model(POS)
    FrameAveraging(Without(), PCAFrame("T(3)"), chunk=2)(POS)  # one frame: nothing to share


def test_sampled_frames_take_one_call_in_training():
    model = FrameAveraging(Counting(), Sample(PCAFrame("E(3)"), k=1))
    model(POS)
    model.eval()(POS)
    assert model.model.sizes == [5] * 9


@pytest.mark.parametrize("frame", [HaarFrame("E(3)", k=4), Sample(PCAFrame("E(3)"), k=2)])
def test_random_frames_average_what_they_draw(frame):
    """In expectation an equivariant model comes out unchanged, and it does so exactly, whatever is drawn."""
    model = FrameAveraging(Returns(lambda p, b: p * p.square().sum(1, keepdim=True)), frame, output="vector")
    centered = POS - POS.mean(0)
    assert torch.allclose(model(POS), centered * centered.square().sum(1, keepdim=True))


class Positions(nn.Module):
    def forward(self, pos):
        return pos


def test_framed_models_can_be_framed_again():
    inner = FrameAveraging(Energy(), PCAFrame("SE(3)"))
    outer = FrameAveraging(inner, PCAFrame("E(3)"))
    args = arguments()
    expected = FrameAveraging(Energy(), PCAFrame("E(3)"))(args["z"], args["pos"], args["batch"])
    assert torch.allclose(outer(args["z"], args["pos"], args["batch"]), expected)
    assert torch.allclose(outer(args["z"], args["pos"], batch=args["batch"]), expected)
    inner = FrameAveraging(Positions(), PCAFrame("SE(3)"), output="point")
    outer = FrameAveraging(inner, PCAFrame("E(3)"), output="point")
    assert torch.allclose(outer(args["pos"], batch=args["batch"]), args["pos"])
    outer.chunk = 2  # the model innermost is not told of graphs
    with pytest.raises(ValueError, match="expected a model that takes `batch`"):
        outer(args["pos"], batch=args["batch"])


def test_repr():
    model = FrameAveraging(nn.Linear(3, 2), PCAFrame("O(3)"), {"input": "vector"})
    assert "inputs={'input': a vector}, output=a scalar" in repr(model)
    assert 'PCAFrame("O(3)")' in repr(model)


def test_an_equivariant_model_stays_as_it_is():
    args = arguments()
    model = FrameAveraging(Returns(lambda p, b: torch.cdist(p, p).sum(1)), PCAFrame("E(3)"))
    assert torch.allclose(model(args["pos"]), torch.cdist(args["pos"], args["pos"]).sum(1))


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FrameAveraging(Energy(), PCAFrame("E(3)"), chunk=3)(**arguments())


def test_the_number_of_frames_is_that_of_the_group():
    for kind, dim in itertools.product(("O", "SO", "E", "SE", "T"), (1, 2, 3, 4)):
        model = FrameAveraging(Counting(), PCAFrame(f"{kind}({dim})"))
        model(torch.randn(6, dim))
        expected = {"O": 2**dim, "E": 2**dim, "SO": 2 ** (dim - 1), "SE": 2 ** (dim - 1), "T": 1}[kind]
        assert len(model.model.sizes) == expected
    assert math.prod(model.model.sizes) == 6


def be_far(monkeypatch) -> None:
    """Read no values, as where they are on an accelerator."""
    for module in (sizes_of_batches, columns, eigh):
        monkeypatch.setattr(module, "is_at_hand", lambda x: False)


class Waits(TorchDispatchMode):
    """Counts the operations whose result the host has to know, for which it would wait for an accelerator."""

    NAMES = ("_local_scalar_dense", "nonzero", "equal", "_unique2", "bincount", "masked_select")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        known = "output_size" in (kwargs or {})
        if name in self.NAMES or (name == "repeat_interleave" and not known):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("frame", [PCAFrame, HaarFrame, lambda group: Sample(PCAFrame(group), k=2)])
@pytest.mark.parametrize("group", ["E(3)", "SE(2)", "O(3)", "T(3)"])
@pytest.mark.parametrize("chunk", [1, 8])
def test_uniform_frames_wait_for_the_number_of_graphs_alone(chunk, group, frame, monkeypatch):
    be_far(monkeypatch)

    class Vectors(nn.Module):
        def forward(self, z, pos, edge_index, batch, num_graphs=None):
            return pos.sin() + torch.zeros_like(pos).index_add(0, edge_index[1], pos[edge_index[0]])

    pos, batch = arguments()["pos"], arguments()["batch"]
    z, edges = arguments()["z"], torch.arange(11).expand(2, 11)
    pos = pos[:, : int(group[-2])].clone().requires_grad_()
    model = FrameAveraging(Vectors(), frame(group), output="vector", chunk=chunk)
    for known, waits in ((None, ["_local_scalar_dense"]), (3, [])):
        with Waits() as mode:
            out = model(z, pos, edges, batch, num_graphs=known)
        assert mode.seen == waits
        with Waits() as mode:
            out.sum().backward()
        assert mode.seen == []


@pytest.mark.parametrize("wrap", [ScaleFrame, GalileanFrame, RandomScaleFrame, RandomBoostFrame])
def test_scales_and_velocities_do_not_wait(wrap, monkeypatch):
    be_far(monkeypatch)

    class Extrapolation(nn.Module):
        def forward(self, pos, vel, charge, batch, num_graphs=None):
            return pos.sin() + vel * charge

    pos, batch = arguments()["pos"].clone().requires_grad_(), arguments()["batch"]
    vector = Rep(1, scale=1, boost=1)
    inputs = {"pos": Rep(1, affine=True, scale=1), "vel": vector, "charge": Rep(scale=1.5)}
    model = FrameAveraging(Extrapolation(), wrap(PCAFrame("E(3)")), inputs, vector)
    with Waits() as mode:
        model(pos, pos.flip(0), pos[:, :1], batch, num_graphs=3).sum().backward()
    assert mode.seen == []
