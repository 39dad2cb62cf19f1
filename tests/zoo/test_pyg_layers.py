"""PyG's own layers and models, wrapped unchanged, under every group, dimension and representation.

One batch holds a cloud and its images under random motions, which are drawn and applied in float64. A model
is equivariant if it does to the images what it does to the cloud; the bare one must not be.
"""

import itertools

import pytest
import torch
from torch import nn
from torch_geometric.nn import GIN, EdgeConv, GPSConv, PointNetConv, SAGEConv

from fa_pyg import FrameAveraging, Group, PCAFrame, Rep
from fa_pyg.testing import Motion, random_motion

REPS = {
    "scalar": Rep(0),
    "pseudoscalar": Rep(0, pseudo=True),
    "vector": Rep(1),
    "pseudovector": Rep(1, pseudo=True),
    "point": Rep(1, affine=True),
    "tensor": Rep(2),
    "pseudotensor": Rep(2, pseudo=True),
    "rank 3": Rep(3),
}
GROUPS = [f"{kind}({dim})" for kind, dim in itertools.product(("O", "SO", "E", "SE", "T"), (1, 2, 3, 4))]
TOL = {torch.float32: 1e-5, torch.float64: 1e-10}
NODES = 7


def flat(rep):
    """The layout of PyG's layers, which know one feature axis."""
    return Rep(rep.rank, rep.pseudo, rep.affine, flat=True)


def mlp(before, after):
    return nn.Sequential(nn.Linear(before, 16), nn.Tanh(), nn.Linear(16, after))


def gps(before, after):
    """GPSConv keeps its width, so the features that leave are those that enter."""
    return GPSConv(before, SAGEConv(before, before), heads=1, dropout=0.0)


MODELS = {
    "GIN": lambda before, after, dim: GIN(before, 16, num_layers=2, out_channels=after),
    "GPSConv": lambda before, after, dim: gps(before, after),
    "EdgeConv": lambda before, after, dim: EdgeConv(mlp(2 * before, after)),
    "PointNetConv": lambda before, after, dim: PointNetConv(mlp(before + dim, 16), mlp(16, after)),
}


def cloud(rep, dim):
    """Positions with variances well apart, and two channels of a representation at each node."""
    pos = torch.randn(NODES, dim, dtype=torch.float64) * torch.linspace(1, 2, dim, dtype=torch.float64) + 1
    x = torch.randn(NODES, 2 * dim**rep.rank, dtype=torch.float64)
    if rep.rank == 1:  # read for the axes
        x = (pos.unsqueeze(1) + 0.2 * x.view(NODES, 2, dim)).flatten(1)
    return pos, x


def motions(group):
    still = Motion(torch.eye(group.dim, dtype=torch.float64), torch.zeros(group.dim, dtype=torch.float64))
    kinds = (True, False) if group.reflects else (True,)
    return [still, *(random_motion(group, proper=proper) for proper in kinds for _ in range(2))]


def error(model, name, group, rep_in, rep_out, dtype):
    """The relative error over the images in one batch, the nodes of one of them in another order."""
    pos, x = cloud(rep_in, group.dim)
    moves, ring = motions(group), torch.arange(NODES)
    edges = torch.stack([torch.cat([ring, ring]), torch.cat([ring.roll(1), ring.roll(3)])])
    order = torch.randperm(NODES)
    orders = [ring] * (len(moves) - 1) + [order]
    edge_index = torch.cat([torch.argsort(o)[edges] + i * NODES for i, o in enumerate(orders)], dim=1)
    batch = torch.arange(len(moves)).repeat_interleave(NODES)
    xs = torch.cat([g(x, rep_in)[o] for g, o in zip(moves, orders, strict=True)]).to(dtype)
    args = {"x": xs, "edge_index": edge_index}
    if name == "PointNetConv":
        args["pos"] = torch.cat([g(pos, "point")[o] for g, o in zip(moves, orders, strict=True)]).to(dtype)
    if name in ("GIN", "GPSConv") or isinstance(model, FrameAveraging):
        args["batch"] = batch
    with torch.no_grad():
        out = model(**args).double()
        # Signs may cancel: rounding is relative to what is summed, the outputs of the model inside.
        if isinstance(model, FrameAveraging) and name in ("EdgeConv", "PointNetConv"):
            args.pop("batch")
        scale = getattr(model, "model", model)(**args).abs().max()
    pairs = zip(moves, orders, out.split(NODES), strict=True)
    worst = max((g(out[:NODES], rep_out)[o] - y).abs().max() for g, o, y in pairs)
    return (worst / scale).item()


def models(name, group, rep_in, rep_out, dtype):
    dim = group.dim
    before, after = 2 * dim**rep_in.rank, 2 * dim**rep_out.rank
    bare = MODELS[name](before, after, dim).to(dtype).eval()
    for parameter in bare.parameters():  # biases too, so that nothing is invariant by chance
        nn.init.normal_(parameter, std=0.5)
    inputs = {"x": rep_in, "pos": "point"} if name == "PointNetConv" else {"x": rep_in}
    reads = ("pos",) if name == "PointNetConv" else ("x",)
    return bare, FrameAveraging(bare, PCAFrame(group), inputs, rep_out, reads=reads)


def check(name, group, rep_in, rep_out, dtype):
    group, rep_in, rep_out = Group.of(group), flat(rep_in), flat(rep_out)
    bare, framed = models(name, group, rep_in, rep_out, dtype)
    assert error(framed, name, group, rep_in, rep_out, dtype) <= TOL[dtype]
    still = not group.rotates or str(group) in ("SO(1)", "SE(1)")
    if still:  # no rotation: what is left are translations, if the model sees or makes anything they move
        fails = group.translates and (rep_in.affine or rep_out.affine)
    else:  # a pseudovector on a line is not even turned by reflections
        fails = not (group.dim == 1 and rep_in.pseudo and rep_in.rank == 1 and name != "PointNetConv")
    if fails:
        assert error(bare, name, group, rep_in, rep_out, dtype) > 1e-2


@pytest.mark.parametrize("rep", REPS)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", ["GIN", "EdgeConv"])
def test_outputs(name, group, rep, dtype):
    check(name, group, Rep(1, affine=True), REPS[rep], dtype)


@pytest.mark.parametrize("rep", ["vector", "pseudovector", "point"])
@pytest.mark.parametrize("group", GROUPS)
def test_gps(group, rep, dtype):
    check("GPSConv", group, REPS[rep], REPS[rep], dtype)


@pytest.mark.parametrize("rep", REPS)
@pytest.mark.parametrize("group", GROUPS)
def test_inputs(group, rep, dtype):
    check("PointNetConv", group, REPS[rep], REPS[rep], dtype)
