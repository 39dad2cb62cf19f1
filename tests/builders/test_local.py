"""LocalFrame: a frame per node from its neighbors, for every kind of frame."""

import pytest
import torch

from fa_pyg import PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders.local import LocalFrame, LocalPCAFrame
from fa_pyg.frames import Frames
from fa_pyg.nn import knn_graph, radius_graph
from fa_pyg.testing import random_motion

GROUPS = ["O(2)", "SO(2)", "E(2)", "SE(2)", "O(3)", "SO(3)", "E(3)", "SE(3)"]


def points(dim=3, n=14):
    return torch.randn(n, dim, dtype=torch.float64) + 2


def moved_apart(a: Frames, b: Frames, rotation):
    """How far the frames of each body in b are from those in a, turned, and their weights."""
    turned, worst = rotation @ a.rotation, 0.0
    for body in range(a.num_bodies):
        one, other = turned[a.body == body], b.rotation[b.body == body]
        distance = (one[:, None] - other[None]).abs().amax((-1, -2))
        best, which = distance.min(1)
        if not len(which.unique()) == len(one) == len(other):
            return float("inf")
        weights = a.weight[a.body == body] - b.weight[b.body == body][which]
        worst = max(worst, best.max().item(), weights.abs().max().item())
    return worst


@pytest.mark.parametrize("group", GROUPS)
def test_frames_move_with_the_points(group):
    frame, dim = LocalPCAFrame(group), int(group[-2])
    pos, vel = points(dim), points(dim)
    edge_index = knn_graph(pos, 5)
    weight = torch.rand(edge_index.size(1), dtype=torch.float64)
    plain, read = frame(pos, edge_index, edge_weight=weight), frame(pos, edge_index, vel)
    for proper in (True, False) if frame.group.reflects else (True,):
        g = random_motion(frame.group, proper=proper)
        again = frame(g(pos), edge_index, edge_weight=weight)
        assert moved_apart(plain, again, g.rotation) < 1e-8
        assert moved_apart(read, frame(g(pos), edge_index, g(vel, "vector")), g.rotation) < 1e-8
        assert moved_apart(plain, again, torch.eye(dim, dtype=torch.float64)) > 1e-2  # the test can fail
        if frame.group.translates:
            torch.testing.assert_close(again.origin, g(pos))
    assert (plain.origin is not None) == frame.group.translates


@pytest.mark.parametrize("group", ["E(3)", "SO(2)"])
def test_each_node_is_a_cloud_of_its_own(group):
    dim = int(group[-2])
    pos, vel = points(dim), points(dim)
    edge_index = torch.cat([knn_graph(pos, 4), torch.tensor([[3], [5]])], dim=1)  # node 5 has one more
    edge_index = edge_index[:, torch.randperm(edge_index.size(1))]
    weight = torch.rand(edge_index.size(1), dtype=torch.float64)
    frames = LocalPCAFrame(group)(pos, edge_index, vel, edge_weight=weight)
    for i in range(len(pos)):
        mine = edge_index[1] == i
        x, w = pos[edge_index[0, mine]] - pos[i], weight[mine]
        moments = (w**3 * x.T) @ x / w.sum() + torch.outer(vel[i], vel[i])
        sent = vel[edge_index[0, mine]]
        moments = moments + (w**3 * sent.T) @ sent / w.sum()
        axes = frames.rotation[frames.body == i][0]
        turned = axes.T @ moments @ axes
        torch.testing.assert_close(turned, turned.diagonal().diag(), rtol=0, atol=1e-12)


def test_far_translations_keep_their_digits(dtype):
    pos = points().to(dtype)
    edge_index = knn_graph(pos, 5)
    far = (pos * 64).round() / 64 + 2.0**12  # exact in float32
    near = far - 2.0**12
    a, b = (LocalPCAFrame("O(3)")(x, edge_index) for x in (near, far))
    assert a.rotation.dtype == torch.float64
    assert torch.equal(a.rotation, b.rotation)


def test_edge_vectors_of_a_periodic_box():
    box, pos = 3.0, torch.rand(12, 3, dtype=torch.float64) * 3
    source, target = torch.cartesian_prod(torch.arange(12), torch.arange(12)).T
    nearest = pos[source] - pos[target]
    edge_vec = nearest - box * (nearest / box).round()
    near = (edge_vec.norm(dim=1) < 1.4) & (source != target)
    edge_index, edge_vec = torch.stack([source, target])[:, near], edge_vec[near]
    shift = torch.rand(3, dtype=torch.float64)
    frame = LocalPCAFrame("E(3)")
    wrapped = (pos + shift) % box
    a, b = frame(pos, edge_index, edge_vec=edge_vec), frame(wrapped, edge_index, edge_vec=edge_vec)
    assert torch.equal(a.rotation, b.rotation)
    torch.testing.assert_close(b.origin, wrapped)
    assert not torch.allclose(a.rotation, frame(pos, edge_index).rotation)


def test_a_neighbor_leaves_continuously():
    pos = points(n=6)
    all_edges = torch.tensor([[1, 2, 3, 4, 5], [0, 0, 0, 0, 0]])
    far = torch.randn(3, dtype=torch.float64)
    pos[5] = pos[0] + far / far.norm() * 4.0 * (1 - 1e-3)
    pos[1:5] = pos[0] + (pos[1:5] - pos[0]).clamp(-1.5, 1.5)
    weight = (1 - ((pos[all_edges[0]] - pos[0]) / 4).square().sum(1)) ** 3
    assert 0 < weight[-1] < 1e-7
    frame = LocalPCAFrame("SO(3)")
    inside = frame(pos, all_edges, edge_weight=weight).rotation
    outside = frame(pos, all_edges[:, :4], edge_weight=weight[:4]).rotation
    first = outside.view(4, -1, 3, 3)[:, 0]
    distance = (first[:, None] - inside.view(4, -1, 3, 3)[None, :, 0]).abs().amax((-1, -2))
    assert distance.min(1).values.max() < 1e-6
    unweighted = frame(pos, all_edges).rotation.view(4, -1, 3, 3)[:, 0]
    distance = (first[:, None] - unweighted[None]).abs().amax((-1, -2))
    assert distance.min(1).values.max() > 1e-2


@pytest.mark.parametrize("group", ["O(3)", "SE(2)"])
def test_nodes_with_few_neighbors_have_frames(group):
    dim = int(group[-2])
    pos = points(dim, 5).requires_grad_()
    edge_index = torch.tensor([[1, 0, 2, 1], [0, 1, 1, 2]])  # a chain of three, and two alone
    frames = LocalPCAFrame(group)(pos, edge_index)
    eye = torch.eye(dim, dtype=torch.float64)
    torch.testing.assert_close(frames.rotation.mT @ frames.rotation, eye.expand_as(frames.rotation))
    frames.rotation.sum().backward()
    assert pos.grad.isfinite().all()
    none = LocalPCAFrame(group)(pos, edge_index[:, :0])
    assert none.num_bodies == 5
    assert LocalPCAFrame(group)(pos[:0], edge_index[:, :0]).num_bodies == 0


def test_edges_of_weight_0_are_not_neighbors():
    pos = points()
    edge_index = knn_graph(pos, 4)
    weight = torch.ones(edge_index.size(1), dtype=torch.float64)
    weight[edge_index[1] == 0] = 0
    frames = LocalPCAFrame("O(3)")(pos, edge_index, edge_weight=weight)
    without = LocalPCAFrame("O(3)")(pos, edge_index[:, edge_index[1] != 0])
    torch.testing.assert_close(frames.rotation, without.rotation)


def test_any_frame_serves():
    pos = points()
    edge_index = radius_graph(pos, 2.0)
    sampled = LocalFrame(Sample(PCAFrame("O(3)"), k=1))
    assert sampled(pos, edge_index).num_frames == 14
    assert sampled.eval()(pos, edge_index).num_frames == 14 * 8
    assert str(sampled.group) == "O(3)"
    frames = LocalPCAFrame("T(3)")(pos, edge_index)
    torch.testing.assert_close(frames.rotation, torch.eye(3, dtype=torch.float64).expand(14, 3, 3))


def test_detached():
    pos = points().requires_grad_()
    edge_index = knn_graph(pos, 4)
    assert LocalPCAFrame("O(3)")(pos, edge_index).rotation.requires_grad
    assert not LocalPCAFrame("O(3)", detach=True)(pos, edge_index).rotation.requires_grad


def test_mismatched_arguments():
    pos, frame = points(), LocalPCAFrame("E(3)")
    edge_index = knn_graph(pos, 4)
    with pytest.raises(ValueError, match="frame: expected a frame"):
        LocalFrame("E(3)")
    with pytest.raises(ValueError, match=r"pos: expected floating point \[N, 3\], found torch.int64"):
        frame(pos.long(), edge_index)
    with pytest.raises(ValueError, match=r"pos: .*found torch.float64 \[14, 2\]"):
        frame(pos[:, :2], edge_index)
    with pytest.raises(
        ValueError, match=r"edge_index: expected integers \(int64\) \[2, E\], found .*\[56, 2\]"
    ):
        frame(pos, edge_index.T)
    with pytest.raises(
        ValueError, match=r"vectors\[1\]: expected floating point \[14, 3\], found .*\[7, 3\]"
    ):
        frame(pos, edge_index, pos, pos[:7])
    with pytest.raises(ValueError, match=r"edge_vec: expected floating point \[56, 3\]"):
        frame(pos, edge_index, edge_vec=pos)
    with pytest.raises(ValueError, match=r"edge_weight: expected floating point \[56\]"):
        frame(pos, edge_index, edge_weight=torch.ones(14))


@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "E(3)", "SE(3)", "O(2)", "SE(2)"])
def test_nodes_without_neighbors_keep_all_their_frames(group):
    """They are no empty graphs: one arbitrary frame would give them an arbitrary vector."""
    frame, dim = LocalFrame(WeightedPCAFrame(group)), int(group[-2])
    frames = frame(points(dim, n=5), torch.tensor([[1, 2, 3], [0, 1, 2]]))
    alone = (frames.body == 4).nonzero().squeeze(1)
    vectors = frames.rotation[alone] @ torch.ones(dim, dtype=torch.float64)
    assert (frames.weight[alone, None] * vectors).sum(0).abs().max() < 1e-12
