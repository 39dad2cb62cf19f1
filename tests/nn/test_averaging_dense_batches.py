"""Dense batches [B, T, d]: refused without `batch`, exact with it, each sample for itself."""

import warnings

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from fa_pyg import FrameAveraging, GroupFrame, HaarFrame, LocalFrame, PCAFrame, Rep, WeightedPCAFrame
from fa_pyg.nn import FAMLP
from fa_pyg.testing import assert_equivariant, equivariance_error, random_motion
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion

B, T = 4, 6
FRAMES = [PCAFrame("E(3)"), PCAFrame("SO(3)"), WeightedPCAFrame("E(3)"), WeightedPCAFrame("SE(3)")]
ONE_CLOUD = torch.zeros(B, dtype=torch.long)


@pytest.fixture
def pos():
    return torch.randn(B, T, 3, dtype=torch.float64) + 1


class Dense(nn.Module):
    """A transformer on coordinates: one of its outputs a row for each sample, one for each of its points."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(3, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.leave = nn.Linear(8, 3)
        self.double().eval()

    def forward(self, pos, mask=None):
        h = self.layer(self.enter(pos), src_key_padding_mask=mask)
        return {"sample": h.mean((1, 2)), "points": self.leave(h)}


OUTPUT = {"sample": "scalar", "points": "vector"}


def framed(frame, **options):
    rep = "point" if frame.group.translates else "vector"
    return FrameAveraging(Dense(), frame, {"pos": rep}, OUTPUT, **options).eval()


@pytest.mark.parametrize(
    "frame", [*FRAMES, GroupFrame("Oh", translations=True), HaarFrame("E(3)", k=2)], ids=str
)
def test_points_without_batch_are_refused(frame, pos):
    model = FrameAveraging(Dense(), frame, {"pos": "point"}, OUTPUT)
    with pytest.raises(
        ValueError, match=r"'pos': expected `batch` for \[4, 6, 3\](.|\n)*arange\(4\)(.|\n)*zeros\(4"
    ):
        model(pos)
    with pytest.raises(ValueError, match="expected `batch`"):
        model(pos, torch.zeros(B, T, dtype=torch.bool))
    with pytest.raises(ValueError, match="expected `batch`"):
        assert_equivariant(model, {"pos": pos}, frame.group)


@pytest.mark.parametrize(
    ("rep", "shape"),
    [
        ("point", (4, 6, 3)),
        ("point", (4, 1, 3)),
        ("point", (2, 4, 6, 3)),
        (Rep(1, affine=True, flat=True), (4, 18)),
    ],
)
def test_shapes_that_are_refused(rep, shape):
    model = FrameAveraging(nn.Identity(), PCAFrame("E(3)"), {0: rep}, rep, level="node")
    x = torch.randn(shape)
    with pytest.raises(ValueError, match="expected `batch` for"):
        model(x)
    assert model(x, batch=torch.arange(len(x))).shape == shape


@pytest.mark.parametrize("shape", [(6, 3), (1, 6, 3), (1, 3)])
def test_shapes_that_leave_nothing_open(shape, recwarn):
    model = FrameAveraging(nn.Identity(), PCAFrame("E(3)"), {0: "point"}, "point", level="node")
    assert model(torch.randn(shape)).shape == shape
    assert not recwarn.list


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_samples_of_a_dense_batch_are_apart_and_equivariant_each_by_its_own_motion(frame, pos):
    model, batch = framed(frame), torch.arange(B)
    found = model(pos, batch=batch)
    for i in range(B):  # alone
        one = model(pos[i : i + 1], batch=batch[:1])
        for name in OUTPUT:
            torch.testing.assert_close(found[name][i], one[name][0])
    motions = [random_motion(frame.group) for _ in range(B)]
    moved = torch.stack([g(x) for g, x in zip(motions, pos, strict=True)])
    found, moved = model(pos, batch=batch), model(moved, batch=batch)
    torch.testing.assert_close(moved["sample"], found["sample"])
    turned = torch.stack([g(x, "vector") for g, x in zip(motions, found["points"], strict=True)])
    torch.testing.assert_close(moved["points"], turned)
    errors = assert_equivariant(model, {"pos": pos, "batch": batch}, frame.group)
    assert "apart" in errors


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_one_cloud_leaks_from_row_to_row(frame, pos):
    """The negative control: what is refused would be wrong for samples, and is what zeros ask for."""
    model, other = framed(frame), pos.clone()
    other[1:] = other[1:].flip(1) * 1.5
    for batch, leaks in ((ONE_CLOUD, True), (torch.arange(B), False)):
        error = (model(pos, batch=batch)["points"][0] - model(other, batch=batch)["points"][0]).abs().max()
        assert (error > 1e-3) if leaks else (error < 1e-12)
    assert_equivariant(model, {"pos": pos, "batch": ONE_CLOUD}, frame.group)


def test_a_mask_goes_with_its_sample(pos):
    mask = torch.rand(B, T) < 0.3
    mask[:, 0] = False
    inputs = {"pos": pos, "mask": mask, "batch": torch.arange(B)}
    assert_equivariant(framed(WeightedPCAFrame("E(3)")), inputs, "E(3)")


def test_levels_say_that_rows_are_nodes(pos, recwarn):
    model = framed(PCAFrame("E(3)"), levels={"pos": "node"}, level={"sample": "node", "points": "node"})
    said = framed(PCAFrame("E(3)"), level={"sample": "node", "points": "node"})
    said.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(pos), said(pos, batch=ONE_CLOUD))
    assert not recwarn.list


def test_vectors_without_batch_are_one_cloud_with_a_warning(pos):
    model = framed(PCAFrame("O(3)"))
    with pytest.warns(UserWarning, match=r"expected `batch` for \[4, 6, 3\]"):
        found = model(pos)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(pos)  # once
    torch.testing.assert_close(found, model(pos, batch=ONE_CLOUD))


def test_one_data_is_one_graph(pos, recwarn):
    class Net(nn.Module):
        def forward(self, data):
            return data.pos.exp().sum((1, 2))

    model = FrameAveraging(Net(), PCAFrame("E(3)"), level="node")
    data = Data(pos=pos)
    torch.testing.assert_close(model(data), model(Data(pos=pos, batch=ONE_CLOUD)))
    assert not recwarn.list


# ------------------------------------------------------------------------------------ frames alone, layers


@pytest.mark.parametrize(
    "frame", [PCAFrame("E(3)"), WeightedPCAFrame("SE(3)"), HaarFrame("E(3)", k=2)], ids=str
)
def test_frames_alone(frame, pos):
    with pytest.raises(ValueError, match="'pos': expected `batch`"):
        frame(pos)
    assert frame(pos, batch=torch.arange(B)).num_bodies == B
    assert frame(pos, batch=ONE_CLOUD).num_bodies == 1
    assert frame(pos[0]).num_bodies == 1


def test_vector_channels_of_a_frame_alone():
    assert PCAFrame("O(3)")(torch.randn(5, 20, 3)).num_bodies == 1


def test_local_frames_and_layers_refuse_dense_batches(pos):
    edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="pos: expected"):
        LocalFrame(PCAFrame("E(3)"))(pos, edge_index)
    mlp = FAMLP(PCAFrame("O(3)"), 0, T)
    with pytest.raises(ValueError, match=r"\[N, 6, 3\], found"):
        mlp(None, torch.randn(B, 5, T, 3))


@pytest.mark.parametrize(
    "transform", [RandomMotion("E(3)"), CanonicalPose(WeightedPCAFrame("SE(3)"))], ids=str
)
def test_transforms_move_each_sample_by_itself(transform, pos):
    data = Data(pos=pos, batch=torch.arange(B))
    moved = transform(data).pos
    for x, y in zip(pos, moved, strict=True):
        torch.testing.assert_close(torch.cdist(x, x), torch.cdist(y, y))
    assert (torch.cdist(pos[0], pos[1]) - torch.cdist(moved[0], moved[1])).abs().max() > 1e-3


def test_frames_of_samples_in_data(pos):
    data = AddFrames(PCAFrame("E(3)"))(Data(pos=pos, batch=torch.arange(B)))
    assert data.frame_count.tolist() == [8] * B


# ------------------------------------------------------------------------------------ leaks in tests


def test_bare_dense_models_are_refused_without_batch(pos):
    class Distances(nn.Module):
        def forward(self, pos):
            return torch.cdist(pos, pos).sum((1, 2))

    with pytest.raises(ValueError, match="expected `batch`"):
        assert_equivariant(Distances(), (pos,), "E(3)")
    assert_equivariant(Distances(), {"pos": pos, "batch": torch.arange(B)}, "E(3)")


class Leaky(nn.Module):
    """Invariant to common motions; ``leak`` tells what of others a graph sees."""

    def __init__(self, leak):
        super().__init__()
        self.leak = leak

    def forward(self, pos, batch, x):
        same = batch.unsqueeze(0) == batch.unsqueeze(1)
        own = (torch.cdist(pos, pos) * same).sum(1) + x
        return own + self.leak(pos, batch, x)


LEAKS = {
    "distances": lambda pos, batch, x: torch.cdist(pos, pos).sum(1),
    "batch statistics": lambda pos, batch, x: (pos - pos.mean(0)).square().mean(),
    "features": lambda pos, batch, x: x.mean(),
    "one neighbor": lambda pos, batch, x: 1e-3 * x.roll(1),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_any_leak_fails(leak):
    batch = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    inputs = {
        "pos": torch.randn(8, 3, dtype=torch.float64),
        "batch": batch,
        "x": torch.rand(8, dtype=torch.float64),
    }
    assert_equivariant(Leaky(lambda pos, batch, x: 0), inputs, "E(3)")
    errors = equivariance_error(Leaky(LEAKS[leak]), inputs, "E(3)", level="node")
    assert errors["apart"] > 1e-5
    assert errors["improper"] < 1e-10
    with pytest.raises(AssertionError, match="apart"):
        assert_equivariant(Leaky(LEAKS[leak]), inputs, "E(3)", level="node")
