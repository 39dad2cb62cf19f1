"""Minimal frames: exact on symmetric and flat clouds, in whatever order the nodes come, within memory."""

from typing import ClassVar

import pytest
import torch
from torch import nn

import fa_pyg
from fa_pyg import FrameAveraging, PCAFrame, builders, read_xyz
from fa_pyg.builders.gram_schmidt import completed, gram_schmidt
from fa_pyg.builders.qr import GeneralizedQRFrame
from fa_pyg.builders.qr import frame as qr
from fa_pyg.config.allowlist import Allowlist
from fa_pyg.frames import Frames
from fa_pyg.testing import assert_equivariant, assert_frame, equivariance_error, random_motion

BATCH = torch.arange(5).repeat(6)  # unsorted
# The orders of the molecules' point groups: of rotations, and with reflections.
POINT_GROUPS = {
    "methane": (12, 24),
    "sulfur_hexafluoride": (24, 48),
    "allene": (4, 8),
    "water": (2, 4),
    "pyridine": (2, 4),
}
SYMMETRIC = [*POINT_GROUPS, "benzene", "cyclobutane", "ammonia", "ethylene", "hydrogen_peroxide"]
LINEAR = ["acetylene", "carbon_dioxide"]


def cloud(dim=3, seed=0):
    return torch.randn(30, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 3


def molecule(name, seed=0):
    data = read_xyz(f"data/molecules/{name}.xyz")[0]
    return random_motion("SE(3)", torch.Generator().manual_seed(seed))(data.pos.double()), data.z


class Net(nn.Module):
    """Knows nothing of geometry; returns one output of each representation a node, and one a graph."""

    OUTPUT: ClassVar = {name: name for name in ("scalar", "vector", "pseudovector", "tensor")}

    def __init__(self, inputs=3):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(inputs, 24), nn.SiLU(), nn.Linear(24, 16)).double()
        self.read = nn.Sequential(nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 16)).double()

    def forward(self, pos, z, vel=None):
        h = self.embed(pos if vel is None else torch.cat([pos, vel], dim=-1)) * z.unsqueeze(-1)
        y = self.read((h + h.mean(0)).tanh())
        parts = (y[:, 0], y[:, 1:4], y[:, 4:7], y[:, 7:].view(-1, 3, 3))
        return dict(zip(self.OUTPUT, parts, strict=True))


def framed(frame, inputs=None, width=3):
    return FrameAveraging(Net(width), frame, inputs, Net.OUTPUT)


@pytest.mark.parametrize("group", [f"{kind}({dim})" for kind in ("O", "SO", "E", "SE") for dim in (2, 3)])
def test_one_frame_for_a_generic_cloud(group):
    frame, pos = GeneralizedQRFrame(group), cloud(int(group[-2]))
    assert_frame(frame, pos, batch=BATCH)
    assert_frame(frame, pos, pos.flip(0), batch=BATCH, node_weight=torch.rand(30))
    assert frame(pos, batch=BATCH).counts.tolist() == [1] * 5


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_molecules(name, group):
    pos, z = molecule(name)
    frame = GeneralizedQRFrame(group)
    assert_frame(frame, pos, node_weight=z, trials=2)
    assert_equivariant(framed(frame), {"pos": pos, "z": z}, group)


@pytest.mark.parametrize("name", POINT_GROUPS)
def test_as_many_frames_as_the_molecule_has_symmetries(name):
    pos, z = molecule(name)
    for group, order in zip(("SE(3)", "E(3)"), POINT_GROUPS[name], strict=True):
        assert GeneralizedQRFrame(group)(pos, node_weight=z).num_frames == order


def test_principal_axes_fail_where_this_does_not():
    pos, z = molecule("methane")
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(PCAFrame("E(3)"), pos, node_weight=z)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(framed(PCAFrame("E(3)")), {"pos": pos, "z": z}, "E(3)")
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(Net(), {"pos": pos, "z": z}, "E(3)", output=Net.OUTPUT)


def same_sets(a, b):
    distance = (a.rotation.unsqueeze(1) - b.rotation).abs().amax((2, 3)) + (a.body[:, None] != b.body) * 9.0
    return max(distance.min(0).values.max(), distance.min(1).values.max()) < 1e-9


def by_node_order(pos, batch):
    """The negative control: Gram-Schmidt on the first nodes as they come."""
    bodies = [pos[batch == b] for b in range(int(batch.max()) + 1)]
    first = torch.stack([(x - x.mean(0))[:3] for x in bodies])
    return Frames(completed(gram_schmidt(first, 1e-9))[0])


def test_node_order():
    pos, z = molecule("methane")
    pos, z = torch.cat([pos, cloud()[:7]]), torch.cat([z, torch.ones(7, dtype=z.dtype)])
    batch = torch.tensor([0] * 5 + [1] * 7)
    plain, controls = GeneralizedQRFrame("E(3)")(pos, batch=batch, node_weight=z), []
    for _ in range(5):
        order = torch.randperm(12)
        mixed = GeneralizedQRFrame("E(3)")(pos[order], batch=batch[order], node_weight=z[order])
        assert same_sets(plain, mixed)
        controls.append(same_sets(by_node_order(pos, batch), by_node_order(pos[order], batch[order])))
    assert not all(controls)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_planar_clouds(group):
    pos = cloud()[:6]
    pos[:, 2] = 0
    pos = random_motion("E(3)", torch.Generator().manual_seed(0))(pos)
    frame = GeneralizedQRFrame(group)
    assert_frame(frame, pos)
    frames = frame(pos)
    assert frames.num_frames == (2 if group == "E(3)" else 1)  # both normals
    assert torch.allclose(frames.rotation[0, :, :2], frames.rotation[-1, :, :2])
    assert_equivariant(framed(frame), {"pos": pos, "z": torch.ones(6)}, group)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@pytest.mark.parametrize("name", [*LINEAR, "atom", "coincident"])
def test_linear_clouds_and_points(name, group):
    """Exact for outputs up to rank 3, though the axes across the line are arbitrary."""
    if name in LINEAR:
        pos, z = molecule(name)
    else:
        z = torch.ones(1 if name == "atom" else 2)
        pos = torch.randn(1, 3, dtype=torch.float64).repeat(len(z), 1)
    args = {"pos": pos, "z": z}
    assert_equivariant(framed(GeneralizedQRFrame(group)), args, group)

    class First(GeneralizedQRFrame):
        """The negative control: one of them does not do."""

        def build(self, cloud):
            frames = super().build(cloud)
            return Frames(frames.rotation[: cloud.size], origin=frames.origin, batch=cloud.batch)

    assert equivariance_error(framed(First(group)), args, group)["proper"] > 1e-3


@pytest.mark.parametrize("name", ["carbon_dioxide", "methane", "water", "atom"])
def test_declared_velocities_count_where_positions_leave_axes_open(name):
    pos, z = molecule(name) if name != "atom" else (torch.randn(1, 3).double(), torch.ones(1))
    for vel in (torch.randn_like(pos), (pos - pos.mean(0)) * 0.3, torch.randn(1, 3).to(pos).expand_as(pos)):
        model = framed(GeneralizedQRFrame("E(3)"), {"pos": "point", "vel": "vector"}, 6)
        assert_equivariant(model, {"pos": pos, "z": z, "vel": vel}, "E(3)")


def test_pseudovectors_that_are_read_or_only_declared():
    pos, z = molecule("carbon_dioxide")
    model = framed(GeneralizedQRFrame("E(3)"), {"pos": "point", "vel": "pseudovector"}, 6)
    for reads in (["pos"], ["vel"], ["vel", "pos"]):
        model.reading.reads = reads
        assert_equivariant(model, {"pos": pos, "z": z, "vel": torch.randn_like(pos)}, "E(3)")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", ["methane", "benzene", "water"])
def test_scale_offset_and_type(name, scale, dtype):
    pos, z = molecule(name)
    counts = set()
    for offset in (0, 10, 1e3):
        moved = ((pos + offset) * scale).to(dtype)
        frames = GeneralizedQRFrame("SE(3)")(moved, node_weight=z)
        assert frames.rotation.dtype == torch.float64
        counts.add(frames.num_frames)
        error = (frames.rotation.mT @ frames.rotation - torch.eye(3, dtype=torch.float64)).abs().max()
        assert error < 1e-13
    assert len(counts) == 1


def energy(pos, z, frame):
    """A smooth invariant that the frame alone makes invariant."""
    frames = frame(pos, node_weight=z)
    x = frames.to_frame(pos, "point")
    z = z.to(x).repeat(frames.num_frames)
    probe = torch.arange(1.0, 4.0, dtype=x.dtype)
    return frames.average((z * (x.sin() @ probe).exp()), "scalar", "node").sum()


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@pytest.mark.parametrize("name", [*SYMMETRIC, *LINEAR])
def test_forces_on_symmetric_molecules(name, group):
    """Finite, without net force or torque, and none across a plane or a line."""
    pos, z = molecule(name)
    frame = GeneralizedQRFrame(group)
    pos = pos.requires_grad_()
    (force,) = torch.autograd.grad(energy(pos, z, frame), pos, create_graph=True)
    (second,) = torch.autograd.grad(force.square().sum(), pos)
    assert second.isfinite().all()
    scale = force.detach().abs().max()
    centered = pos.detach() - pos.detach().mean(0)
    assert force.sum(0).abs().max() < 1e-9 * scale
    assert torch.linalg.cross(centered, force.detach()).sum(0).abs().max() < 1e-9 * scale
    flat = torch.linalg.svd(centered)[2][torch.linalg.svdvals(centered) < 1e-4]
    if len(flat) and (group == "E(3)" or name in LINEAR):
        assert (force.detach() @ flat.T).abs().max() < 1e-4 * scale  # the file's digits


def test_gradients_are_those_of_finite_differences():
    pos, z = cloud()[:5], torch.arange(1, 6)
    for group in ("O(3)", "SO(3)", "E(3)", "SE(3)"):
        frame = GeneralizedQRFrame(group)
        rows = pos.requires_grad_()
        assert torch.autograd.gradcheck(lambda x, frame=frame: energy(x, z, frame), rows)
        assert torch.autograd.gradgradcheck(lambda x, frame=frame: energy(x, z, frame), rows)


def test_coincident_nodes_share_the_gradient():
    """In whatever order they come: one of them alone would depend on it."""
    pos = torch.cat([cloud()[:6], cloud()[:6]]).requires_grad_()
    (force,) = torch.autograd.grad(energy(pos, torch.ones(12), GeneralizedQRFrame("E(3)")), pos)
    assert torch.allclose(force[:6], force[6:], atol=1e-12 * force.abs().max())


def test_ties_are_transitive():
    score = torch.tensor([1.0, 0.92, 0.3, 0.84, 0.5, 0.45, 0.40, 0.2])
    body = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    tied = qr._tied_with_best(score, body, torch.full((8,), 0.1))
    assert sorted(tied.tolist()) == [0, 1, 3, 4, 5, 6]
    assert qr._tied_with_best(score[:0], body[:0], score[:0]).tolist() == []


def test_blocks_give_the_same_frames(monkeypatch):
    pos, z = molecule("sulfur_hexafluoride")
    pos, z = torch.cat([pos, cloud()]), torch.cat([z, torch.ones(30, dtype=z.dtype)])
    batch = torch.cat([torch.zeros(7, dtype=torch.long), BATCH + 1])
    plain = GeneralizedQRFrame("E(3)")(pos, batch=batch, node_weight=z)
    monkeypatch.setattr(qr, "_PAIRS", 10)
    assert same_sets(plain, GeneralizedQRFrame("E(3)")(pos, batch=batch, node_weight=z))
    monkeypatch.setattr(qr, "_TOO_MANY", 50)
    with pytest.raises(ValueError, match="too many ties"):
        GeneralizedQRFrame("E(3)")(pos, batch=batch, node_weight=z)


@pytest.mark.parametrize("kind", ["ball", "sphere", "plane", "line", "copies"])
def test_many_points(kind, monkeypatch):
    """100 000 points: pairs are formed for the tied frames alone, one or two, never for all points."""
    monkeypatch.setattr(qr, "_TOO_MANY", 1_000_000)
    pos = torch.randn(100_000, 3)
    if kind == "sphere":
        pos = torch.nn.functional.normalize(pos, dim=-1)
    elif kind == "copies":
        pos = pos[:100].repeat(1000, 1)
    elif kind != "ball":
        pos = pos * torch.tensor([1.0, float(kind == "plane"), 0.0])
    frames = GeneralizedQRFrame("E(3)")(pos)
    assert frames.num_frames == {"plane": 2, "line": 8}.get(kind, 1)


def test_a_polygon_of_many_corners():
    angle = torch.arange(180, dtype=torch.float64) * 2 * torch.pi / 180
    pos = torch.stack([angle.cos(), angle.sin()], dim=1)
    assert GeneralizedQRFrame("SO(2)")(pos).num_frames == 180
    assert GeneralizedQRFrame("O(2)")(pos).num_frames == 360
    assert_frame(GeneralizedQRFrame("E(2)"), pos, trials=1)


def test_wrong_dimensions():
    with pytest.raises(ValueError, match=r"at most 4 dimensions, found E\(5\)"):
        GeneralizedQRFrame("E(5)")


def test_repr():
    assert repr(GeneralizedQRFrame("E(3)")) == 'GeneralizedQRFrame("E(3)")'


def test_the_old_spelling_in_code_and_in_saved_configurations():
    assert fa_pyg.GeneralisedQRFrame is builders.GeneralisedQRFrame is GeneralizedQRFrame
    for package in ("fa_pyg", "fa_pyg.builders", "fa_pyg.builders.qr"):
        assert Allowlist().find(f"{package}.GeneralisedQRFrame") is GeneralizedQRFrame
