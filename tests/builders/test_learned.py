"""Learned frames: equivariant, safe on symmetric inputs, trained end to end, with and without noise."""

import copy
import io

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, read_xyz
from fa_pyg.builders.learned import LearnedFrame, identity_prior
from fa_pyg.builders.vector_net import VectorNet
from fa_pyg.testing import assert_equivariant, assert_frame, equivariance_error, random_motion

GROUPS = [f"{kind}({dim})" for kind in ("O", "SO", "E", "SE") for dim in (2, 3)]
BATCH = torch.arange(5).repeat(6)  # unsorted


def cloud(dim=3, seed=0):
    return torch.randn(30, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 3


class Fixed(nn.Module):
    """A net that keeps what it was called with and returns given vectors."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, vectors, scalars, batch, num_graphs):
        self.seen = vectors, scalars, batch, num_graphs
        return self.out


@pytest.mark.parametrize("group", GROUPS)
def test_a_frame_of_its_group(group):
    frame, pos = LearnedFrame(group), cloud(int(group[-2]))
    assert next(frame.parameters()).dtype == torch.float32  # and yet to the 8 digits of assert_frame
    assert_frame(frame, pos, batch=BATCH)
    assert_frame(frame, pos, pos.flip(0), batch=BATCH, node_weight=torch.rand(30))
    frames = frame(pos, batch=BATCH)
    assert (frames.slots, frames.num_bodies) == (1, 5)


def test_not_a_frame_of_a_larger_group_nor_with_any_net():
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(LearnedFrame("SO(3)"), cloud(), batch=BATCH, group="O(3)")
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(LearnedFrame("SE(3)", Fixed(torch.randn(5, 2, 3))), cloud(), batch=BATCH)


def test_planar_clouds():
    """Under SE(3) no special case; under E(3) the normal's sign is lost, which scalars do not see."""
    pos = cloud()[:6]
    pos[:, 2] = 0
    pos = random_motion("E(3)", torch.Generator().manual_seed(1))(pos)
    assert_frame(LearnedFrame("SE(3)"), pos)
    frame, net = LearnedFrame("E(3)"), nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 3)).double()
    scalar = FrameAveraging(nn.Sequential(net, nn.Linear(3, 1).double()), frame, {"input": "point"})
    assert_equivariant(scalar, {"input": pos}, "E(3)")
    args = {"input": pos}
    wrong = equivariance_error(FrameAveraging(net, frame, {"input": "point"}, "vector"), args, "E(3)")
    assert wrong["proper"] < 1e-10
    assert wrong["improper"] > 1e-3  # as the docstring says


def test_inputs_of_the_net():
    """All declared vectors, points from the centroid; no pseudovectors where groups reflect."""

    class Model(nn.Module):
        def forward(self, z, vel, pos, cell, spin, batch):
            return pos.sum(-1)

    reps = {"vel": "vector", "pos": "point", "cell": "vector", "spin": "pseudovector"}
    pos, vel, cell, spin = cloud(), cloud(seed=1), torch.randn(5, 3, 3), torch.randn(30, 2, 3)
    z = torch.randint(1, 9, (30,))
    for group, out, channels in (("SE(3)", 2, 7), ("E(3)", 3, 5)):
        net = Fixed(torch.randn(5, out, 3))
        FrameAveraging(Model(), LearnedFrame(group, net), reps, reads=["pos"])(z, vel, pos, cell, spin, BATCH)
        x, scalars, batch, size = net.seen
        of = [b == BATCH for b in range(5)]
        mean = torch.stack([pos[mine].T @ z[mine].double() / z[mine].sum() for mine in of])
        assert x.shape == (30, channels, 3)
        assert torch.allclose(x[:, :2], torch.stack([vel, pos - mean[BATCH]], dim=1))
        assert torch.allclose(x[:, 2:5], cell[BATCH].double())
        assert channels == 5 or torch.allclose(x[:, 5:], spin.double())
        assert torch.equal(scalars.flatten(), z.double())
        assert (torch.equal(batch, BATCH), size) == (True, 5)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@pytest.mark.parametrize("name", ["methane", "benzene", "acetylene", "water"])
def test_symmetric_molecules_stay_finite(name, group):
    data = read_xyz(f"data/molecules/{name}.xyz")[0]
    pos, frame = data.pos.double().requires_grad_(), LearnedFrame(group)
    frames = frame(pos, node_weight=data.z)
    assert torch.allclose(frames.rotation.mT @ frames.rotation, torch.eye(3, dtype=pos.dtype), atol=1e-12)
    assert torch.equal(frames.rotation, frame(pos, node_weight=data.z).rotation)
    (force,) = torch.autograd.grad(frames.to_frame(pos, "point").sin().sum(), pos, create_graph=True)
    (second,) = torch.autograd.grad(force.square().sum(), pos)
    assert force.isfinite().all()
    assert second.isfinite().all()


def direction_task():
    """Directions from the first to the last of six colored nodes, of a molecule in random poses."""
    shape, z = cloud(seed=5)[:6], torch.arange(1, 7).repeat(64)
    g = torch.Generator().manual_seed(0)
    pos = torch.stack([random_motion("SE(3)", g)(shape) for _ in range(64)])
    target = torch.nn.functional.normalize(pos[:, -1] - pos[:, 0], dim=-1)
    return pos.flatten(0, 1), z, torch.arange(64).repeat_interleave(6), target


class Constant(nn.Module):
    """A frozen backbone that always points along the first axis: the frame has to learn the task."""

    def forward(self, pos, z, batch):
        return pos.new_tensor([[1.0, 0, 0]]).expand(int(batch.max()) + 1, -1)


@pytest.mark.parametrize("noise", [0, 1])
def test_it_learns_end_to_end(noise):
    pos, z, batch, target = direction_task()
    model = FrameAveraging(Constant(), LearnedFrame("SE(3)", noise=noise), output="vector", level="graph")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (model(pos, z, batch) - target).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # A constant error of the same model without learning is about 2.
    assert losses[-1] < 0.1 * losses[0]


def test_identity_prior():
    pos = cloud()
    haar = identity_prior(HaarFrame("SO(3)", k=2000)(pos, batch=BATCH))
    assert abs(haar - 6) < 0.2  # E tr R = 0: |R - 1|^2 = 6 - 2 tr R
    assert identity_prior(PCAFrame("T(3)")(pos, batch=BATCH)) == 0
    frames = LearnedFrame("SE(3)")(pos, batch=BATCH)
    trace = frames.rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(identity_prior(frames), (6 - 2 * trace).mean())
    assert identity_prior(PCAFrame("SE(3)")(pos[:0], batch=BATCH[:0])) == 0


def test_the_prior_teaches_to_leave_usual_poses():
    shape, g = cloud(seed=5)[:6], torch.Generator().manual_seed(0)
    pos = (shape + 0.1 * torch.randn(32, 6, 3, generator=g, dtype=shape.dtype)).flatten(0, 1)
    batch, z = torch.arange(32).repeat_interleave(6), torch.arange(1, 7).repeat(32)
    frame = LearnedFrame("SE(3)")
    optimizer, losses = torch.optim.Adam(frame.parameters(), lr=1e-2), []
    for _ in range(60):
        loss = identity_prior(frame(pos, batch=batch, node_weight=z))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    turn = random_motion("SE(3)", g)
    frames = frame(turn(pos), batch=batch, node_weight=z)  # and to bring all others to these
    assert (frames.rotation - turn.rotation).abs().mean() < 0.2


def test_noise_is_reproducible_and_counts():
    pos = cloud()

    def rotation(seed, mode=True, **kwargs):
        torch.manual_seed(0)
        g = torch.Generator().manual_seed(seed)
        frame = LearnedFrame("SE(3)", noise=2, generator=g, **kwargs).train(mode)
        return frame(pos, batch=BATCH)

    assert torch.equal(rotation(1).rotation, rotation(1).rotation)
    assert not torch.allclose(rotation(1).rotation, rotation(2).rotation, atol=1e-3)
    assert rotation(1, k=3, eval_k=7).slots == 3
    assert rotation(1, False, k=3, eval_k=7).slots == 7
    assert rotation(1, False, k=3).slots == 3
    frames = rotation(1, k=4).rotation.view(4, 5, 3, 3)
    assert torch.cdist(frames[:, 0].flatten(1), frames[:, 0].flatten(1)).add(9 * torch.eye(4)).min() > 1e-6


def test_a_frame_if_the_noise_is_rotated_too():
    frame, pos = LearnedFrame("E(3)", noise=1, k=3), cloud()
    noise = torch.randn(90, 1, 3, dtype=torch.float64)
    g = random_motion("E(3)", torch.Generator().manual_seed(0), proper=False)
    frame._noise = lambda x: noise
    plain = frame(pos, batch=BATCH).rotation
    frame._noise = lambda x: g(noise, "vector")
    assert torch.allclose(frame(g(pos), batch=BATCH).rotation, g.rotation @ plain, atol=1e-9)


def test_noise_breaks_symmetry():
    """On methane, without it the frame is arbitrary; with it the law of the frames turns with the input."""
    data = read_xyz("data/molecules/methane.xyz")[0]
    pos, probe = data.pos.double(), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    g = random_motion("SE(3)", torch.Generator().manual_seed(4))
    errors = {}
    for noise, k in ((0, 1), (1, 3000)):
        frame = LearnedFrame("SE(3)", noise=noise, k=k)
        values = []
        for x in (pos, g(pos)):
            frames = frame(x, node_weight=data.z)
            y = (frames.to_frame(x, "point") @ probe).sin().exp()
            values.append(frames.average(y, "scalar", level="node"))
        errors[noise] = (values[0] - values[1]).abs().max()
    # Two means of 3000 values of a standard deviation below 1, five times.
    assert errors[1] < 5 * (2 / 3000) ** 0.5
    assert errors[0] > 2 * errors[1]


def test_state_copies_and_types():
    pos, frame = cloud(), LearnedFrame("SE(3)")
    plain = frame(pos, batch=BATCH).rotation
    assert torch.equal(copy.deepcopy(frame)(pos, batch=BATCH).rotation, plain)
    file = io.BytesIO()
    torch.save(frame.state_dict(), file)
    other = LearnedFrame("SE(3)")
    assert not torch.allclose(other(pos, batch=BATCH).rotation, plain, atol=1e-3)
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert torch.equal(other(pos, batch=BATCH).rotation, plain)
    wide, narrow = copy.deepcopy(frame).double(), copy.deepcopy(frame).bfloat16()
    assert torch.allclose(wide(pos, batch=BATCH).rotation, plain, atol=1e-12)
    assert_frame(narrow, pos, batch=BATCH)  # exact for its rounded parameters
    identity_prior(narrow(pos.float(), batch=BATCH)).backward()
    assert {p.grad.dtype for p in narrow.parameters()} == {torch.bfloat16}


def test_running_statistics_of_a_net_are_kept():
    class Net(VectorNet):
        def __init__(self):
            super().__init__(2)
            self.norm = nn.BatchNorm1d(1)

        def forward(self, vectors, scalars, batch, num_graphs):
            return super().forward(vectors, self.norm(scalars).exp(), batch, num_graphs)

    frame = LearnedFrame("SE(3)", Net())
    frame(cloud(), batch=BATCH, node_weight=torch.full((30,), 5.0))
    assert frame.net.norm.running_mean.item() == pytest.approx(0.5)
    assert frame.net.norm.running_mean.dtype == torch.float32


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"noise": -1}, "noise: expected an integer >= 0, found -1"),
        ({"noise": 1, "k": 0}, "k: expected a positive integer"),
        ({"noise": 1, "eval_k": 0}, "eval_k: expected a positive integer"),
        ({"noise": 1, "k": True}, "k: expected"),
        ({"k": 2}, "without noise"),
        ({"eval_k": 2}, "without noise"),
        ({"net": PCAFrame}, "net: expected a torch.nn.Module"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        LearnedFrame("SE(3)", **kwargs)


def test_wrong_nets_and_inputs():
    with pytest.raises(ValueError, match=r"net: expected \[5, 3, 3\] for E\(3\), found \[5, 2, 3\]"):
        LearnedFrame("E(3)", VectorNet(2))(cloud(), batch=BATCH)
    model = FrameAveraging(nn.Identity(), LearnedFrame("O(3)"), {"input": "pseudovector"}, "vector")
    with pytest.raises(
        ValueError, match="LearnedFrame: expected a declared point or vector, found a pseudovector"
    ):
        model(cloud())


def test_repr():
    assert repr(LearnedFrame("E(3)", VectorNet(3))).startswith('LearnedFrame(\n  "E(3)"\n')
    assert '"E(3)", noise=1, k=2, eval_k=2' in repr(LearnedFrame("E(3)", noise=1, k=2))
