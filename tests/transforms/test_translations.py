"""Translation-only frames: the centroid, and nothing turned, wherever frames are used."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, Sample
from fa_pyg.testing import assert_equivariant
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion, data_frames


class Net(nn.Module):
    def __init__(self, dim=3):
        super().__init__()
        torch.manual_seed(2)
        self.layer = nn.Sequential(nn.Linear(2 * dim, 8), nn.SiLU(), nn.Linear(8, dim)).double()
        self.calls = 0

    def forward(self, pos, vel):
        self.calls += 1
        return self.layer(torch.cat([pos, vel], dim=-1))


def centroids(pos, batch, weight=None):
    """By a loop over the graphs."""
    weight = torch.ones(len(pos)) if weight is None else weight
    share = [weight[batch == b].to(pos) / weight[batch == b].sum() for b in range(3)]
    return torch.stack([s @ pos[batch == b] for b, s in enumerate(share)])


BATCH = torch.tensor([0, 1, 2, 1, 0, 2, 2, 1, 0, 0])


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_model_on_centered_points(dim, weighted):
    """<Phi>(x) = Phi(x - mean) + mean, one run of the model; vectors as they are."""
    pos, vel = torch.randn(10, dim).double() + 5, torch.randn(10, dim).double()
    mass = torch.rand(10) + 0.5 if weighted else None
    net = Net(dim)
    inputs = {"pos": "point", "vel": "vector"}
    weight = "mass" if weighted else None
    model = FrameAveraging(net, PCAFrame(f"T({dim})"), inputs, "point", node_weight=weight)
    given = {"mass": mass} if weighted else {}
    out = model(pos, vel, batch=BATCH, **given)
    assert net.calls == 1
    mean = centroids(pos, BATCH, mass)[BATCH]
    assert torch.allclose(out, net(pos - mean, vel) + mean)
    args = {"pos": pos, "vel": vel, "batch": BATCH, **given}
    assert_equivariant(model, args, f"T({dim})", output="point")
    with pytest.raises(AssertionError, match="translated"):
        assert_equivariant(net, {"pos": pos, "vel": vel}, f"T({dim})", inputs, "point")


@pytest.mark.parametrize("frame", [PCAFrame("T(3)"), HaarFrame("T(3)", k=2), Sample(PCAFrame("T(3)"), k=3)])
def test_nothing_turns(frame):
    pos, x = torch.randn(10, 3).double(), torch.randn(10, 2, 3, 3).double()
    frames = frame(pos, batch=BATCH)
    for rep in ("scalar", "vector", "tensor", "pseudotensor"):
        framed = frames.to_frame(x, rep)
        assert torch.equal(framed, x.repeat(frames.slots, 1, 1, 1))
        assert torch.allclose(frames.average(framed, rep), x)
    assert torch.allclose(frames.origin, centroids(pos, BATCH))
    assert frames.determinant.eq(1).all()


def test_degenerate_clouds_and_far_ones_are_exact():
    """No axes, no diseases: any cloud, coincident points and symmetric ones too."""
    for pos in (torch.zeros(4, 3), torch.eye(3), torch.tensor([[1.0, 2.0, 3.0]])):
        pos = pos.double() + 1e6
        frames = PCAFrame("T(3)")(pos)
        assert torch.allclose(frames.to_frame(pos, "point"), pos - pos.mean(0), atol=1e-9)


def test_gradients_go_through_the_centroid():
    pos, vel = torch.randn(10, 3).double(), torch.randn(10, 3).double()
    model = FrameAveraging(Net(), PCAFrame("T(3)"), {"pos": "point", "vel": "vector"}, "vector")
    assert torch.autograd.gradcheck(lambda x: model(x, vel, batch=BATCH).sin().sum(), pos.requires_grad_())
    (force,) = torch.autograd.grad(model(pos, vel, batch=BATCH).sin().sum(), pos)
    total = torch.zeros(3, 3).double().index_add(0, BATCH, force)
    assert total.abs().max() < 1e-12
    (bare,) = torch.autograd.grad(model.model(pos, vel).sin().sum(), pos)
    assert bare.sum(0).abs().max() > 1e-3


@pytest.mark.parametrize("weighted", [False, True])
def test_transforms(weighted):
    def molecule(n):
        z = torch.randint(1, 9, (n,)) if weighted else torch.ones(n, dtype=torch.long)
        return Data(pos=torch.randn(n, 3).double() + 7, vel=torch.randn(n, 3).double(), z=z)

    batch = Batch.from_data_list([molecule(n) for n in (3, 1, 5)])
    inputs, mean = {"pos": "point", "vel": "vector"}, centroids(batch.pos, batch.batch, batch.z)
    posed = CanonicalPose(PCAFrame("T(3)"), inputs)(batch)
    assert torch.allclose(posed.pos, batch.pos - mean[batch.batch])
    assert torch.equal(posed.vel, batch.vel)
    moved = RandomMotion("T(3)", inputs)(batch)
    assert torch.equal(moved.vel, batch.vel)
    assert torch.allclose(CanonicalPose(PCAFrame("T(3)"), inputs)(moved).pos, posed.pos)
    given = AddFrames(PCAFrame("T(3)"), inputs)(batch)
    assert torch.allclose(given.frame_origin, mean)
    assert given.frame_rotation.shape == (3, 3, 3)
    model = FrameAveraging(Net(), PCAFrame("T(3)"), inputs, "point", node_weight="z")
    args = {"pos": batch.pos, "vel": batch.vel, "batch": batch.batch, "z": batch.z}
    assert torch.allclose(model(**args, frames=data_frames(given)), model(**args))
    # The negative control: rotations are not of the group.
    turned = RandomMotion("SO(3)", {"pos": "vector", "vel": "vector"})(batch)
    assert not torch.allclose(CanonicalPose(PCAFrame("T(3)"), inputs)(turned).pos, posed.pos)
