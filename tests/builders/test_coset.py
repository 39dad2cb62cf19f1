"""Right multiplication by a finite group: a frame again, of the model's group average."""

import pytest
import torch

from fa_pyg import (
    CosetFrame,
    FrameAveraging,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    PCAFrame,
    Sample,
    WeightedPCAFrame,
)
from fa_pyg.groups import Group
from fa_pyg.testing import assert_frame, catalogue, equivariance_error
from fa_pyg.testing.probe import framed_probe

CLOUDS = {cloud.name: cloud for cloud in catalogue()}
WATER = torch.tensor([[0, 0, 0.12], [0, 0.76, -0.48], [0.1, -0.76, -0.48]], dtype=torch.float64)


def cloud(n=7, seed=0):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("subgroup", ["C2(3)", "D2(3)", "T", "O"])
@pytest.mark.parametrize("make", [PCAFrame, LearnedFrame, lambda g: WeightedPCAFrame(g, smoothness="fast")])
def test_it_is_the_average_of_the_group_average(make, subgroup):
    r"""<Phi>_FH = <Phi_H>_F, with Phi_H the plain loop over H."""
    pos, frame = cloud(), make("SE(3)")
    net, found = torch.nn.Linear(3, 1).double(), 0
    wave = lambda x: net(x).sin().sum()  # noqa: E731
    frames = frame(pos)
    for rotation, weight in zip(frames.rotation, frames.weight, strict=True):
        x = (pos - pos.mean(0)) @ rotation
        elements = Group.of(subgroup).elements()
        found = found + weight * sum(wave(x @ h) for h in elements) / len(elements)

    class Wave(torch.nn.Module):
        def forward(self, pos):
            return wave(pos).view(1)

    model = FrameAveraging(Wave(), CosetFrame(frame, subgroup))
    torch.testing.assert_close(model(pos)[0], found, rtol=1e-12, atol=1e-12)
    bare = FrameAveraging(Wave(), frame)(pos)[0]
    assert subgroup in ("C2(3)", "D2(3)") or (bare - found).abs() > 1e-6  # all signs are in PCAFrame


def test_frames_that_coincide_are_run_once():
    pos = cloud()
    assert CosetFrame(PCAFrame("SE(3)"), "D2(3)")(pos).num_frames == 4
    assert CosetFrame(PCAFrame("SE(3)"), "O")(pos).num_frames == 24
    assert CosetFrame(PCAFrame("E(3)"), "O")(pos).num_frames == 48  # two cosets: O has no reflections
    assert CosetFrame(PCAFrame("E(3)"), "Oh")(pos).num_frames == 48
    fast = WeightedPCAFrame("SE(3)", smoothness="fast")
    flat = pos * torch.tensor([1.0, 2.0, 0.0])
    mirror = torch.cat([flat, flat * torch.tensor([-1.0, 1, 1])])  # two signs
    assert fast(mirror).num_frames > 1
    assert CosetFrame(fast, "D2(3)")(mirror).num_frames == 4
    mirror.requires_grad_()  # second derivatives may see what the values do not
    assert CosetFrame(fast, "D2(3)")(mirror).num_frames == 4 * fast(mirror).num_frames


def test_weights_of_frames_that_coincide_are_added():
    methane = CLOUDS["methane"]
    frames = CosetFrame(WeightedPCAFrame("E(3)", smoothness="fast"), "Oh")(methane.pos, node_weight=methane.z)
    assert frames.weight.sum().item() == pytest.approx(1)
    again = CosetFrame(WeightedPCAFrame("E(3)", smoothness="fast"), "Oh")(
        methane.pos.clone().requires_grad_(), node_weight=methane.z
    )
    assert again.num_frames >= frames.num_frames
    model = framed_probe(CosetFrame(WeightedPCAFrame("E(3)", smoothness="fast"), "Oh"))
    batch = torch.zeros(5, dtype=torch.long)
    plain = model(methane.z, methane.pos, batch)
    graph = model(methane.z, methane.pos.clone().requires_grad_(), batch)
    for name, value in plain.items():
        torch.testing.assert_close(value, graph[name].detach(), rtol=1e-11, atol=1e-11)


def test_learned_frames_get_gradients():
    frame = CosetFrame(LearnedFrame("SE(3)"), "O")
    frames = frame(cloud())
    assert frames.num_frames == 24
    (frames.rotation * torch.arange(9.0).view(3, 3)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in frame.parameters())


def test_local_frames():
    pos, n = cloud(6), 6
    edge_index = (~torch.eye(n, dtype=torch.bool)).nonzero().T
    frames = LocalFrame(CosetFrame(PCAFrame("O(3)"), "Oh"))(pos, edge_index)
    assert frames.num_bodies == n
    assert frames.num_frames == 48 * n
    moved = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    again = LocalFrame(CosetFrame(PCAFrame("O(3)"), "Oh"))(pos @ moved.T, edge_index)
    for node in range(n):
        first = moved @ frames.rotation[frames.body == node]
        second = again.rotation[again.body == node]
        assert torch.cdist(first.flatten(1), second.flatten(1)).amin(1).max() < 1e-6  # cdist is a product


@pytest.mark.parametrize("name", ["methane", "benzene", "generic", "CO2"])
def test_exact_where_its_frame_is(name):
    one = CLOUDS[name]
    args = {"z": one.z, "pos": one.pos, "batch": torch.zeros(len(one.pos), dtype=torch.long)}
    if name == "generic":
        args["z"] = None
    weighted = CosetFrame(WeightedPCAFrame("E(3)", smoothness="fast"), "D2h")
    model = framed_probe(weighted).double()
    errors = equivariance_error(model, args, "E(3)")
    assert max(errors.values()) < 1e-10
    if name != "CO2":
        assert_frame(weighted, one.pos, node_weight=one.z, tol=1e-7)
    plain = framed_probe(CosetFrame(PCAFrame("E(3)"), "D2h")).double()
    wrong = max(equivariance_error(plain, args, "E(3)").values())
    assert (wrong > 1e-4) == (name != "generic")  # no frame where the axes are arbitrary


def test_samples():
    frame = Sample(CosetFrame(PCAFrame("SE(3)"), "O"), k=2)
    assert frame(cloud()).num_frames == 2
    assert frame.eval()(cloud()).num_frames == 24
    assert CosetFrame(HaarFrame("SE(3)", k=3), "D2(3)")(cloud()).num_frames == 12
    assert CosetFrame(GroupFrame("O"), "O")(cloud()).num_frames in (24, 24 * 24)


@pytest.mark.parametrize(
    ("frame", "subgroup", "message"),
    [
        ("PCA", "O", "frame: expected a frame such as"),
        (PCAFrame("T(3)"), "O", "frame: expected a frame of rotations"),
        (PCAFrame("SE(3)"), "Oh", r"subgroup: expected a finite group of rotations in 3 .* found Oh"),
        (PCAFrame("SE(3)"), "C4", r"subgroup: expected a finite group .* found C4"),
        (PCAFrame("E(3)"), "SO(3)", r"subgroup: expected a finite group .* found SO\(3\)"),
        (PCAFrame("E(3)"), "T(3):O", "subgroup: expected a finite group"),
        (PCAFrame("E(3)"), "Q", "Q"),
    ],
)
def test_wrong_arguments_are_named(frame, subgroup, message):
    with pytest.raises(ValueError, match=message):
        CosetFrame(frame, subgroup)


def test_forward_mode_at_inputs_where_frames_coincide():
    base = torch.tensor([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0], [0, 0, 0.7]], dtype=torch.float64)
    frame = CosetFrame(WeightedPCAFrame("SE(3)", smoothness="fast"), "D2(3)")
    step = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def energy(pos):
        frames = frame(pos)
        x = frames.to_frame(pos, "point", "node")
        row = (x + torch.tensor([0.3, 0.1, 0.2])).sin().prod(1)
        share = frames.weight.index_select(0, frames.rows(None, len(pos))[1])
        return (row * share).sum()

    slope = torch.func.jvp(energy, (base,), (step,))[1]
    pos = base.clone().requires_grad_()
    torch.testing.assert_close(slope, (torch.autograd.grad(energy(pos), pos)[0] * step).sum())
