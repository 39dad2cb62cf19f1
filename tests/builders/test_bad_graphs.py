"""NaN, infinity and overflow stay in their graph, in value and in gradient."""

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import (
    CanonicalFrame,
    FrameAveraging,
    GeneralizedQRFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    PCAFrame,
    PerMode,
    RandomNodeFrame,
    Sample,
    SpectralFrame,
    WeightedPCAFrame,
)
from fa_pyg.transforms import AddFrames, CanonicalPose, data_frames

GROUPS = ("E(3)", "SE(3)", "O(3)", "SO(3)", "T(3)", "SO(2)", "E(1)")
VALUES = (math.nan, 1e154, -math.inf, 1e300, 1e103, 1e-160)
BATCH = torch.arange(3).repeat_interleave(5)
CLOUDS = {
    "generic": torch.randn(15, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64),
    # Methane, moved: all eigenvalues are one, so that the frames are those of symmetric clouds.
    "symmetric": torch.tensor([[1.0, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1], [0, 0, 0]])
    .repeat(3, 1)
    .double()
    + 2,
}


def seeded():
    return torch.Generator().manual_seed(1)


def a_pca_frame_for_training(group):
    return PerMode(Sample(PCAFrame(group), k=2, generator=seeded()), WeightedPCAFrame(group))


FRAMES = {
    "pca": PCAFrame,
    "weighted": WeightedPCAFrame,
    "qr": GeneralizedQRFrame,
    "learned": LearnedFrame,
    "noisy": lambda group: LearnedFrame(group, noise=1, k=2, generator=seeded()),
    "haar": lambda group: HaarFrame(group, k=2, generator=seeded()),
    "sample": lambda group: Sample(WeightedPCAFrame(group), generator=seeded()),
    "per mode": a_pca_frame_for_training,
}


class Waves(nn.Module):
    """A model without any symmetry, one number a graph."""

    def forward(self, pos, batch, num_graphs):
        wave = (pos.sin() * torch.arange(1, pos.size(1) + 1)).sum(1) + pos[:, 0] * pos[:, -1]
        return wave.new_zeros(num_graphs).index_add(0, batch, wave)


def outcome(frame, pos, good):
    """The outputs of the good graphs, and the gradient of their sum at their nodes."""
    for one in frame.modules():
        if isinstance(getattr(one, "generator", None), torch.Generator):
            one.generator.manual_seed(3)
    pos = pos.clone().requires_grad_()
    out = FrameAveraging(Waves(), frame)(pos, batch=BATCH, num_graphs=3)[good]
    return out.detach(), torch.autograd.grad(out.sum(), pos)[0][torch.isin(BATCH, good)]


def spoiled(pos, graph, value):
    """The positions with a bad number in one coordinate, and with a graph of bad numbers alone."""
    one, all_ = pos.clone(), pos.clone()
    one[5 * graph + 1, 0] = value
    all_[graph == BATCH] *= value
    return one, all_


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("group", [*GROUPS, "Oh", "T(3):Oh"])
@pytest.mark.parametrize("name", [*FRAMES, "group"])
def test_a_bad_number_stays_in_its_graph(name, group, kind):
    if (name == "group") != ("Oh" in group):
        return
    frame = GroupFrame(group) if name == "group" else FRAMES[name](group)
    pos = CLOUDS[kind][:, : frame.group.dim]
    for graph in range(3):
        good = torch.tensor([one for one in range(3) if one != graph])
        out, grad = outcome(frame, pos, good)
        assert out.isfinite().all()
        for value in VALUES if kind == "generic" else VALUES[:2]:
            for bad in spoiled(pos, graph, value)[: 2 if value in VALUES[:3] else 1]:
                found = outcome(frame, bad, good)
                assert torch.equal(found[0], out), (graph, value)
                torch.testing.assert_close(found[1], grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["pca", "weighted", "qr", "learned"])
def test_a_graph_of_nan_has_an_output_of_nan(name):
    """The control: its own output is lost, and not made up."""
    pos = spoiled(CLOUDS["generic"], 1, math.nan)[0]
    out = FrameAveraging(Waves(), FRAMES[name]("E(3)"))(pos, batch=BATCH, num_graphs=3)
    assert out.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)"), GeneralizedQRFrame("E(3)")])
@pytest.mark.parametrize("size", [1e160, 1e300])
def test_a_graph_whose_squares_overflow_has_frames_of_nan(frame, size):
    """And not those of a point, which would be finite and wrong."""
    frames = frame(torch.cat([CLOUDS["generic"][:5], size * CLOUDS["generic"][:5]]), batch=BATCH[:10])
    assert frames.rotation[frames.body == 0].isfinite().all()
    assert frames.rotation[frames.body == 1].isnan().all()


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_many_graphs_and_every_solver(dim):
    """From 300 matrices on eigenvectors have a closed form; in four dimensions only the library's solver."""
    pos = torch.randn(400, 4, dim, generator=seeded(), dtype=torch.float64)
    bad = pos.clone()
    bad[7, 2], bad[300, 0, 0], bad[399, 1, 0] = math.nan, math.inf, 1e200
    batch, good = torch.arange(400).repeat_interleave(4), torch.ones(400, dtype=torch.bool)
    good[[7, 300, 399]] = False
    for frame in (PCAFrame(f"SE({dim})"), GeneralizedQRFrame(f"SE({dim})")):
        plain, found = (frame(x.flatten(0, 1), batch=batch) for x in (pos, bad))
        assert torch.equal(*(x.rotation[good[x.body]] for x in (plain, found)))


@pytest.mark.parametrize("group", ["E(3)", "SO(3)"])
@pytest.mark.parametrize("name", ["pca", "weighted", "qr", "learned"])
def test_a_bad_node_spoils_its_neighbors_alone(name, group):
    """A path: the frames of nodes that have no edge with the bad one keep every bit."""
    path = torch.arange(14)
    edge_index = torch.cat([torch.stack([path, path + 1]), torch.stack([path + 1, path])], 1)
    frame = LocalFrame(FRAMES[name](group))
    for bad in (0, 6, 14):
        kept = (torch.arange(15) - bad).abs() > 1
        results = []
        for value in (1.0, math.nan, math.inf, 1e300):
            pos = CLOUDS["generic"].clone()
            pos[bad, 1] = value
            frames = frame(pos.requires_grad_(), edge_index)
            rotation = frames.rotation[kept[frames.body]]
            results.append((rotation.detach(), torch.autograd.grad(rotation.sin().sum(), pos)[0][kept]))
        for rotation, grad in results[1:]:
            assert torch.equal(rotation, results[0][0])
            # Nearer ones also belong to frames that are lost. Sums over frames may change their order.
            far = ((torch.arange(15) - bad).abs() > 2)[kept]
            torch.testing.assert_close(grad[far], results[0][1][far], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("SE(3)"), GeneralizedQRFrame("E(3)")])
def test_stored_frames_and_poses(frame, value):
    def graphs(first):
        return Batch.from_data_list(
            [Data(pos=x.float()) for x in [first, *CLOUDS["generic"].view(3, 5, 3)[1:]]]
        )

    good = CLOUDS["generic"][:5]
    bad = spoiled(CLOUDS["generic"], 0, value)[0][:5]
    plain, found = (data_frames(AddFrames(frame)(graphs(x))) for x in (good, bad))
    assert torch.equal(*(x.rotation[x.body > 0] for x in (plain, found)))
    plain, found = (CanonicalPose(frame)(graphs(x)) for x in (good, bad))
    assert torch.equal(plain.pos[5:], found.pos[5:])


@pytest.mark.parametrize("frame", [CanonicalFrame(), SpectralFrame(), RandomNodeFrame(generator=seeded())])
def test_features_of_nan_stay_in_their_graph(frame):
    ring = torch.arange(5)
    edge_index = torch.cat([torch.stack([ring + 5 * i, (ring + 1) % 5 + 5 * i]) for i in range(3)], 1)
    x = torch.randn(15, 2, generator=seeded())
    bad = x.clone()
    bad[6, 1] = math.nan
    orders = []
    for features in (x, bad):
        if isinstance(frame, RandomNodeFrame):
            frame.generator.manual_seed(0)
        frames = frame(edge_index, features, batch=BATCH)
        orders.append([frames.order[frames.numbers.body == graph] for graph in (0, 2)])
    for plain, found in zip(*orders, strict=True):
        assert torch.equal(plain, found)


def test_frames_in_another_order_go_to_their_graphs():
    """Whitened clouds have frames of another family than others, which were made first in a batch."""
    frame, seen = WeightedPCAFrame("SE(3)", smoothness="fast"), 0
    for seed in range(12):
        pos = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        pos = pos - pos.mean(1, keepdim=True)
        values, axes = torch.linalg.eigh(pos[0].T @ pos[0])
        pos[0] = pos[0] @ axes / values.sqrt()
        flat, batch = pos.flatten(0, 1), torch.arange(2).repeat_interleave(6)
        seen += frame(flat, batch=batch).num_frames == 2
        average = FrameAveraging(Waves(), frame)
        out = average(flat, batch=batch, num_graphs=2)
        alone = torch.cat([average(one, batch=batch[:6], num_graphs=1) for one in pos])
        torch.testing.assert_close(out, alone, rtol=0, atol=1e-9)
    assert seen > 3  # each has one frame: the case where they were not sorted
