"""Frames where principal axes do not suffice: their number, and the effect of further declared inputs."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame, WeightedPCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.reps import Rep
from fa_pyg.testing import assert_frame, catalogue, modified, random_motion

INPUTS = {"vel": "vector", "spin": "pseudovector", "field": "vector", "cell": "vector"}
OUTPUTS = ("scalar", "pseudoscalar", "vector", "pseudovector", "tensor")
GROUPS = ["E(3)", "SE(3)", "O(3)", "SO(3)", "E(2)", "SE(2)", "O(2)", "SO(2)"]
CATALOGUE = {dim: list(catalogue(dim)) for dim in (2, 3)}
CLOUDS = {cloud.name: cloud for cloud in CATALOGUE[3]}


class Net(nn.Module):
    """A smooth network of positions, weights and whatever else is declared; it knows nothing of geometry."""

    def __init__(self, dim, extra):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.shapes = [(dim,) * Rep.of(rep).rank for rep in OUTPUTS]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        width = dim + 1 + sum(dim * dim if name == "cell" else dim for name in extra)
        shapes = (width, 12), (12, 12), (12, 2 * sum(self.sizes))
        self.w = [torch.randn(s, generator=g, dtype=torch.float64) / s[0] ** 0.5 for s in shapes]

    def forward(self, pos, batch, weight, vel=None, spin=None, field=None, cell=None):
        own = [pos, weight.unsqueeze(1) / 10] + [x for x in (vel, spin) if x is not None]
        own += [x.flatten(1)[batch] for x in (field, cell) if x is not None]
        h = (torch.cat(own, 1) @ self.w[0] + 0.3).tanh()
        whole = scatter_sum((h @ self.w[1] + 0.1).tanh(), batch, int(batch.max()) + 1)
        node, graph = ((h + whole[batch]) @ self.w[2]).tanh(), (whole @ self.w[2]).tanh()
        parts = node[:, : sum(self.sizes)], graph[:, sum(self.sizes) :]
        found = {}
        for level, part in zip(("node", "graph"), parts, strict=True):
            for rep, shape, x in zip(OUTPUTS, self.shapes, part.split(self.sizes, 1), strict=True):
                found[f"{level} {rep}"] = x.reshape(len(x), *shape)
        return found


def framed(frame, extra=()):
    inputs = {"pos": "point" if frame.group.translates else "vector"} | {k: INPUTS[k] for k in extra}
    names = [f"{level} {rep}" for level in ("node", "graph") for rep in OUTPUTS]
    output, level = ({name: name.split()[k] for name in names} for k in (1, 0))
    return FrameAveraging(
        Net(frame.group.dim, extra), frame, inputs, output, node_weight="weight", level=level
    )


def arguments(clouds, extra, generator):
    count, dim = torch.tensor([len(cloud.pos) for cloud in clouds]), clouds[0].pos.size(1)
    nodes, graphs = (int(count.sum()), dim), (len(clouds), dim)
    shapes = {"vel": nodes, "spin": nodes, "field": graphs, "cell": (*graphs, dim)}
    weight = [torch.ones(len(cloud.pos)) if cloud.z is None else cloud.z for cloud in clouds]
    moved = {k: torch.randn(shapes[k], generator=generator, dtype=torch.float64) for k in extra}
    moved["pos"] = torch.cat([cloud.pos for cloud in clouds])
    batch = torch.arange(len(clouds)).repeat_interleave(count)
    return moved, {"batch": batch, "weight": torch.cat(weight).double()}


def errors(frame, clouds, extra=(), bare=False):
    """The largest equivariance error of each cloud, relative to the larger output, node order included."""
    g, model = torch.Generator().manual_seed(0), framed(frame, extra)
    moved, fixed = arguments(clouds, extra, g)
    batch, worst = fixed["batch"], torch.zeros(len(clouds), dtype=torch.float64)
    run = model.model if bare else model
    plain, unframed = run(**moved, **fixed), model.model(**moved, **fixed)
    for proper in (True, False) if frame.group.reflects else (True,):
        motion = random_motion(frame.group, g, proper=proper)
        order = torch.randperm(len(batch), generator=g)
        again = {k: motion(x, model.inputs[k]) for k, x in moved.items()}
        again = {
            k: x[order] if len(x) == len(order) and k != "field" and k != "cell" else x
            for k, x in again.items()
        }
        found = run(**again, **{k: x[order] for k, x in fixed.items()})
        for name, rep in model.output.items():
            expected, index = motion(plain[name], rep), torch.arange(len(clouds))
            reference = index
            if name.startswith("node"):
                expected, index, reference = expected[order], batch[order], batch
            norm = [
                scatter_sum(x.pow(2).reshape(len(x), -1).sum(1), i, len(clouds)).sqrt()
                for x, i in (
                    (found[name] - expected, index),
                    (plain[name], reference),
                    (unframed[name], reference),
                )
            ]
            worst = torch.maximum(worst, norm[0] / torch.maximum(norm[1], norm[2]))
    return worst


def small(dim):
    return [cloud for cloud in CATALOGUE[dim] if len(cloud.pos) < 14]


# ------------------------------------------------------------------------------------ declared inputs


@pytest.mark.parametrize(
    "extra", [(), ("vel",), ("spin",), ("field",), ("cell",), ("spin", "field")], ids=str
)
@pytest.mark.parametrize("group", GROUPS)
def test_further_inputs_count(group, extra):
    """Axes are read from positions alone; what fixes them may move the others."""
    clouds = small(int(group[-2]))[:: 2 if extra == ("vel",) else 7]
    found = errors(WeightedPCAFrame(group), clouds, extra)
    assert found.max() < 1e-10, [(clouds[i].name, found[i].item()) for i in found.argsort()[-3:]]
    assert errors(PCAFrame(group), clouds, extra).max() > 1e-3
    assert errors(WeightedPCAFrame(group), clouds, extra, bare=True).min() > 1e-3


@pytest.mark.parametrize(
    "name", ["generic plane, tilted", "generic line, oblique", "one atom off the origin"]
)
def test_velocities_out_of_the_plane_off_the_line_on_an_atom(name):
    for extra in (("vel",), ("spin",), ("field",), ("cell",)):
        for group in ("E(3)", "SE(3)"):
            assert errors(WeightedPCAFrame(group), [CLOUDS[name]], extra).max() < 1e-10
        control = errors(PCAFrame("SE(3)"), [CLOUDS[name]], extra).max()
        assert control > 1e-3 or "plane" in name


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "E(2)", "SE(2)"])
def test_atoms_only_have_the_directions_of_their_velocities(group, offset):
    """What is left of a point when its centroid is taken off is rounding, and no direction."""
    names = ("one atom off the origin", "coincident points, coloured", "coincident points")
    clouds = [cloud for cloud in catalogue(int(group[-2]), ["coincident"]) if cloud.name in names]
    far = [modified(cloud, offset) for cloud in clouds]
    weights = [cloud._replace(z=1 + torch.rand(len(cloud.pos))) for cloud in far]
    tolerance = 1e-11 + 100 * offset * torch.finfo(torch.float64).eps
    for extra in (("vel",), ("field",), ("vel", "spin")):
        assert errors(WeightedPCAFrame(group), far + weights, extra).max() < tolerance
        assert errors(PCAFrame(group), far + weights, extra).max() > 1e-3


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "SO(2)"])
def test_a_field_may_go_through_zero(group):
    """Frames of symmetric clouds do not take part in what the axes are not made of."""
    wanted = ("methane", "benzene", "CO2", "generic", "SF6", "one atom") if "3" in group else None
    clouds = [cloud for cloud in CATALOGUE[int(group[-2])] if wanted is None or cloud.name in wanted]
    clouds = [cloud for cloud in clouds if len(cloud.pos) < 14]
    for extra in (("vel",), ("field",), ("spin",)):
        model = framed(WeightedPCAFrame(group), extra)
        moved, fixed = arguments(clouds, extra, torch.Generator().manual_seed(0))
        none = model(**{k: x * (k == "pos") for k, x in moved.items()}, **fixed)
        change = []
        for size in (1e-2, 1e-6):
            some = model(**{k: x if k == "pos" else size * x for k, x in moved.items()}, **fixed)
            change.append(max((some[k] - none[k]).abs().max() for k in none))
        assert 0 < change[1] < 1e-3 * change[0]


def test_quantities_that_are_read_share_a_scale():
    """A velocity that the axes are made of may go through zero, too."""
    pos, z = CLOUDS["methane"].pos, CLOUDS["methane"].z
    vel = torch.randn(pos.shape, generator=torch.Generator().manual_seed(0), dtype=pos.dtype)
    frame = WeightedPCAFrame("E(3)")
    plain = frame(pos, node_weight=z)
    little = frame(pos, 1e-7 * vel, node_weight=z)
    distance = (plain.rotation[:, None] - little.rotation[None]).abs().amax((-1, -2)).amin(0)
    assert distance.max() < 1e-5
    assert_frame(frame, pos, vel, node_weight=z)
    assert_frame(frame, 1e-3 * pos, vel * torch.tensor([0.0, 0, 1.0], dtype=pos.dtype), node_weight=z)


# ------------------------------------------------------------------------------------ how many


@pytest.mark.parametrize(
    ("name", "under_o", "under_so"),
    [
        ("methane", 24, 12),
        ("SF6", 48, 24),
        ("benzene", 24, 12),
        ("CHFClBr on a regular tetrahedron", 1, 1),
        ("allene", 8, 4),
        ("P4", 24, 12),
        ("generic", 1, 1),
        ("generic plane, tilted", 2, 1),
        ("5-gon", 20, 10),
        ("12-gon", 48, 24),
    ],
)
def test_number_of_frames_of_symmetric_molecules(name, under_o, under_so):
    """At equal weights; two or three where a moment is not clear, but those of PCAFrame are 8 and 4."""
    cloud = CLOUDS[name]
    assert (cloud.order, cloud.rotations) == (under_o, under_so)
    for group, order in (("E(3)", under_o), ("SE(3)", under_so), ("O(3)", under_o), ("SO(3)", under_so)):
        frames = WeightedPCAFrame(group, smoothness="fast")(
            cloud.pos - cloud.pos.mean(0), node_weight=cloud.z
        )
        count = frames.num_frames
        assert count == order or (name == "generic" and count <= 2)
        if name != "generic":
            assert torch.allclose(frames.weight, torch.full_like(frames.weight, 1 / order), atol=1e-9)


def test_no_symmetry_is_forgotten():
    """Each frame comes with its whole orbit: never fewer than the stabiliser, and a multiple where tied."""
    clouds = [cloud for cloud in CLOUDS.values() if cloud.order is not None and len(cloud.pos) < 30]
    moved, fixed = arguments(clouds, (), None)
    for group, k in (("E(3)", 3), ("SE(3)", 4)):
        frames = WeightedPCAFrame(group, smoothness="fast")(
            moved["pos"], batch=fixed["batch"], node_weight=fixed["weight"]
        )
        for count, cloud in zip(frames.counts.tolist(), clouds, strict=True):
            order = cloud[k] if cloud[k] < math.inf else 1
            assert count >= order, cloud.name
            assert count % order == 0, cloud.name


def test_lines_and_points_have_bounded_numbers():
    line = torch.linspace(-1, 2, 50, dtype=torch.float64).unsqueeze(1) * torch.tensor([0.48, -0.64, 0.6])
    assert WeightedPCAFrame("SE(3)", smoothness="fast")(line**3).num_frames <= 8
    assert WeightedPCAFrame("E(3)", smoothness="fast")(line**3).num_frames <= 16
    assert WeightedPCAFrame("SE(3)", smoothness="fast")(line * 0 + 3).num_frames == 24
    assert WeightedPCAFrame("E(3)", smoothness="fast")(line * 0 + 3).num_frames == 48


# ------------------------------------------------------------------------------------ memory

MEMORY = """
import resource, torch
from fa_pyg import WeightedPCAFrame
torch.set_num_threads(1)
g = torch.Generator().manual_seed(0)

def cloud(n, *shape):
    return torch.randn(n, 3, generator=g, dtype=torch.float64) * torch.tensor(shape)

def sphere(n):
    x = cloud(n, 1.0, 1, 1)
    return x / x.norm(dim=1, keepdim=True)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

n = 100_000
angle = torch.arange(1000, dtype=torch.float64) * (2 * torch.pi / 1000)
clouds = {
    "isotropic": cloud(n, 1.0, 1, 1), "generic": cloud(n, 1.0, 2, 3), "plane": cloud(n, 1.0, 1, 0),
    "line": cloud(n, 1.0, 0, 0), "point": cloud(n, 0.0, 0, 0),
    "polygon": torch.stack([angle.cos(), angle.sin(), 0 * angle], 1),
    "sphere": sphere(1000), "ball": sphere(5000) * torch.rand(5000, 1, generator=g) ** (1 / 3),
}
before = peak()
for kind, x in clouds.items():
    for smoothness in ("fast", "forces"):
        frames = WeightedPCAFrame("E(3)", smoothness=smoothness)(x)
        print(kind, smoothness, frames.num_frames, peak() - before)
"""


def test_memory_is_bounded():
    """All pairs of 100 000 points would be 80 gigabytes of scores alone."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=200, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert max(int(row[-1]) for row in rows) < 400_000, rows
    found = {(kind, smoothness): int(count) for kind, smoothness, count, _ in rows}
    assert [found[kind, "fast"] for kind in ("line", "point", "polygon")] == [16, 48, 4000]
    assert max(found[kind, "forces"] for kind in ("isotropic", "generic", "plane", "line", "ball")) <= 16
    assert found["point", "forces"] == 48
    assert found["polygon", "forces"] >= 4000  # twice its symmetries: none is left out
    assert max(found["sphere", "fast"], found["sphere", "forces"] / 4) < 4000


@pytest.mark.parametrize("smoothness", ["fast", "forces", "dynamics"])
def test_the_number_of_frames_is_bounded_beyond_symmetry(smoothness):
    """By some 16 axes and 8 candidates each in all signs, a few times over, however many tie nearly."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(10_000, 3, generator=g, dtype=torch.float64)
    sphere = x / x.norm(dim=1, keepdim=True)
    nearly = sphere * (1 + 1e-4 * torch.rand(10_000, 1, generator=g, dtype=torch.float64))
    isotropic = torch.linalg.solve_triangular(
        torch.linalg.cholesky(nearly.T @ nearly), nearly.T, upper=False
    ).T
    frame = WeightedPCAFrame("SE(3)", smoothness=smoothness)
    found = frame(isotropic * 100).num_frames
    assert 24 < found <= 4 * 8 * 16 * 8


def test_c60_is_its_own_bound():
    cloud = next(cloud for cloud in catalogue() if "C60" in cloud.name)
    for smoothness in ("fast", "forces", "dynamics"):
        frame = WeightedPCAFrame("SE(3)", smoothness=smoothness)
        count = frame(cloud.pos).num_frames
        assert count % 60 == 0
        assert count <= 8192
