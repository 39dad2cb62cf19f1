"""Vectors from plain networks in frames: the net of learned frames that adapt a fixed model."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import global_max_pool, global_mean_pool

from fa_pyg import FrameAveraging, LearnedFrame, PCAFrame
from fa_pyg.builders import VectorNet, identity_prior
from fa_pyg.nn import FramedVectors
from fa_pyg.testing import assert_equivariant, assert_frame, equivariance_error, random_motion

BATCH = torch.arange(4).repeat(8)  # unsorted


class Points(nn.Module):
    """A PointNet without normalization; knows nothing of rotations."""

    def __init__(self, out, channels=1, width=16, dim=3):
        super().__init__()
        self.points = nn.Sequential(nn.Linear(dim * channels, width), nn.SiLU(), nn.Linear(width, width))
        self.out = nn.Linear(width, out)

    def forward(self, pos, batch):
        return self.out(global_mean_pool(self.points(pos.flatten(1)), batch))


class Bare(nn.Module):
    """The plain network as the net of a learned frame, without frames."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, vectors, scalars, batch, num_graphs):
        return self.model(vectors.squeeze(1), batch).view(num_graphs, -1, vectors.size(-1))


def cloud(dim=3, seed=0, n=32):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_average_over_the_frames():
    x, model, frame = cloud(), Points(6).double(), PCAFrame("SO(3)")
    found = FramedVectors(model, frame)(x.unsqueeze(1), torch.ones(32, 1), BATCH, 4)
    assert found.shape == (4, 2, 3)
    for b in range(4):
        mine = x[b == BATCH]
        rotations = frame(mine).rotation
        each = [model(mine @ r, torch.zeros(8, dtype=torch.long)).view(2, 3) @ r.T for r in rotations]
        assert torch.allclose(found[b], torch.stack(each).mean(0), atol=1e-12)


@pytest.mark.parametrize(("group", "inner", "out"), [("SE(3)", "SO(3)", 6), ("E(3)", "O(3)", 9)])
def test_frames_of_their_group(group, inner, out):
    net = FramedVectors(Points(out), PCAFrame(inner))
    assert_frame(LearnedFrame(group, net), cloud(), batch=BATCH, node_weight=torch.rand(32) + 1)
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(LearnedFrame(group, Bare(Points(out))), cloud(), batch=BATCH)


def test_two_dimensions_and_channels():
    assert_frame(
        LearnedFrame("SE(2)", FramedVectors(Points(2, dim=2), PCAFrame("SO(2)"))), cloud(2), batch=BATCH
    )
    net = FramedVectors(Points(6, channels=2))
    assert_frame(LearnedFrame("SE(3)", net), cloud(), cloud(seed=1), batch=BATCH)


def test_gradients():
    net, x = FramedVectors(Points(6)).double(), cloud(n=8).requires_grad_()

    def vectors(x):
        return net(x.unsqueeze(1), torch.ones(8, 1), torch.arange(2).repeat(4), 2)

    assert torch.autograd.gradcheck(vectors, x)
    vectors(x).sin().sum().backward()
    assert all(p.grad.norm() > 1e-6 for name, p in net.named_parameters() if "weight" in name)


def test_vectors_across_a_mirror_plane():
    """A cloud and its mirror image: vectors of the default net lie in the plane, others need not."""
    half = cloud(n=8)
    x = torch.cat([half, half * half.new_tensor([-1.0, 1, 1])])
    call = x.unsqueeze(1), torch.ones(16, 1), torch.zeros(16, dtype=torch.long), 1
    assert VectorNet(2).double()(*call)[..., 0].abs().max() < 1e-12
    torch.manual_seed(0)
    vectors = FramedVectors(Points(6)).double()(*call)
    assert (vectors[..., 0].abs() > 1e-5 * vectors.norm(dim=-1)).all()


class Upright(nn.Module):
    """A fixed model that knows one pose: the label is the direction of a graph's farthest point."""

    def forward(self, pos, batch):
        return global_max_pool(pos, batch)


def test_a_fixed_model_keeps_its_output_in_its_pose_and_gains_all_others():
    """What adaptation with the prior is for: trained on usual poses alone, without labels."""
    g = torch.Generator().manual_seed(0)
    shape = cloud(seed=5, n=8)
    pos = (shape + 0.1 * torch.randn(64, 8, 3, generator=g, dtype=shape.dtype)).float()
    pos = pos - pos.mean(1, keepdim=True)
    batch = torch.arange(64).repeat_interleave(8)
    torch.manual_seed(0)
    frame = LearnedFrame("SE(3)", FramedVectors(Points(6, width=32)))
    model = FrameAveraging(Upright(), frame, output="scalar").eval()
    before = identity_prior(frame(pos.flatten(0, 1), batch=batch)).item()
    optimizer = torch.optim.Adam(frame.parameters(), lr=1e-2)
    for _ in range(60):
        loss = identity_prior(frame(pos.flatten(0, 1), batch=batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * before
    x = pos.flatten(0, 1)
    moved = random_motion("SE(3)", g)(x.double()).float()
    wanted = Upright()(x, batch)
    with torch.no_grad():
        scale = wanted.norm(dim=1).mean()
        assert (model(moved, batch) - wanted).norm(dim=1).median() < 0.3 * scale
        assert (Upright()(moved, batch) - wanted).norm(dim=1).median() > 0.5 * scale
    arguments = {"pos": x.double(), "batch": batch}
    assert_equivariant(model, arguments, "SE(3)")
    bare = equivariance_error(Upright(), arguments, "SE(3)", input_reps={"pos": "point"}, output="scalar")
    assert max(bare.values()) > 1e-2


def test_wrong_arguments():
    with pytest.raises(ValueError, match="frame: expected a frame"):
        FramedVectors(Points(6), "SO(3)")
    with pytest.raises(ValueError, match="net: expected"):
        LearnedFrame("SE(3)", FramedVectors(Points(9)))(cloud(), batch=BATCH)
