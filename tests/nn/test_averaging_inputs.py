"""What is declared and read, with what weights, and what is said of calls that do not fit."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data, HeteroData

from fa_pyg import FrameAveraging, PCAFrame, Rep
from fa_pyg.testing import assert_equivariant

POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Returns(nn.Module):
    """Gives back what a function makes of the points."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, pos, batch=None):
        return self.make(pos, batch)


class Optional(nn.Module):
    def forward(self, pos, vel=None, batch=None, *, mass=None):
        return (pos + (0 if vel is None else vel)).sin().sum(1) * (1 if mass is None else mass)


def test_optional_inputs_may_be_missing():
    model = FrameAveraging(Optional(), PCAFrame("E(3)"), {"pos": "point", "vel": "vector"})
    for kwargs in ({}, {"vel": None}, {"vel": POS.flip(0)}):
        reps = {"pos": "point", "vel": "vector"} if kwargs.get("vel") is not None else {"pos": "point"}
        assert_equivariant(model, {"pos": POS, **kwargs}, "E(3)", reps)
    read = FrameAveraging(Optional(), PCAFrame("E(3)"), {"pos": "point", "vel": "vector"}, reads=("vel",))
    with pytest.raises(ValueError, match="expected a tensor 'vel' in the call, found pos"):
        read(POS)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"position": "point"}, "inputs: expected a tensor 'position' in the call, found pos, vel"),
        ({5: "point"}, "expected a tensor 5 in the call, found pos, vel"),
        (
            {"pos": "point", "mass": "scalar", "velo": "vector"},
            "expected a tensor 'velo' in the call, found pos, vel",
        ),
    ],
)
def test_a_wrong_name_lists_the_right_ones(inputs, message):
    model = FrameAveraging(Optional(), PCAFrame("E(3)"), inputs)
    with pytest.raises(ValueError, match=message):
        model(POS, POS)


@pytest.mark.parametrize(
    ("pos", "vel", "message"),
    [
        (
            POS[:, :2],
            None,
            r"'pos' of shape \[5, 2\] cannot be a point in 3 dimensions: expected \[\.\.\., 3\]",
        ),
        (POS[0], None, r"'pos': expected a floating point \[n, \.\.\.\], found torch.float64 \[3\]"),
        (POS.long(), None, r"'pos': expected a floating point \[n, \.\.\.\], found torch.int64"),
        (POS, POS[:, :, None], "'vel' of shape"),
    ],
)
def test_wrong_shapes_and_types(pos, vel, message):
    model = FrameAveraging(Optional(), PCAFrame("E(3)"), {"pos": "point", "vel": "vector"})
    with pytest.raises(ValueError, match=message):
        model(pos, vel)


def test_rows_that_fit_no_level():
    model = FrameAveraging(Optional(), PCAFrame("E(3)"), {"pos": "point", "vel": "vector"})
    batch = torch.tensor([0, 0, 1, 1, 1])
    with pytest.raises(
        ValueError, match="'vel': expected rows of one level, found 4 rows in a batch of 5 nodes, 2 graphs"
    ):
        model(POS, POS[:4], batch)
    with pytest.raises(ValueError, match=r"batch: expected .* \[5\], found \[4\] for the 5 rows of 'pos'"):
        model(POS, POS, batch[:4])


def test_a_tensor_that_is_none_of_the_arguments():
    with pytest.raises(ValueError, match="expected a Data or Batch, found HeteroData"):
        FrameAveraging(Returns(lambda p, b: p), PCAFrame("E(3)"))(HeteroData())
    with pytest.raises(ValueError, match="expected a tensor 'pos' in the call, found x"):
        FrameAveraging(Returns(lambda p, b: p), PCAFrame("E(3)"))(Data(x=POS))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": abs}, "model: expected a torch.nn.Module, found <built-in function abs>"),
        ({"frame": "E(3)"}, "frame: expected a frame such as PCAFrame"),
        ({"inputs": {}}, "inputs: expected at least one"),
        ({"inputs": {"pos": "vektor"}}, "unknown representation 'vektor'"),
        ({"output": "vektor"}, "unknown representation 'vektor'"),
        ({"output": ("scalar", {"a": 3})}, "unknown representation 3"),
        ({"reads": ("vel",)}, "reads: expected some of the declared inputs pos, found 'vel'"),
        ({"reads": ()}, "reads: expected some of the declared inputs pos, found none"),
        ({"inputs": {"pos": "scalar"}}, "reads: expected points and vectors, found 'pos': a scalar"),
        ({"chunk": 0}, "chunk: expected a positive integer or None, found 0"),
        ({"chunk": "all"}, "chunk"),
        ({"chunk": True}, "chunk"),
        (
            {"levels": {"w": "nodes"}},
            r"levels\['w'\]: expected one of node, edge, graph, index, node_index, shared, place, found",
        ),
        (
            {"levels": {"pos": "shared"}},
            r"levels\['pos'\]: expected one of node, edge, graph, found 'shared'",
        ),
    ],
)
def test_wrong_constructor_arguments(kwargs, message):
    kwargs = {"model": Optional(), "frame": PCAFrame("E(3)"), **kwargs}
    with pytest.raises(ValueError, match=message):
        FrameAveraging(**kwargs)


def test_levels_of_an_unknown_name():
    model = FrameAveraging(Optional(), PCAFrame("E(3)"), levels={"w": "node"})
    with pytest.raises(ValueError, match="levels: expected some of pos, found 'w'"):
        model(POS)


def test_flat_inputs_are_read_like_channels():
    class Flat(nn.Module):
        def forward(self, x, batch):
            return (x * torch.arange(6.0)).sin().sum(1)

    class Channels(nn.Module):
        def forward(self, x, batch):
            return Flat()(x.flatten(1), batch)

    x, batch = torch.randn(7, 2, 3, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 1, 1])
    flat = FrameAveraging(Flat(), PCAFrame("E(3)"), {"x": Rep(1, affine=True, flat=True)})
    channels = FrameAveraging(Channels(), PCAFrame("E(3)"), {"x": "point"})
    assert torch.allclose(flat(x.flatten(1), batch), channels(x, batch))


def test_frames_see_explicit_axes():
    class Seen(PCAFrame):
        def build(self, cloud):
            self.seen = cloud.read[0]
            return super().build(cloud)

    frame = Seen("E(3)")
    FrameAveraging(Returns(lambda x, b: x.sum(1)), frame, {"pos": Rep(1, affine=True, flat=True)})(
        torch.randn(5, 6), batch=torch.zeros(5, dtype=torch.long)
    )
    assert frame.seen.value.shape == (5, 2, 3)
    assert frame.seen.rep == Rep(1, affine=True)


def energies(**kwargs):
    """The framed centroid's height, which depends on the node weights."""
    model = FrameAveraging(Masses(), PCAFrame("T(3)"), **kwargs)
    return lambda **call: model(**call)


class Masses(nn.Module):
    def forward(self, pos, z=None, batch=None):
        return pos


Z = torch.tensor([1, 6, 8, 0, 3])
OF_Z = torch.tensor([1, 6, 8, 0.5, 3])  # the weights of these types: each node has one


def centered(weight):
    weight = weight.double() / weight.sum()
    return POS - weight @ POS


def test_node_weights():
    ones, mass = torch.ones(5), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert torch.allclose(energies()(pos=POS), centered(ones))
    assert torch.allclose(energies()(pos=POS, z=Z), centered(OF_Z))
    assert torch.allclose(energies()(pos=POS, z=Z.unsqueeze(1)), centered(OF_Z))
    assert torch.allclose(energies()(pos=POS, z=Z.double()), centered(ones))  # features, not numbers of atoms
    assert torch.allclose(energies()(pos=POS, z=torch.ones(2, dtype=torch.long)), centered(ones))
    assert torch.allclose(energies(node_weight=None)(pos=POS, z=Z), centered(ones))
    assert torch.allclose(energies(node_weight="z")(pos=POS, z=mass), centered(mass))
    assert torch.allclose(energies(node_weight="mass")(pos=POS, mass=mass), centered(mass))
    assert torch.allclose(
        energies(node_weight=lambda v: (v["z"] + 1) ** 2)(pos=POS, z=Z), centered((Z + 1) ** 2)
    )
    batch = torch.tensor([0, 0, 1, 1, 1])
    out = energies()(pos=POS, z=Z, batch=batch)
    assert torch.allclose(out[:2], POS[:2] - Z[:2].double() @ POS[:2] / 7)


def test_node_weights_of_a_batch_are_those_of_loose_arguments():
    class Held(nn.Module):
        def forward(self, data):
            return data.pos

    data = Batch.from_data_list([Data(pos=POS, z=Z), Data(pos=POS[:2], z=Z[:2])])
    held = FrameAveraging(Held(), PCAFrame("T(3)"))(data)
    loose = FrameAveraging(Masses(), PCAFrame("T(3)"))(data.pos, data.z, data.batch)
    equal = FrameAveraging(Held(), PCAFrame("T(3)"), node_weight=None)(data)
    assert torch.equal(held, loose)
    assert not torch.allclose(held, equal)


@pytest.mark.parametrize("weight", ["mass", lambda v: torch.ones(4), lambda v: None, lambda v: 1.0])
def test_wrong_node_weights(weight):
    with pytest.raises(ValueError, match=r"node_weight=.*: expected a number for each of 5 nodes, found"):
        energies(node_weight=weight)(pos=POS)


def test_an_input_that_is_no_tensor():
    with pytest.raises(ValueError, match="inputs: expected a tensor 'pos', found a ndarray"):
        FrameAveraging(Optional(), PCAFrame("E(3)"))(POS.numpy())
