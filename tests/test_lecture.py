"""Frame averaging as in a textbook, line by line (Puny et al. 2022).

<Phi>_F(x) = sum_{g in F(x)} w_g rho_out(g) Phi(rho_in(g)^-1 x)
"""

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, Frames, HaarFrame, MotionFrame, PCAFrame, Rep, read_xyz
from fa_pyg.reps import NAMED
from fa_pyg.testing import Motion, assert_equivariant, assert_frame, equivariance_error, random_motion

PYRIDINE = Path(__file__).resolve().parents[1] / "data/molecules/pyridine.xyz"
GROUPS = ["O(3)", "SO(3)", "E(3)", "SE(3)", "T(3)"]


class Phi(nn.Module):
    """A network that knows nothing of symmetry."""

    def __init__(self, dim=3, out=None, atoms=False):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(dim + atoms, 16), nn.SiLU(), nn.Linear(16, out or dim)).double()

    def forward(self, x, z=None):
        x = x if z is None else torch.cat([x, z.unsqueeze(1) / 10], dim=1)
        return self.layers(x) + self.layers(x.roll(1, 0) * 0.5).mean(0)


def points(dim=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(6, dim, generator=g, dtype=torch.float64) * torch.arange(1.0, dim + 1) + 1


# The group of translations of the line: F(x) = {mean(x)} -------------------------------------------


def test_translations_of_the_line():
    """<Phi>(x) = Phi(x - mean(x)) + mean(x): n numbers that move together."""
    phi, x = Phi(1), points(1)
    framed = FrameAveraging(phi, PCAFrame("T(1)"), inputs={"x": "point"}, output="point")
    assert torch.allclose(framed(x), phi(x - x.mean()) + x.mean(), atol=1e-14)
    for t in (-2.0, 0.5, 1e3):
        assert torch.allclose(framed(x + t), framed(x) + t, atol=1e-10)
        assert not torch.allclose(phi(x + t), phi(x) + t, atol=1e-2)
    invariant = FrameAveraging(phi, PCAFrame("T(1)"), inputs={"x": "point"})
    assert torch.allclose(invariant(x), phi(x - x.mean()), atol=1e-14)
    assert torch.allclose(invariant(x + 3), invariant(x), atol=1e-12)


# Group averaging: F(x) = G ------------------------------------------------------------------------


class Whole(MotionFrame):
    """The whole of a finite group, at every input."""

    def __init__(self, group, elements):
        super().__init__(group)
        self.register_buffer("elements", elements)

    def build(self, cloud):
        rotation = self.elements.unsqueeze(1).expand(-1, cloud.size, -1, -1)
        return Frames.uniform(rotation.contiguous(), cloud.origin(self.group), cloud.batch)


def cyclic(n):
    """The rotations of the regular n-gon, and with its mirrors the dihedral group."""
    angle = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def octahedral():
    """The 48 signed permutation matrices."""
    signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)), dtype=torch.float64)
    orders = torch.eye(3, dtype=torch.float64)[torch.tensor(list(itertools.permutations(range(3))))]
    return (orders.unsqueeze(1) * signs.unsqueeze(1)).flatten(0, 1)


FINITE = {
    "C4": ("SO(2)", cyclic(4)),
    "C7": ("SO(2)", cyclic(7)),
    "D5": ("O(2)", torch.cat([cyclic(5), cyclic(5) @ torch.diag(torch.tensor([1.0, -1.0]).double())])),
    "octahedral": ("O(3)", octahedral()),
}


@pytest.mark.parametrize("name", FINITE)
def test_averaging_over_a_finite_group(name):
    group, elements = FINITE[name]
    dim = elements.size(-1)
    x = points(dim)
    framed = FrameAveraging(Phi(dim), Whole(group, elements), inputs={"x": "vector"}, output="vector")
    by_hand = sum(Phi(dim)(x @ g) @ g.T for g in elements) / len(elements)
    assert torch.allclose(framed(x), by_hand, atol=1e-12)
    for g in elements:
        assert torch.allclose(framed(x @ g.T), framed(x) @ g.T, atol=1e-12)
    outside = random_motion(f"SO({dim})", torch.Generator().manual_seed(0)).rotation
    assert not torch.allclose(framed(x @ outside.T), framed(x) @ outside.T, atol=1e-4)


def test_averaging_over_samples_of_a_group():
    """The integral over O(3) as a mean over Haar samples: the error falls like 1 / sqrt(k)."""
    x = points()

    def mean(k, seed):
        frame = HaarFrame("O(3)", k=k, generator=torch.Generator().manual_seed(seed))
        return FrameAveraging(Phi(), frame, {"x": "vector"}, "vector")(x)

    exact = mean(4000, seed=1)
    few, many = ((mean(k, seed=0) - exact).abs().max() for k in (10, 400))
    assert many < few / 2


# Frames: F(gx) = g F(x) ---------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_frames_are_equivariant_sets(group):
    assert_frame(PCAFrame(group), points(), trials=10)


@pytest.mark.parametrize("group", GROUPS)
def test_a_frame_is_a_subset_of_the_group_of_the_size_stated(group):
    frames = PCAFrame(group)(points())
    eye = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(frames.rotation.mT @ frames.rotation, eye.expand_as(frames.rotation), atol=1e-13)
    size = {"O": 8, "E": 8, "SO": 4, "SE": 4, "T": 1}[group[:-3]]
    assert frames.num_frames == size
    assert len(torch.unique(frames.rotation.round(decimals=6), dim=0)) == size
    assert frames.weight.sum() == 1


@pytest.mark.parametrize("rep", [*NAMED, Rep(3)], ids=str)
@pytest.mark.parametrize("group", GROUPS)
def test_frame_averaging_makes_any_function_equivariant(group, rep):
    rank = Rep.of(rep).rank

    class Any(Phi):
        def forward(self, x):
            return super().forward(x).view(len(x), *(3,) * rank)

    framed = FrameAveraging(Any(3, 3**rank), PCAFrame(group), {"x": "point"}, rep)
    assert_equivariant(framed, (points(),), group, {"x": "point"}, rep)
    if group != "T(3)" or rep == "point":
        errors = equivariance_error(framed.model, (points(),), group, {"x": "point"}, rep)
        assert max(errors.values()) > 1e-2


@pytest.mark.parametrize("group", GROUPS)
def test_an_equivariant_function_is_its_own_average(group):
    def phi(x):
        centered = x - x.mean(0)
        return centered * torch.cdist(x, x).sum(1, keepdim=True) + x.mean(0)

    class Equivariant(nn.Module):
        def forward(self, x):
            return phi(x)

    x = points()
    framed = FrameAveraging(Equivariant(), PCAFrame(group), {"x": "point"}, "point")
    assert torch.allclose(framed(x), phi(x), atol=1e-11)


@pytest.mark.parametrize("group", GROUPS)
def test_averaging_is_a_projection(group):
    once = FrameAveraging(Phi(), PCAFrame(group), {"x": "point"}, "vector")
    twice = FrameAveraging(once, PCAFrame(group), {"x": "point"}, "vector")
    assert torch.allclose(twice(points()), once(points()), atol=1e-11)


# Representations: rho(g h) = rho(g) rho(h) ----------------------------------------------------------


@pytest.mark.parametrize("rep", [*NAMED, Rep(3)], ids=str)
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_representations(dim, rep):
    """As Frames apply them: from_frame is rho(g), to_frame its inverse."""

    def rho(g):
        frames = Frames(g.rotation.unsqueeze(0), origin=g.translation.unsqueeze(0))
        return lambda x: frames.from_frame(x, rep, "graph"), lambda x: frames.to_frame(x, rep, "graph")

    x = torch.randn(1, 2, *(dim,) * Rep.of(rep).rank, dtype=torch.float64)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        g, h = (random_motion(f"E({dim})", generator) for _ in range(2))
        (of_g, back_g), (of_h, _), (of_gh, _) = rho(g), rho(h), rho(g @ h)
        assert torch.allclose(of_gh(x), of_g(of_h(x)), atol=1e-11)
        assert torch.allclose(back_g(of_g(x)), x, atol=1e-11)
        assert torch.allclose(of_g(x), g(x, rep), atol=1e-11)
    still = Motion(torch.eye(dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64))
    assert torch.equal(rho(still)[0](x), x)


# Pyridine, a planar molecule ------------------------------------------------------------------------


def poses(pos):
    """The molecule in each coordinate plane and mirrored, turned anyhow, far away, atoms in another order."""
    generator, eye = torch.Generator().manual_seed(0), torch.eye(3, dtype=torch.float64)
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = eye[list(order)] * torch.tensor(signs, dtype=torch.float64)
            yield Motion(matrix, torch.zeros(3, dtype=torch.float64))
    for proper in (True, False):
        for _ in range(10):
            yield random_motion("E(3)", generator, proper=proper)
            yield random_motion("E(3)", generator, proper=proper, scale=1e3)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_pyridine_in_all_poses(group):
    (molecule,) = read_xyz(PYRIDINE, dtype=torch.float64)
    z, pos = molecule.z, molecule.pos
    assert sorted(z.tolist()) == [1] * 5 + [6] * 5 + [7]
    centered = pos - pos.mean(0)
    assert torch.linalg.svdvals(centered)[2] < 1e-12  # planar
    framed = FrameAveraging(Phi(3, 3, atoms=True), PCAFrame(group), {"x": "point"}, "vector")
    expected, generator = framed(pos, z=z), torch.Generator().manual_seed(0)
    bare, worst = framed.model(pos, z=z), 0.0
    for g in poses(pos):
        if group == "SE(3)" and torch.linalg.det(g.rotation) < 0:
            continue
        found = framed(g(pos), z=z)
        assert (found - g(expected, "vector")).abs().max() < 1e-10 * max(1, g.translation.abs().max())
        worst = max(worst, (framed.model(g(pos), z=z) - g(bare, "vector")).abs().max().item())
    assert worst > 0.1
    assert_frame(PCAFrame(group), pos, node_weight=z)
    ring = FrameAveraging(nn.Linear(3, 3).double(), PCAFrame(group), {"input": "point"}, "vector")
    order = torch.randperm(len(z), generator=generator)
    assert torch.allclose(ring(pos[order]), ring(pos)[order], atol=1e-12)


def test_pyridines_mirror_images_are_told_apart_by_nothing():
    """A planar molecule is its own mirror image: under E(3) its pseudoscalars and normal vectors vanish."""
    (molecule,) = read_xyz(PYRIDINE, dtype=torch.float64)
    odd = FrameAveraging(Phi(3, 1), PCAFrame("E(3)"), {"x": "point"}, "pseudoscalar")
    assert odd(molecule.pos).abs().max() < 1e-12
    vectors = FrameAveraging(Phi(3, 3), PCAFrame("E(3)"), {"x": "point"}, "vector")(molecule.pos)
    normal = torch.linalg.svd(molecule.pos - molecule.pos.mean(0))[2][2]
    assert (vectors @ normal).abs().max() < 1e-12
    assert vectors.abs().max() > 0.1
