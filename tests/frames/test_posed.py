"""Poses in all signs against the same frames as matrices."""

import pytest
import torch

from fa_pyg import Group, PCAFrame, WeightedPCAFrame
from fa_pyg.frames import Frames
from fa_pyg.frames.posed import PosedFrames
from fa_pyg.testing import catalogue

SIZES = [3, 0, 5, 2]
RAGGED = [0, 1, 2, 3, 0, 2, 2]  # the bodies of the poses, slot by slot
REPS = ["scalar", "vector", "point", "pseudovector", "tensor", "pseudoscalar"]


def poses(body, size=4, dtype=torch.float64, requires_grad=False):
    """Poses of bodies, slot by slot, and nodes of the bodies."""
    g = torch.Generator().manual_seed(0)
    body = torch.tensor(body)
    rotation = Group.of("O(3)").haar(len(body), g, dtype=torch.float64)
    weight = torch.rand(len(body), generator=g, dtype=torch.float64)
    batch = torch.arange(size).repeat_interleave(torch.tensor(SIZES[:size])) if size > 1 else None
    origin = torch.randn(size, 3, generator=g, dtype=torch.float64)
    rotation.requires_grad_(requires_grad)
    return Frames(rotation, body, weight, origin, batch, size)


def plain(frames):
    """The same frames as matrices."""
    given = {
        name: vars(frames)[name] for name in ("rotation", "body", "weight", "origin", "batch", "num_bodies")
    }
    return Frames(**given)


def numbers(rep, n, channels=(), dtype=torch.float64):
    rank = {"scalar": 0, "pseudoscalar": 0, "tensor": 2}.get(rep, 1)
    return torch.randn(n, *channels, *[3] * rank, generator=torch.Generator().manual_seed(1), dtype=dtype)


ALL = {
    "ragged": (RAGGED, 4),
    "one each": ([0, 1, 2, 3], 4),
    "two each": ([0, 1, 2, 3] * 2, 4),
    "one body": ([0, 0, 0], 1),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("group", ["O(3)", "SO(3)"])
@pytest.mark.parametrize("rep", REPS)
@pytest.mark.parametrize("level", ["node", "graph"])
def test_copies_and_averages(name, group, rep, level):
    body, size = ALL[name]
    frames = PosedFrames.of(poses(body, size), Group.of(group).signs())
    expected = plain(frames)
    assert frames.num_frames == len(body) * len(Group.of(group).signs())
    assert torch.equal(frames.body, expected.body)  # in slot-major order
    assert torch.equal(frames.rotation, expected.rotation)
    assert (frames.slots, frames.slot_sizes) == (expected.slots, expected.slot_sizes)
    n = size if level == "graph" else 10
    level = None if size == 1 else level
    for channels in ((), (2,)):
        x = numbers(rep, n, channels)
        found, wanted = frames.to_frame(x, rep, level), expected.to_frame(x, rep, level)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-14)
        y = (wanted * torch.arange(1.0, 1 + len(wanted)).view(-1, *[1] * (wanted.dim() - 1))).sin()
        torch.testing.assert_close(
            frames.average(y, rep, level), expected.average(y, rep, level), rtol=0, atol=1e-14
        )
        torch.testing.assert_close(
            frames.from_frame(found, rep, level).sum(), expected.from_frame(wanted, rep, level).sum()
        )
    rows = frames._rows_of(n, level)
    for one, other in zip(frames.sources_by_slot(rows), expected.sources_by_slot(rows), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("name", ALL)
def test_gradients_and_frames_without_them(name):
    body, size = ALL[name]
    frames = PosedFrames.of(poses(body, size, requires_grad=True), Group.of("O(3)").signs())
    x = numbers("point", 10).requires_grad_()
    weight = torch.arange(1.0, 1 + 10 * 8 * 3)[:, None]

    def value(frames):
        y = frames.to_frame(x, "point")
        return (frames.average((y * weight[: len(y)]).sin(), "vector") * numbers("vector", 10)).sum()

    leaf = frames.poses.rotation
    found, expected = (torch.autograd.grad(value(f), [x, leaf]) for f in (frames, plain(frames)))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    detached = value(frames.detach())
    assert torch.autograd.grad(detached, leaf, allow_unused=True)[0] is None
    torch.testing.assert_close(detached, value(frames))


def test_what_is_made_of_them_is_as_of_others():
    frames = PosedFrames.of(poses(RAGGED), Group.of("O(3)").signs()).with_exact(torch.tensor([True] * 4))
    x = numbers("point", 10)
    narrow = frames.to(torch.float32)
    assert narrow.to_frame(x.float(), "point").dtype == torch.float32
    torch.testing.assert_close(narrow.to_frame(x.float(), "point"), frames.to_frame(x, "point").float())
    torch.testing.assert_close(
        frames.with_similarity(torch.full((4,), 2.0).double(), None).to_frame(x, "point"),
        plain(frames).with_similarity(torch.full((4,), 2.0).double(), None).to_frame(x, "point"),
    )
    one = frames.with_one_frame(torch.tensor([True, False, False, True]))
    assert one.counts.tolist() == [1, 8, 24, 1]
    drawn = frames.sample(2, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.rotation, plain(frames).sample(2, torch.Generator().manual_seed(0)).rotation)


def test_averages_of_a_graph_do_not_depend_on_the_others_to_the_last_bit():
    frame = WeightedPCAFrame("E(3)", smoothness="forces")
    clouds = [
        cloud.pos for cloud in catalogue(3) if cloud.name in ("generic", "methane", "benzene", "G2 H2O")
    ]
    batch = torch.arange(len(clouds)).repeat_interleave(torch.tensor([len(x) for x in clouds]))
    pos, weight = torch.cat(clouds), torch.randn(3, 3, dtype=torch.float64)

    def average(pos, batch):
        frames = frame(pos, batch=batch)
        return frames.average((frames.to_frame(pos, "point") @ weight).sin(), "vector", "node")

    together = average(pos, batch)
    for i, alone in enumerate(clouds):
        assert torch.equal(average(alone, torch.zeros(len(alone), dtype=torch.long)), together[batch == i])


def test_one_large_cloud():
    pos = (
        torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 3.0]) + 5
    )
    frames = WeightedPCAFrame("E(3)", smoothness="forces")(pos)
    assert isinstance(frames, PosedFrames)
    copies = frames.to_frame(pos, "point").view(8, -1, 3)
    expected = PCAFrame("E(3)")(pos).to_frame(pos, "point").view(8, -1, 3)
    assert (copies[0].abs() - expected[0].abs()).abs().max() < 1e-5
    torch.testing.assert_close(frames.average(copies.flatten(0, 1), "point"), pos)


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)", smoothness="forces")])
def test_block_by_block_they_are_the_same_to_the_last_bit(monkeypatch, frame):
    pos = torch.randn(29, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 3.0])
    batch = torch.arange(3).repeat_interleave(torch.tensor([9, 12, 8]))
    frames = frame(pos, batch=batch, num_graphs=3)
    assert frames.slots
    copies = {rep: frames.to_frame(pos, rep) for rep in ("point", "vector", "pseudovector")}
    monkeypatch.setattr("fa_pyg.frames.motion._MANY", 4)
    monkeypatch.setattr("fa_pyg.frames.motion._BLOCK", 5)
    for rep, expected in copies.items():
        assert torch.equal(frames.to_frame(pos, rep), expected)
