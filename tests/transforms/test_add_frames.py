"""Frames kept with the data: the same as computed, through every loader, and never computed twice."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, MotionFrame, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.datasets import XYZ, InMemoryLoader
from fa_pyg.testing import assert_equivariant
from fa_pyg.transforms import AddFrames, data_frames

MOLECULES = Path(__file__).resolve().parents[2] / "data" / "molecules"


class Net(nn.Module):
    """Takes a Data; not equivariant."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.node = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3)).double()

    def forward(self, data):
        x = self.node(data.pos.double())
        return {"energy": global_add_pool(x, data.batch)[:, 0], "forces": x}


class Never(MotionFrame):
    """A frame that must not be computed."""

    def build(self, cloud):
        raise AssertionError("computed again")


OUTPUT = {"energy": "scalar", "forces": "vector"}


@pytest.fixture(params=["pca", "ragged"])
def frame(request, ragged):
    return PCAFrame("SE(3)") if request.param == "pca" else ragged


def same(a, b):
    return all(torch.allclose(a[key], b[key], atol=1e-9) for key in OUTPUT)


class Pipeline(nn.Module):
    """What a loader's worker and a training step do."""

    def __init__(self, frame, chunk):
        super().__init__()
        self.add = AddFrames(frame)
        self.model = FrameAveraging(Net(), Never(frame.group), output=OUTPUT, chunk=chunk)

    def forward(self, data):
        data = self.add(data)
        return self.model(data, frames=data_frames(data))


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_a_framed_model_uses_what_is_stored(frame, molecules, chunk):
    batch = Batch.from_data_list(molecules)
    expected = FrameAveraging(Net(), frame, output=OUTPUT)(batch)
    model = Pipeline(frame, chunk)
    assert same(model(batch), expected)
    loaded = Batch.from_data_list([AddFrames(frame)(data) for data in molecules])
    assert same(model.model(loaded, frames=data_frames(loaded)), expected)
    assert_equivariant(model, batch, "SE(3)", output=OUTPUT, tol=1e-9)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(Net(), batch, "SE(3)", output=OUTPUT)


def test_one_graph(frame, molecules):
    one = AddFrames(frame)(molecules[1])
    alone = FrameAveraging(Net(), Never("SE(3)"), output=OUTPUT)(one, frames=data_frames(one))
    expected = FrameAveraging(Net(), frame, output=OUTPUT)(Batch.from_data_list(molecules))
    assert torch.allclose(alone["forces"], expected["forces"][5:13])


def test_they_are_the_frames(frame, molecules):
    batch = Batch.from_data_list(molecules)
    expected = frame(batch.pos, batch=batch.batch, node_weight=batch.z)
    for given in (AddFrames(frame)(batch), Batch.from_data_list([AddFrames(frame)(m) for m in molecules])):
        frames = data_frames(given)
        assert torch.allclose(frames.rotation, expected.rotation)
        assert torch.equal(frames.body, expected.body)
        assert torch.allclose(frames.weight, expected.weight)
        assert torch.allclose(frames.origin, expected.origin)
        assert (frames.num_bodies, frames.slots) == (4, expected.slots)
        assert (frames.exact is None) == (expected.exact is None)
        assert expected.exact is None or torch.equal(frames.exact, expected.exact)
        assert frames.rotation.dtype == torch.float64
        x = torch.randn(len(batch.pos), 3).double()
        assert torch.allclose(frames.to_frame(x), expected.to_frame(x))


def test_weights_and_what_is_read(molecules):
    batch = Batch.from_data_list(molecules)
    inputs, frame = {"pos": "point", "force": "vector"}, PCAFrame("E(3)")
    given = AddFrames(frame, inputs, reads=("pos", "force"), node_weight=None)(batch)
    expected = frame(batch.pos, batch.force, batch=batch.batch)
    assert torch.allclose(data_frames(given).rotation, expected.rotation)
    given = AddFrames(frame, inputs, reads=("force",), node_weight=lambda values: values["charge"].abs())(
        batch
    )
    expected = FrameAveraging(Net(), frame, inputs, OUTPUT, ("force",), lambda values: values["charge"].abs())
    framed = FrameAveraging(Net(), Never("E(3)"), inputs, OUTPUT)(given, frames=data_frames(given))
    assert same(framed, expected(batch))


def test_batches_are_taken_apart(frame, molecules):
    batch = Batch.from_data_list(molecules)
    given = AddFrames(frame)(batch)
    singles = [AddFrames(frame)(data) for data in molecules]
    for one, single in zip(given.to_data_list(), singles, strict=True):
        assert set(one.keys()) == set(single.keys())
        assert all(torch.allclose(one[k], single[k]) for k in single.keys() if k.startswith("frame_"))  # noqa: SIM118
    part = Batch.from_data_list(given.index_select([3, 1]))
    expected = AddFrames(frame)(Batch.from_data_list([molecules[3], molecules[1]]))
    assert torch.allclose(data_frames(part).rotation, data_frames(expected).rotation)
    assert "frame_rotation" not in batch
    assert "frame_rotation" not in batch._slice_dict
    batch.to_data_list()


def test_frames_are_replaced(molecules):
    """By those of a group that has no origin, too."""
    batch = AddFrames(PCAFrame("E(3)"))(Batch.from_data_list(molecules))
    again = AddFrames(PCAFrame("O(3)"), {"pos": "vector"})(batch)
    assert data_frames(again).origin is None
    assert data_frames(batch).origin is not None
    assert "frame_origin" not in again[0]
    assert len(AddFrames(PCAFrame("T(3)"))(again)[2].frame_rotation) == 1


@pytest.mark.parametrize("where", ["transform", "pre_transform"])
@pytest.mark.parametrize("workers", [0, 2])
def test_xyz_files_through_a_loader(where, workers):
    """Methane has 24 frames, others 2: what is loaded gives what is computed, and nothing is computed."""
    frame = WeightedPCAFrame("E(3)", smoothness="fast")
    dataset = XYZ(MOLECULES, dtype=torch.float64, **{where: AddFrames(frame)})
    plain = DataLoader(XYZ(MOLECULES, dtype=torch.float64), batch_size=6)
    model = FrameAveraging(Net(), frame, output=OUTPUT)
    never = FrameAveraging(Net(), Never("E(3)"), output=OUTPUT)
    counts = []
    for batch, other in zip(DataLoader(dataset, batch_size=6, num_workers=workers), plain, strict=True):
        assert same(never(batch, frames=data_frames(batch)), model(other))
        assert data_frames(batch).exact_for("vector").all()
        counts += batch.frame_count.tolist()
    assert min(counts) < 3
    assert max(counts) >= 24


class Memory(InMemoryDataset):
    def __init__(self, samples):
        super().__init__()
        self.data, self.slices = self.collate(samples)


def test_the_loader_of_contiguous_data(frame, molecules):
    dataset = Memory([AddFrames(frame)(data) for data in molecules])
    (batch,) = InMemoryLoader(dataset, batch_size=4)
    model, expected = FrameAveraging(Net(), frame, output=OUTPUT), Batch.from_data_list(molecules)
    never = FrameAveraging(Net(), Never("SE(3)"), output=OUTPUT)
    assert same(never(batch, frames=data_frames(batch)), model(expected))
    for batch in InMemoryLoader(dataset, batch_size=3, shuffle=True):
        assert same(never(batch, frames=data_frames(batch)), model(batch))
    for batch in InMemoryLoader(Memory(molecules), batch_size=3):  # whole batches, as the loader asks
        assert same(never(batch, frames=data_frames(AddFrames(frame)(batch))), model(batch))


def test_one_of_the_stored_frames_a_step(molecules):
    batch = AddFrames(PCAFrame("SE(3)"))(Batch.from_data_list(molecules))
    model = FrameAveraging(Net(), Never("SE(3)"), output=OUTPUT)
    draws = [model(batch, frames=data_frames(batch).sample(1))["energy"] for _ in range(300)]
    full = model(batch, frames=data_frames(batch))["energy"]
    spread = torch.stack(draws).std(0)
    assert spread.max() > 1e-3
    assert ((torch.stack(draws).mean(0) - full).abs() < 5 * spread / 300**0.5 + 1e-9).all()


def test_no_gradient_no_forces(make):
    data = make(5)
    data.pos.requires_grad_()
    with pytest.raises(ValueError, match="'pos': expected a tensor without gradient"):
        AddFrames(PCAFrame("E(3)"))(data)
    data.pos.requires_grad_(False)
    data.charge.requires_grad_()  # not declared: what the model learns from is no matter of frames
    given = AddFrames(PCAFrame("E(3)"))(data)
    given.pos.requires_grad_()
    model = FrameAveraging(Net(), PCAFrame("E(3)"), output=OUTPUT)
    with pytest.raises(ValueError, match="frames: expected frames that carry the gradient of 'pos'"):
        model(given, frames=data_frames(given))
    with torch.no_grad():
        model(given, frames=data_frames(given))


class Learned(MotionFrame):
    def __init__(self):
        super().__init__("E(3)")
        self.scale = nn.Parameter(torch.ones(()))

    def build(self, cloud):
        return PCAFrame(self.group).build(cloud)


def test_frames_to_be_trained_are_refused(make):
    with pytest.raises(
        ValueError, match="frame: expected a frame without trainable parameters, found Learned"
    ):
        AddFrames(Learned())(make(4))
    assert "frame_rotation" in AddFrames(Learned().requires_grad_(False))(make(4))


def test_what_is_given_stays_as_it_is(frame, molecules):
    for data in (molecules[0], Batch.from_data_list(molecules)):
        before, keys = copy.deepcopy(data), data.keys()
        AddFrames(frame)(data)
        assert data.keys() == keys
        assert all(torch.equal(data[name], before[name]) for name in keys)


def test_in_float32(make):
    given = AddFrames(PCAFrame("E(3)"))(make(5, torch.float32))
    assert given.frame_rotation.dtype == torch.float64
    assert data_frames(given).to_frame(given.pos, "point").dtype == torch.float32


def test_copies_and_repr(make):
    data, add = make(5), AddFrames(Sample(PCAFrame("E(3)")).eval(), {"pos": "point"}, node_weight=None)
    for other in (pickle.loads(pickle.dumps(add)), copy.deepcopy(add)):
        assert torch.equal(other(data).frame_rotation, add(data).frame_rotation)
    assert repr(AddFrames(PCAFrame("E(3)"))) == (
        "AddFrames(PCAFrame(\"E(3)\"), inputs={'pos': 'point'}, reads=['pos'])"
    )


def test_wrong_data(make):
    with pytest.raises(ValueError, match=r"frame_rotation, .*: expected tensors, found .*pos"):
        data_frames(make(4))
    given = AddFrames(PCAFrame("E(3)"))(make(4))
    with pytest.raises(ValueError, match="pose_rotation"):
        data_frames(given, "pose")
    given.frame_count = torch.tensor([7])
    with pytest.raises(ValueError, match="frame_count: expected a sum of 8 frames, found 7"):
        data_frames(given)
    with pytest.raises(ValueError, match="frame: expected a frame"):
        AddFrames("E(3)")
    with pytest.raises(ValueError, match="'vel': expected a tensor"):
        AddFrames(PCAFrame("E(3)"), {"vel": "vector"})(Data(pos=torch.zeros(4, 3)))
