"""A canonical pose is one pose for all moved copies, from which predictions find back."""

import copy
import pickle

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import NormalizeRotation

from fa_pyg import Frames, Group, HaarFrame, MotionFrame, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders import Cloud, Quantity
from fa_pyg.frames import Level, Rows
from fa_pyg.reps import Rep
from fa_pyg.testing import random_motion
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion, data_frames
from fa_pyg.transforms.pose import heaviest


def declared(group, inputs):
    """Groups without translations see positions as vectors from the origin."""
    return inputs if Group.of(group).translates else {**inputs, "pos": "vector"}


def moved(data, g, inputs):
    data = copy.copy(data)
    for name, rep in inputs.items():
        data[name] = g(data[name], rep)
    return data


def differ(a, b, names, tol):
    return any((a[name] - b[name]).abs().max() > tol * b[name].abs().max() for name in names)


@pytest.mark.parametrize("kind", [PCAFrame, WeightedPCAFrame])
@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "E(3)", "SE(3)", "T(3)"])
def test_all_copies_have_one_pose(kind, group, molecules, inputs):
    inputs = declared(group, inputs)
    pose = CanonicalPose(kind(group), inputs)
    generator = torch.Generator().manual_seed(0)
    for data in (*molecules[:2], molecules[3]):  # not the planar one of three atoms
        for _ in range(10):
            copied = moved(data, random_motion(group, generator), inputs)
            assert not differ(pose(copied), pose(data), inputs, 1e-9)


@pytest.mark.parametrize("sort", [False, True])
def test_normalize_rotation_has_many(sort, make):
    """The negative control: PyG's transform leaves the signs of its axes, and their order, to chance."""
    ours, theirs = CanonicalPose(PCAFrame("SO(3)"), {"pos": "vector"}), NormalizeRotation(sort=sort)
    other = {ours: 0, theirs: 0}
    for data in (make(8) for _ in range(5)):
        for _ in range(10):
            copied = moved(data, random_motion("SO(3)"), {"pos": "vector"})
            for transform in other:
                other[transform] += differ(transform(copied), transform(data), ["pos"], 1e-6)
    assert other[ours] == 0
    assert other[theirs] > 0.3 * 50


def test_in_float32(make):
    data = make(8, torch.float32)
    pose = CanonicalPose(PCAFrame("E(3)"))
    for _ in range(10):
        copied = moved(data, random_motion("E(3)"), {"pos": "point"})
        assert pose(copied).pos.dtype == torch.float32
        assert not differ(pose(copied), pose(data), ["pos"], 1e-5)


def test_reflections_are_told_apart_without_them(make):
    data = make(8)
    mirrored = moved(data, random_motion("O(3)", proper=False), {"pos": "vector"})
    assert differ(
        CanonicalPose(PCAFrame("SE(3)"))(mirrored), CanonicalPose(PCAFrame("SE(3)"))(data), ["pos"], 1e-3
    )
    assert not differ(
        CanonicalPose(PCAFrame("E(3)"))(mirrored), CanonicalPose(PCAFrame("E(3)"))(data), ["pos"], 1e-9
    )


def test_node_order(make):
    data, order = make(7), torch.randperm(7)
    shuffled = Data(pos=data.pos[order], z=data.z[order])
    pose = CanonicalPose(PCAFrame("E(3)"))
    assert torch.allclose(pose(shuffled).pos, pose(data).pos[order])


def test_a_batch_is_its_graphs_one_by_one(molecules, inputs):
    pose = CanonicalPose(PCAFrame("E(3)"), inputs, reads=("pos", "force"))
    batch = pose(Batch.from_data_list(molecules))
    collated = Batch.from_data_list([pose(data) for data in molecules])
    for name in (*inputs, "pose_rotation", "pose_origin", "pose_weight", "pose_count"):
        assert torch.allclose(batch[name], collated[name], atol=1e-12), name
    for one, data in zip(batch.to_data_list(), molecules, strict=True):
        assert torch.allclose(one.pose_rotation, pose(data).pose_rotation)


def test_predictions_turn_back(molecules, inputs):
    """Round trip of the inputs; and a bare network in the pose, turned back, is equivariant."""
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 3)).double()
    pose = CanonicalPose(PCAFrame("SE(3)"), inputs)
    molecules = [m for m in molecules if len(m.pos) > 3]
    batch = Batch.from_data_list(molecules)
    posed = pose(batch)
    for name in ("pos", "force", "spin", "cell", "torque"):
        level = "graph" if name in ("cell", "torque") else "node"
        back = data_frames(posed, "pose").from_frame(posed[name], inputs[name], level)
        assert torch.allclose(back, batch[name], atol=1e-10)

    def predict(data):
        posed = pose(data)
        return data_frames(posed, "pose").from_frame(net(posed.pos), "vector")

    g = random_motion("SE(3)")
    turned = Batch.from_data_list([moved(m, g, inputs) for m in molecules])
    assert torch.allclose(predict(turned), g(predict(batch), "vector"), atol=1e-9)
    assert (net(turned.pos) - g(net(batch.pos), "vector")).abs().max() > 1e-2


def oracle(frames, pos, batch, weight):
    """The heaviest frame of each body, and of equally heavy ones the most skewed, by loops."""
    chosen = []
    for body in range(frames.num_bodies):
        best = None
        for r, w in zip(
            frames.rotation[frames.body == body], frames.weight[frames.body == body], strict=True
        ):
            framed = (pos[batch == body] - frames.origin[body]) @ r
            key = (round(w.item(), 9), (weight[batch == body, None] * framed**3).sum().item())
            best = max(best, (key, r), key=lambda pair: pair[0]) if best else (key, r)
        chosen.append(best[1])
    return torch.stack(chosen)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_heaviest_frame_against_a_loop(tied, seed):
    torch.manual_seed(seed)
    pos, batch = torch.randn(12, 3).double(), torch.tensor([0, 1, 2, 0, 1, 2, 2, 2, 1, 0, 0, 1])
    body = torch.tensor([2, 0, 1, 1, 0, 2, 2, 0, 1, 2])
    rotation = Group.of("O(3)").haar(10, dtype=torch.float64)
    weight = torch.tensor([0.2, 0.3, 0.4, 0.1, 0.3, 0.4, 0.4, 0.1, 0.4, 0.2]) if tied else torch.rand(10)
    origin, share = torch.randn(3, 3).double(), torch.rand(12).double()
    frames = Frames(rotation, body, weight.double(), origin, batch)
    quantity = Quantity(pos, Rep.of("point"), Rows.of(batch, Level.NODE))
    found = heaviest(frames, Cloud((quantity,), (quantity,), batch, 3, share))
    assert torch.equal(found.rotation, oracle(frames, pos, batch, share))
    assert found.slots == 1
    assert found.weight.eq(1).all()


def test_ragged_frames(molecules, ragged):
    pose = CanonicalPose(ragged)
    batch = pose(Batch.from_data_list(molecules))
    for one, data in zip(batch.to_data_list(), molecules, strict=True):
        assert torch.allclose(one.pos, pose(data).pos)
        assert one.pose_rotation.shape == (1, 3, 3)


class OneFrame(MotionFrame):
    def build(self, cloud):
        return heaviest(PCAFrame(self.group).build(cloud), cloud)


def test_frames_of_one_element_and_drawn_ones(make):
    data = make(6)
    assert torch.equal(CanonicalPose(OneFrame("E(3)"))(data).pos, CanonicalPose(PCAFrame("E(3)"))(data).pos)
    drawn = CanonicalPose(Sample(PCAFrame("E(3)")))
    poses = torch.stack([drawn(data).pos for _ in range(60)])
    eight = PCAFrame("E(3)")(data.pos, node_weight=data.z).to_frame(data.pos, "point").view(8, 6, 3)
    near = (poses.unsqueeze(1) - eight).abs().amax((-1, -2)) < 1e-9
    assert near.sum(1).eq(1).all()
    assert near.any(0).all()  # all of them turn up
    haar = CanonicalPose(HaarFrame("SO(3)"), {"pos": "vector"})
    assert differ(haar(data), haar(data), ["pos"], 1e-2)


def test_forces_through_a_pose_are_the_true_gradient(make):
    data = make(5)

    def energy(pos):
        posed = CanonicalPose(PCAFrame("E(3)"))(Data(pos=pos, z=data.z)).pos
        return (posed.sin() * torch.arange(1.0, 4.0)).sum()

    assert torch.autograd.gradcheck(energy, data.pos.clone().requires_grad_())


def test_what_is_given_stays_as_it_is(molecules, inputs):
    for data in (molecules[0], Batch.from_data_list(molecules)):
        before, keys, slices = copy.deepcopy(data), data.keys(), dict(getattr(data, "_slice_dict", {}))
        CanonicalPose(PCAFrame("E(3)"), inputs)(data)
        assert data.keys() == keys
        assert all(torch.equal(data[name], before[name]) for name in keys)
        assert slices.keys() == dict(getattr(data, "_slice_dict", {})).keys()


def test_a_way_back_cannot_be_lost(make):
    """A motion after a pose, or after stored frames, would make what is stored belong to something else."""
    posed, framed = CanonicalPose(PCAFrame("E(3)"))(make(4)), AddFrames(PCAFrame("E(3)"))(make(4))
    for transform in (RandomMotion("E(3)"), CanonicalPose(PCAFrame("E(3)"))):
        with pytest.raises(
            ValueError, match=r"'pose_rotation': expected this transform before.*found stored frames"
        ):
            transform(posed)
        with pytest.raises(
            ValueError, match=r"'frame_rotation': expected this transform before.*found stored frames"
        ):
            transform(framed)


def test_copies_and_repr(make):
    data, pose = make(5), CanonicalPose(PCAFrame("E(3)"), {"pos": "point", "force": "vector"})
    for other in (pickle.loads(pickle.dumps(pose)), copy.deepcopy(pose)):
        assert torch.equal(other(data).pos, pose(data).pos)
    text = "CanonicalPose(PCAFrame(\"E(3)\"), inputs={'pos': 'point', 'force': 'vector'}, reads=['pos'])"
    assert repr(pose) == text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("E(3)",), "frame: expected a frame such as PCAFrame.*, found 'E\\(3\\)'"),
        ((PCAFrame("E(3)"), {}), "inputs: expected at least one"),
        ((PCAFrame("E(3)"), None, ()), "reads: expected some of the declared inputs pos, found none"),
        ((PCAFrame("E(3)"), None, ("vel",)), "reads: expected some of the declared inputs pos, found 'vel'"),
        ((PCAFrame("E(3)"), {"polar": "tensor"}), "reads: expected points and vectors"),
        ((PCAFrame("E(3)"), None, None, "mass"), "node_weight='mass': expected a number for each of 4 nodes"),
        ((PCAFrame("E(2)"),), r"'pos' of shape \[4, 3\] cannot be a point in 2 dimensions"),
    ],
)
def test_wrong_arguments(args, message, make):
    with pytest.raises(ValueError, match=message):
        CanonicalPose(*args)(make(4))
