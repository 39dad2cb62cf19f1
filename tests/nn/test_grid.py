"""Signals on a grid: the action against a loop over pixels, and group averaging of image models."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fa_pyg import Group, Rep
from fa_pyg.nn.grid import GridAveraging, GridMotion
from fa_pyg.reps import NAMED

REPS = [name for name in NAMED if name != "point"]


def net(inputs=1, outputs=1, padding="circular", pooled=False, dim=2, stride=1):
    """A CNN that knows nothing of rotations."""
    torch.manual_seed(0)
    conv = (nn.Conv2d, nn.Conv3d)[dim - 2]
    layers = [
        conv(inputs, 6, 3, padding=1, padding_mode=padding, stride=stride),
        nn.Tanh(),
        conv(6, outputs, 3, padding=1, padding_mode=padding),
    ]
    pool = [(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[dim - 2](1), nn.Flatten()] if pooled else []
    return nn.Sequential(*layers, *pool).double()


def image(channels=1, *sides, batch=3):
    g = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, *(sides or (6, 6)), generator=g, dtype=torch.float64)


def motions(group, sides=(6, 6), seed=0):
    """Every rotation and reflection, each with another shift."""
    g = torch.Generator().manual_seed(seed)
    for matrix in GridAveraging(nn.Identity(), group).matrices:
        yield GridMotion(matrix, tuple(int(torch.randint(n, (1,), generator=g)) for n in sides))


def still(group):
    return [GridMotion(matrix) for matrix in GridAveraging(nn.Identity(), group).matrices]


def error(model, x, g, rep_in, rep_out):
    expected = g(model(x), rep_out)
    return ((model(g(x, rep_in)) - expected).abs().max() / expected.abs().max()).item()


# ------------------------------------------------------------------------------------ the action


@pytest.mark.parametrize("rep", REPS)
@pytest.mark.parametrize(
    ("group", "sides"), [("D4", (5, 5)), ("D4", (4, 4)), ("D2", (4, 3)), ("D4", (4, 3)), ("Oh", (3, 3, 3))]
)
def test_the_action_is_that_on_points_and_values(group, sides, rep):
    """(g x)(R w + t) = rho(R) x(w), pixel by pixel, w measured from the center of the grid."""
    rank, dim = NAMED[rep].rank, len(sides)
    x, old = image(2 * dim**rank, *sides, batch=1), torch.tensor(sides, dtype=torch.float64)
    for g in itertools.islice(motions(group, sides), 0, None, 5 if dim == 3 else 1):
        r = torch.tensor(g.matrix, dtype=torch.float64)
        rho = torch.linalg.det(r).round().view(1, 1) if NAMED[rep].pseudo else torch.ones_like(r[:1, :1])
        for _ in range(rank):
            rho = torch.kron(rho, r)
        found, new = g(x, rep), r.abs() @ old
        assert found.shape[2:] == tuple(new)
        for w in itertools.product(*map(range, sides)):
            centered = torch.tensor(w, dtype=torch.float64) - (old - 1) / 2
            moved = r @ centered + (new - 1) / 2 + torch.tensor(g.shift)
            there = tuple((moved.round() % new).long().tolist())
            here = x[(0, slice(None), *w)].view(2, -1)
            assert torch.equal(found[(0, slice(None), *there)].view(2, -1), here @ rho.T)


@pytest.mark.parametrize("rep", [*REPS, Rep(3)])
def test_inverse(rep):
    rep = Rep.of(rep)
    for g in motions("D4", (6, 4)):
        x = image(2**rep.rank * 2, 6, 4)
        assert torch.equal(g.inverse(g(x, rep), rep), x)
        y = image(2**rep.rank * 2)[:, :, 0, 0]
        assert torch.equal(g.inverse(g(y, rep), rep), y)


def test_the_gradient_of_a_scalar_field_is_a_vector_field():
    """And the rotation of a vector field is a pseudoscalar one."""

    def difference(x, axis):
        return (x.roll(-1, axis) - x.roll(1, axis)) / 2

    x = image()
    for g in motions("D4"):
        grad = torch.cat([difference(x, 2), difference(x, 3)], dim=1)
        gx = g(x)
        assert torch.allclose(torch.cat([difference(gx, 2), difference(gx, 3)], dim=1), g(grad, "vector"))
        v = image(2)
        curl = difference(v[:, 1:], 2) - difference(v[:, :1], 3)
        gv = g(v, "vector")
        assert torch.allclose(difference(gv[:, 1:], 2) - difference(gv[:, :1], 3), g(curl, "pseudoscalar"))


def test_quarter_turns_are_those_of_torch():
    turns = {GridMotion(((1, 0), (0, 1))): 0, GridMotion(((0, -1), (1, 0))): 1}
    turns |= {GridMotion(((-1, 0), (0, -1))): 2, GridMotion(((0, 1), (-1, 0))): 3}
    assert set(turns) == set(still("C4"))
    x = image(1, 5, 4)
    for g, k in turns.items():
        assert torch.equal(g(x), torch.rot90(x, k, (2, 3)))


# ------------------------------------------------------------------------------------ averaging


@pytest.mark.parametrize("padding", ["circular", "zeros"])
@pytest.mark.parametrize("rep_out", REPS)
@pytest.mark.parametrize("rep_in", ["scalar", "vector"])
@pytest.mark.parametrize("group", ["C2", "C4", "D1", "D4"])
def test_models_become_equivariant(group, rep_in, rep_out, padding):
    inputs, outputs = (2 ** NAMED[rep].rank for rep in (rep_in, rep_out))
    bare, x = net(inputs, outputs, padding), image(inputs)
    model = GridAveraging(bare, group, input=rep_in, output=rep_out)
    elements = list(motions(group)) if padding == "circular" else still(group)
    assert max(error(model, x, g, rep_in, rep_out) for g in elements) < 1e-12
    assert max(error(bare, x, g, rep_in, rep_out) for g in elements) > 1e-2


@pytest.mark.parametrize("rep_out", ["scalar", "vector", "tensor"])
def test_quantities_of_the_whole_image(rep_out):
    outputs = 3 * 2 ** NAMED[rep_out].rank
    bare, x = net(1, outputs, "zeros", pooled=True), image()
    model = GridAveraging(bare, "D4", output=rep_out)
    assert model(x).shape == (3, outputs)
    assert max(error(model, x, g, "scalar", rep_out) for g in still("D4")) < 1e-12
    assert max(error(bare, x, g, "scalar", rep_out) for g in still("D4")) > 1e-2


@pytest.mark.parametrize("group", ["O", "D4h"])
def test_voxels(group):
    bare, x = net(3, 3, "circular", dim=3), image(3, 4, 4, 4, batch=1)
    model = GridAveraging(bare, group, input="vector", output="vector")
    some = list(motions(group, (4, 4, 4)))[::3]
    assert max(error(model, x, g, "vector", "vector") for g in some) < 1e-12
    assert max(error(bare, x, g, "vector", "vector") for g in some) > 1e-2


def test_fields_of_another_resolution_and_grids_with_unequal_sides():
    bare, x = net(1, 2, "zeros", stride=2), image(1, 8, 6)
    model = GridAveraging(bare, "D4", output="vector")
    assert model(x).shape == (3, 2, 4, 3)
    assert max(error(model, x, g, "scalar", "vector") for g in still("D4")) < 1e-12
    assert max(error(bare, x, g, "scalar", "vector") for g in still("D4")) > 1e-2


class Positional(nn.Module):
    """A model that knows where it is: not equivariant to shifts."""

    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, x):
        ramp = torch.linspace(0, 1, x[0, 0].numel(), dtype=x.dtype).view(x.shape[2:])
        return self.net(x) * ramp


def test_cyclic_shifts():
    bare, x = Positional(), image(1, 4, 6)
    for group in ("C1", "C4"):
        model = GridAveraging(bare, group, shifts="all")
        assert max(error(model, x, g, "scalar", "scalar") for g in motions(group, (4, 6))) < 1e-12
    without = GridAveraging(bare, "C4")
    assert max(error(without, x, g, "scalar", "scalar") for g in motions("C4", (4, 6))) > 1e-2
    assert len(model.motions((4, 6))) == len(set(model.motions((4, 6)))) == 4 * 24


def test_shifts_by_less_than_the_stride_are_enough():
    """A periodic CNN of stride 2 is equivariant to even shifts: 4 shifts make it so to all."""
    bare, x = net(1, 3, stride=2, pooled=True), image(1, 8, 8)
    few, many = (GridAveraging(bare, "C1", shifts=shifts) for shifts in (2, "all"))
    assert (len(few.motions((8, 8))), len(many.motions((8, 8)))) == (4, 64)
    assert torch.allclose(few(x), many(x), atol=1e-13)
    step = GridMotion(((1, 0), (0, 1)), (1, 0))
    assert error(few, x, step, "scalar", "scalar") < 1e-12
    assert error(bare, x, step, "scalar", "scalar") > 1e-3


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_copies_share_calls(chunk):
    calls = []
    bare, x = net(), image()
    bare.register_forward_hook(lambda module, args, out: calls.append(len(args[0]) // 3))
    expected = GridAveraging(bare, "D4", shifts=2)(x)
    assert calls == [8] * 4
    calls.clear()
    assert torch.allclose(GridAveraging(bare, "D4", shifts=2, chunk=chunk)(x), expected, atol=1e-13)
    assert sum(calls) == 32
    assert max(calls) == min(chunk, 32)


def test_batch_norm_sees_all_copies_of_an_image():
    bare = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 1, 3)).double()
    model, x = GridAveraging(bare, "C4").train(), image()
    moved = torch.cat([g(one) for g, one in zip(still("C4"), x.split(1), strict=False)])
    expected = torch.cat([g(one) for g, one in zip(still("C4"), model(x).split(1), strict=False)])
    assert torch.allclose(model(moved), expected, atol=1e-12)


def test_gradients_and_types(dtype):
    model = GridAveraging(net(2, 2), "D4", "vector", "vector").to(dtype)
    assert model(image(2).to(dtype)).dtype == dtype
    if dtype == torch.float64:
        assert torch.autograd.gradcheck(model, image(2, 4, 4, batch=1).requires_grad_())


# ------------------------------------------------------------------------------------ the lecture's link


def lifting(x, kernel, act):
    """The lifting convolution to C4: one map for each turned kernel, ``[B, 4, H, W]`` (zero padding)."""
    turned = torch.stack([torch.rot90(kernel, k, (0, 1)) for k in range(4)]).unsqueeze(1)
    return act(F.conv2d(x, turned, padding="same"))


@pytest.mark.parametrize("act", [lambda x: x, F.relu, torch.sin], ids=["linear", "relu", "sin"])
def test_the_average_of_a_convolution_is_a_lifting_convolution_and_its_mean(act):
    class Convolution(nn.Module):
        def forward(self, x):
            return act(F.conv2d(x, kernel.view(1, 1, 5, 5), padding="same"))

    kernel, x = torch.randn(5, 5, dtype=torch.float64), image(1, 9, 9)
    mean = lifting(x, kernel, act).mean(1, keepdim=True)
    assert torch.allclose(GridAveraging(Convolution(), "C4")(x), mean, atol=1e-12)
    assert not torch.allclose(Convolution()(x), mean, atol=1e-2)
    # Lifted maps turn and change places; without the mean they are equivariant, not invariant, in the group.
    turned = lifting(torch.rot90(x, 1, (2, 3)), kernel, act)
    assert torch.allclose(turned, torch.rot90(lifting(x, kernel, act), 1, (2, 3)).roll(1, 1), atol=1e-12)
    if act(torch.tensor(-1.0)) == -1:  # linear: one convolution with the mean of the turned kernels
        symmetric = sum(torch.rot90(kernel, k, (0, 1)) for k in range(4)) / 4
        assert torch.allclose(F.conv2d(x, symmetric.view(1, 1, 5, 5), padding="same"), mean, atol=1e-12)


def test_vector_outputs_give_steerable_kernels():
    """<conv> with a vector output is one convolution, its kernel K(R w) = R K(w)."""
    conv = nn.Conv2d(1, 2, 5, padding=2, bias=False).double()
    model = GridAveraging(conv, "C4", output="vector")
    with torch.no_grad():
        kernel = conv.weight.transpose(0, 1)  # one vector field, [1, 2, 5, 5]
        steerable, x = sum(g(kernel, "vector") for g in still("C4")) / 4, image(1, 8, 8)
        assert torch.allclose(model(x), F.conv2d(x, steerable.transpose(0, 1), padding=2), atol=1e-12)
        for g in still("C4"):
            assert torch.allclose(g(steerable, "vector"), steerable, atol=1e-12)
            assert g == still("C4")[0] or not torch.allclose(g(kernel, "vector"), kernel, atol=1e-2)


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("group", ["C3", "C8", "I", "T(2):C4", "SO(2)", "O(2)"])
def test_groups_that_the_grid_does_not_have(group):
    with pytest.raises(ValueError, match="group: expected a finite one of the grid"):
        GridAveraging(nn.Identity(), group)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shifts": 0}, "shifts: expected a positive integer"),
        ({"shifts": "some"}, "shifts: expected a positive integer"),
        ({"shifts": True}, "shifts: expected a positive integer"),
        ({"chunk": 0}, "chunk: expected a positive integer"),
        ({"input": "vectors"}, "unknown representation 'vectors'"),
        ({"input": "point"}, "input: expected a field that does not translate"),
        ({"output": "point"}, "output: expected a field that does not translate"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GridAveraging(nn.Identity(), "C4", **arguments)


@pytest.mark.parametrize(
    ("model", "x", "arguments", "message"),
    [
        (nn.Identity(), image(1, 4), {}, "x: expected .* with 2 sides, found sides"),
        (nn.Identity(), image(1, 4, 4, 4), {}, "x: expected .* with 2 sides, found sides"),
        (nn.Identity(), image(3), {"input": "vector"}, r"x: expected \[B, C \* 2, n0, n1\]"),
        (nn.Identity(), image(3), {"output": "vector"}, r"x: expected \[B, C \* 2, n0, n1\]"),
        (nn.Identity(), image(1, 6, 9), {"shifts": 2}, "shifts=2: expected a divisor of the sides"),
        (nn.Flatten(0), image(), {}, r"output: expected a row for each of 12 images, found \[432\]"),
        (nn.MaxPool2d(2), image(), {"shifts": 2}, "output: expected a field on the grid of the input"),
    ],
)
def test_wrong_inputs_and_outputs(model, x, arguments, message):
    with pytest.raises(ValueError, match=message):
        GridAveraging(model, "C4", **arguments)(x)


def test_repr_says_the_group():
    assert repr(GridAveraging(nn.Identity(), "D4")).startswith('GridAveraging(\n  "D4", input=a scalar')
    assert Group.of("D4") == GridAveraging(nn.Identity(), "D4").group


def test_outputs_that_are_not_dense():
    class Sparse(nn.Module):
        def forward(self, x):
            return x.to_sparse()

    with pytest.raises(ValueError, match="output: expected a dense tensor"):
        GridAveraging(Sparse())(torch.randn(2, 1, 4, 4))
