"""Principal axes against a loop: their group, limits and gradient, and no effect of autocast."""

import itertools

import pytest
import torch

from fa_pyg import Frames, PCAFrame, Rep
from fa_pyg.builders import Cloud, Quantity
from fa_pyg.testing import assert_frame, random_motion

GROUPS = ["O", "SO", "E", "SE", "T"]
BATCH = torch.arange(6).repeat(9)  # unsorted: every graph has 9 nodes here and there


def cloud(dim, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(len(BATCH), dim, generator=g, dtype=torch.float64) * torch.arange(1.0, dim + 1) + 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("vectors", [0, 1])
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", GROUPS)
def test_against_a_loop(kind, dim, vectors, weighted):
    pos = cloud(dim)
    extra = [cloud(dim, seed=1)] * vectors
    weight = torch.rand(len(pos), dtype=pos.dtype) + 0.1 if weighted else None
    frames = PCAFrame(f"{kind}({dim})")(pos, *extra, batch=BATCH, node_weight=weight)
    signs = list(itertools.product((1.0, -1.0), repeat=dim))
    for graph in range(6):
        mine = graph == BATCH
        share = (weight if weighted else torch.ones(len(pos), dtype=pos.dtype))[mine]
        share = share / share.sum()
        x = pos[mine]
        if kind in ("E", "SE", "T"):
            center = share @ x
            assert torch.allclose(frames.origin[graph], center, atol=1e-12)
            x = x - center
        else:
            assert frames.origin is None
        moment = x.T @ torch.diag(share) @ x
        for v in extra:
            moment = moment + v[mine].T @ torch.diag(share) @ v[mine]
        axes = torch.linalg.eigh(moment)[1]
        elements = [axes * torch.tensor(s, dtype=pos.dtype) for s in signs]
        if kind in ("SO", "SE"):
            elements = [e for e in elements if torch.linalg.det(e) > 0]
        if kind == "T":
            elements = [torch.eye(dim, dtype=pos.dtype)]
        found = frames.rotation[frames.body == graph]
        assert len(found) == len(elements)
        distance = torch.stack([(found - e).abs().amax((1, 2)) for e in elements])
        assert (distance.min(0).values < 1e-10).all()
        assert (distance.min(1).values < 1e-10).all()
    assert frames.weight.eq(frames.weight[0]).all()


def test_not_a_frame_of_a_larger_group():
    """The negative control: rotations alone do not know reflections, and O(3) does not center."""
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(PCAFrame("T(3)"), cloud(3), batch=BATCH, group="SE(3)")
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(PCAFrame("SO(3)"), cloud(3), batch=BATCH, group="O(3)")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_scale_and_offset(scale, offset):
    pos = cloud(3) * scale + offset * scale
    assert_frame(PCAFrame("E(3)"), pos, batch=BATCH)
    plain, moved = PCAFrame("E(3)")(cloud(3), batch=BATCH), PCAFrame("E(3)")(pos, batch=BATCH)
    cosine = (plain.rotation[:6].mT @ moved.rotation[:6]).abs()
    assert torch.allclose(cosine, torch.eye(3, dtype=pos.dtype).expand_as(cosine), atol=1e-9)


def test_empty_graphs_single_nodes_and_empty_batches():
    pos = torch.randn(4, 3, dtype=torch.float64)
    frames = PCAFrame("SE(3)")(pos, batch=torch.tensor([1, 3, 3, 3]), num_graphs=6)
    assert frames.num_bodies == 6
    assert frames.rotation.isfinite().all()
    assert frames.origin[0].eq(0).all()
    assert torch.equal(frames.origin[1], pos[0])
    assert torch.allclose(torch.linalg.det(frames.rotation), torch.ones(24, dtype=pos.dtype))
    none = PCAFrame("SE(3)")(pos[:0], batch=torch.zeros(0, dtype=torch.long))
    assert (none.num_bodies, none.num_frames) == (0, 0)
    assert PCAFrame("SE(3)")(pos[:0]).rotation.isfinite().all()


def test_frames_are_float64_under_autocast():
    pos = cloud(3).float()
    plain = PCAFrame("E(3)")(pos, batch=BATCH)
    assert plain.rotation.dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = PCAFrame("E(3)")(pos, batch=BATCH)
        turned = torch.linalg.eigh((pos.T @ pos).float())[1]
    assert torch.equal(plain.rotation, cast.rotation)
    assert torch.equal(plain.origin, cast.origin)
    # The negative control: autocast does round a covariance made by a matrix product.
    exact = torch.linalg.eigh(pos.T @ pos)[1]
    assert (turned.abs() - exact.abs()).abs().max() > 1e-4


def energy(pos, detach=False, group="E(3)"):
    """A smooth invariant of the framed cloud that the frame alone makes rotation invariant."""
    frames = PCAFrame(group, detach=detach)(pos)
    framed = frames.to_frame(pos, "point")
    per_copy = (
        (framed.sin() * torch.arange(1.0, 4.0, dtype=pos.dtype)).sum(-1).exp().view(frames.slots, -1).sum(1)
    )
    return per_copy.mean()


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(3)", "SO(3)", "T(3)"])
def test_gradient_and_second_derivative(group):
    pos = cloud(3)[:5].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: energy(x, group=group), pos)
    assert torch.autograd.gradgradcheck(lambda x: energy(x, group=group), pos)


def test_detached_frames_give_another_gradient():
    pos = cloud(3)[:5].requires_grad_()
    (true,) = torch.autograd.grad(energy(pos), pos)
    (wrong,) = torch.autograd.grad(energy(pos, detach=True), pos)
    assert (true - wrong).abs().max() > 0.05 * true.abs().max()
    assert not PCAFrame("E(3)", detach=True)(pos).rotation.requires_grad
    assert not PCAFrame("E(3)", detach=True)(pos).origin.requires_grad


def test_the_gradient_of_an_invariant_has_neither_net_force_nor_torque():
    pos = cloud(3)[:5].requires_grad_()
    (force,) = torch.autograd.grad(energy(pos), pos)
    assert force.sum(0).abs().max() < 1e-10 * force.abs().max()
    torque = torch.linalg.cross(pos.detach() - pos.detach().mean(0), force).sum(0)
    assert torque.abs().max() < 1e-10 * force.abs().max()
    (wrong,) = torch.autograd.grad(energy(pos, detach=True), pos)
    torque = torch.linalg.cross(pos.detach() - pos.detach().mean(0), wrong).sum(0)
    assert torque.abs().max() > 1e-2 * wrong.abs().max()


CLOUDS = {
    "tetrahedron": [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]],
    "square": [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]],
    "line": [[0, 0, 0], [1, 0, 0], [3, 0, 0], [4, 0, 0]],
    "point": [[1, 2, 3]] * 4,
}


@pytest.mark.parametrize("name", CLOUDS)
def test_gradients_are_finite_on_symmetric_clouds(name):
    pos = torch.tensor(CLOUDS[name], dtype=torch.float64)
    pos = random_motion("E(3)", torch.Generator().manual_seed(0))(pos).requires_grad_()
    (force,) = torch.autograd.grad(energy(pos), pos, create_graph=True)
    (second,) = torch.autograd.grad(force.pow(2).sum(), pos)
    assert force.isfinite().all()
    assert second.isfinite().all()


@pytest.mark.parametrize("name", ["line", "planar"])
def test_invariants_of_rank_deficient_clouds_are_exact(name):
    """As the docstring says: the freedom of the axes leaves the framed input alone."""
    pos = cloud(3)[:6]
    pos[:, 1 if name == "planar" else slice(1, None)] = 0
    g = torch.Generator().manual_seed(3)
    values = torch.stack([energy(random_motion("E(3)", g)(pos)) for _ in range(20)])
    assert (values - values[0]).abs().max() < 1e-10 * values[0].abs()


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_exactness(group):
    """As tests of equivariance find: symmetric clouds are wrong, lines and points know no tensors."""
    generic = cloud(3)[:5]
    parts = [
        generic,
        *(torch.tensor(one, dtype=torch.float64) for one in CLOUDS.values()),
        generic * 1e-6 + 1e3,
    ]
    pos, batch = torch.cat(parts), torch.repeat_interleave(torch.tensor([len(one) for one in parts]))
    frames = PCAFrame(group)(pos, batch=batch)
    assert frames.exact_for("scalar").tolist() == [True, False, False, True, True, True]
    assert frames.exact_for("pseudovector").tolist() == [True, False, False, True, True, True]
    assert frames.exact_for("tensor").tolist() == [True, False, False, False, False, True]
    assert frames.detach().exact_for("tensor").tolist() == frames.exact_for("tensor").tolist()
    assert not frames.sample(1).exact_for("scalar").any()
    assert PCAFrame("T(3)")(pos, batch=batch).exact_for("tensor").all()


def test_an_input_that_was_not_read_breaks_lines_and_points():
    line = torch.tensor(CLOUDS["line"], dtype=torch.float64)
    velocity = torch.ones(4, 3, dtype=torch.float64)
    read = Quantity(line, Rep(1, affine=True))
    frame = PCAFrame("E(3)")
    assert frame.evaluate(Cloud((read,), (read,), None, 1)).exact_for("vector").all()
    given = Cloud((read, Quantity(velocity, Rep(1))), (read,), None, 1)
    assert not frame.evaluate(given).exact_for("scalar").any()


def test_frames_without_exactness_information():
    with pytest.raises(ValueError, match="expected exactness information"):
        Frames(torch.eye(3).unsqueeze(0)).exact_for("scalar")


def test_degenerate_graphs_are_reported():
    square = torch.tensor(CLOUDS["square"], dtype=torch.float64)
    pos, batch = torch.cat([cloud(3)[:6], square]), torch.tensor([0] * 6 + [1] * 4)
    with pytest.warns(UserWarning, match=r"equal ones in 1 of 2 graphs \(1\)"):
        PCAFrame("E(3)", on_degenerate="warn")(pos, batch=batch)
    with pytest.raises(ValueError, match=r"expected distinct eigenvalues, found equal ones in 1 of 1 graphs"):
        PCAFrame("E(3)", on_degenerate="raise")(square)
    PCAFrame("E(3)", on_degenerate="raise")(cloud(3)[:6])
    with pytest.raises(ValueError, match="on_degenerate: expected"):
        PCAFrame("E(3)", on_degenerate="stop")


def test_repr():
    assert repr(PCAFrame("E(3)")) == 'PCAFrame("E(3)")'
    assert repr(PCAFrame("O(2)", detach=True)) == 'PCAFrame("O(2)", detach=True)'


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_symmetric_cloud_alone_and_in_a_batch_to_the_last_bit(dtype):
    """Where eigenvalues coincide, rounding decides on the axes: it must not depend on the other graphs."""
    corners = torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * 3)
    clouds = [corners, corners[[0, 3, 5, 6]], torch.cat([torch.eye(3), -torch.eye(3)]), torch.randn(9, 3)]
    pos = [(cloud @ torch.linalg.qr(torch.randn(3, 3))[0] + 3).to(dtype) for cloud in clouds]
    batch = torch.arange(4).repeat_interleave(torch.tensor([len(x) for x in pos]))
    frames = PCAFrame("E(3)")(torch.cat(pos), batch=batch)
    copies = frames.to_frame(torch.cat(pos), "point").view(8, -1, 3)
    for graph, x in enumerate(pos):
        alone = PCAFrame("E(3)")(x, batch=torch.zeros(len(x), dtype=torch.long))
        assert torch.equal(alone.rotation, frames.rotation[frames.body == graph])
        assert torch.equal(alone.origin[0], frames.origin[graph])
        assert torch.equal(alone.to_frame(x, "point").view(8, -1, 3), copies[:, batch == graph])
