"""Group averaging: all elements of a finite group for every input."""

import copy
import itertools
import pickle

import pytest
import torch
from helpers import traces_frames
from torch import nn

from fa_pyg import FrameAveraging, Group, HaarFrame, PCAFrame, PerMode, Rep, Sample
from fa_pyg.builders.group import GroupFrame
from fa_pyg.reps import NAMED
from fa_pyg.testing import assert_equivariant, assert_frame, equivariance_error, random_motion

NAMES = ["C1", "C4", "C5", "D4", "D3", "C3(3)", "C4v", "D3d", "S4", "T", "Td", "Th", "O", "Oh", "I"]
BATCH = torch.tensor([1, 0, 2, 1, 0, 2, 2, 1, 0, 0])


class Net(nn.Module):
    """A network that knows nothing of symmetry, on points or vectors ``x [N, d]``."""

    def __init__(self, dim, rank=1):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(dim, 16), nn.SiLU(), nn.Linear(16, dim**rank)).double()
        self.shape = (dim,) * rank

    def forward(self, x):
        return (self.layers(x) + x.norm(dim=1, keepdim=True)).view(len(x), *self.shape)


def cloud(frame, n=10):
    return torch.randn(n, frame.group.dim, dtype=torch.float64) + 1


# ------------------------------------------------------------------------------------ a frame


@pytest.mark.parametrize("translations", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_frame(name, translations):
    frame = GroupFrame(name, translations=translations)
    pos = cloud(frame)
    assert_frame(frame, pos, batch=BATCH)
    frames = frame(pos, batch=BATCH)
    assert (frames.slots, frames.num_bodies) == (frame.group.order, 3)
    assert (frames.origin is None) != translations
    assert frames.rotation.dtype == torch.float64
    assert torch.equal(frames.rotation.view(-1, 3, *frames.rotation.shape[1:])[:, 1], frame.group.elements())
    if name != "C1":  # motions outside the group move the set
        larger = f"{'SE' if translations else 'SO'}({frame.group.dim})"
        with pytest.raises(AssertionError, match="is not gF"):
            assert_frame(frame, pos, batch=BATCH, group=larger)


def test_a_frame_of_another_group_is_found():
    class Turned(GroupFrame):
        def build(self, cloud):
            frames = super().build(cloud)
            turn = Group.of("C8").elements()[1]
            return type(frames).uniform((turn @ frames.rotation).view(4, 1, 2, 2))

    with pytest.raises(AssertionError, match=r"differs from all elements of C4 by 0\.7"):
        assert_frame(Turned("C4"), torch.randn(5, 2).double())


def test_translations_have_two_spellings():
    assert GroupFrame("O_h", translations=True).group == GroupFrame("T(3):Oh").group == Group.of("T(3):Oh")
    assert repr(GroupFrame("O_h", translations=True)) == 'GroupFrame("T(3):Oh")'


@pytest.mark.parametrize("group", ["O(3)", "SE(2)", "T(3)"])
def test_infinite_groups_are_refused(group):
    with pytest.raises(ValueError, match=rf'group: expected a finite group such as "C4".*{group[:-3]}'):
        GroupFrame(group)


def test_principal_axes_of_a_finite_group_are_refused():
    with pytest.raises(ValueError, match=r"expected O\(3\).*finite group Oh.*GroupFrame"):
        PCAFrame("Oh")


def test_types_and_copies(dtype):
    frame = GroupFrame("I").to(dtype)
    exact = Group.of("I").elements()
    for other in (frame, copy.deepcopy(frame), pickle.loads(pickle.dumps(frame))):
        assert torch.equal(other(torch.randn(4, 3, dtype=dtype)).rotation, exact)
    assert frame.state_dict() == {}


@traces_frames
def test_one_graph_for_the_compiler():
    frame = GroupFrame("T(3):D2d")

    def framed(pos):
        frames = frame(pos, batch=BATCH, num_graphs=3)
        return frames.average(frames.to_frame(pos, "point").exp(), "vector")

    pos = cloud(frame)
    compiled = torch.compile(framed, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(pos), framed(pos), atol=1e-12)


# ------------------------------------------------------------------------------------ the operator


@pytest.mark.parametrize("rep", NAMED)
@pytest.mark.parametrize("name", ["C4", "D3", "C4v", "T(3):Th", "T(2):C3"])
def test_models_become_equivariant(name, rep):
    frame = GroupFrame(name)
    translates = frame.group.translates
    if rep == "point" and not translates:
        return
    rank = NAMED[rep].rank
    model = FrameAveraging(Net(frame.group.dim, rank), frame, {"x": "point" if translates else "vector"}, rep)
    args = {"x": cloud(frame), "batch": BATCH}
    assert_equivariant(model, args, frame.group, trials=6)
    bare = equivariance_error(model.model, args, frame.group, model.inputs, rep, trials=6)
    assert max(bare.values()) > 1e-2


def test_not_equivariant_to_more():
    model = FrameAveraging(Net(3), GroupFrame("O"), {"x": "vector"}, "vector")
    x = cloud(model.frame)
    assert_equivariant(model, {"x": x}, "O")
    for larger in ("SO(3)", "I", "Oh"):
        with pytest.raises(AssertionError, match="not equivariant"):
            assert_equivariant(model, {"x": x}, larger, trials=6)


def test_symmetric_inputs_are_exact():
    """Where eigenvalues coincide principal axes are arbitrary; the group knows no such input."""
    x = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)), dtype=torch.float64)  # a cube
    net = Net(3)
    assert_equivariant(FrameAveraging(net, GroupFrame("T(3):Oh"), {"x": "point"}, "vector"), [x], "T(3):Oh")
    moved = random_motion("SO(3)", torch.Generator().manual_seed(0))(x)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(FrameAveraging(net, PCAFrame("O(3)"), {"x": "vector"}, "vector"), [moved], "Oh")


def test_gradients_are_the_true_ones():
    model = FrameAveraging(Net(2, 0), GroupFrame("T(2):D3"), {"x": "point"}, "scalar")
    x = cloud(model.frame, 4).requires_grad_()
    assert torch.autograd.gradcheck(model, x)
    assert torch.autograd.gradgradcheck(lambda x: model(x).sum(), x)


# ------------------------------------------------------------------------------------ the other frames


def test_samples_of_a_finite_group():
    """HaarFrame draws elements; their mean approaches the whole group's, and Sample takes from it."""
    x = cloud(GroupFrame("Oh"))
    exact = FrameAveraging(Net(3), GroupFrame("Oh"), {"x": "vector"}, "vector")(x)

    def error(frame):
        return (FrameAveraging(Net(3), frame, {"x": "vector"}, "vector")(x) - exact).abs().max()

    few, many = (error(HaarFrame("Oh", k, torch.Generator().manual_seed(0))) for k in (4, 1600))
    assert 0 < many < few / 5
    assert Group.of("Oh").distance(HaarFrame("Oh", 50)(x).rotation).max() == 0
    assert error(Sample(GroupFrame("Oh"), k=2)) > 1e-3
    assert error(Sample(GroupFrame("Oh"), k=48)) < 1e-12
    assert error(Sample(GroupFrame("Oh"), k=2).eval()) < 1e-12
    assert error(PerMode(HaarFrame("Oh"), GroupFrame("O_h")).eval()) < 1e-12
    with pytest.raises(ValueError, match="expected one group"):
        PerMode(HaarFrame("O(3)"), GroupFrame("Oh"))


# ------------------------------------------------------------------------------------ SO(d) by few elements


class Polynomial(nn.Module):
    """A random polynomial of a degree in all coordinates: mean over powers of linear forms of the cloud."""

    def __init__(self, degree, n, dim, rank):
        super().__init__()
        self.degree, self.shape = degree, (dim,) * rank
        g = torch.Generator().manual_seed(degree)
        self.forms = torch.randn(40, n * dim, generator=g, dtype=torch.float64) / 3
        self.out = torch.randn(40, dim**rank, generator=g, dtype=torch.float64)

    def forward(self, x):
        value = self.forms @ x.flatten()
        return ((value**self.degree + value) @ self.out).view(1, *self.shape)


def turned(name, degree, rank, pseudo=False):
    """How far <Phi> is from equivariance to all rotations, relative to Phi, for polynomials of a degree."""
    frame = GroupFrame(name)
    x = cloud(frame, 5)
    output = Rep(rank, pseudo=pseudo)
    phi = Polynomial(degree, 5, frame.group.dim, rank)
    model = FrameAveraging(phi, frame, {"x": "vector"}, output, level="graph")
    continuous = f"{'O' if frame.group.reflects else 'SO'}({frame.group.dim})"
    generator, size = torch.Generator().manual_seed(0), phi(x).abs().max()
    motions = [random_motion(continuous, generator) for _ in range(4)]
    return max((model(g(x, "vector")) - g(model(x), output)).abs().max() for g in motions) / size


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("degree", [1, 2, 3, 6])
@pytest.mark.parametrize("family", ["C", "D"])
def test_cyclic_groups_above_the_band_limit_are_all_of_the_circle(family, degree, rank):
    """rho(g) Phi(rho(g)^-1 x) has frequencies up to degree + rank: exact for all n above, not for that n.

    Twice the band limit is enough whenever the output's own frequency is within it.
    """
    band = degree + rank
    assert turned(f"{family}{band + 1}", degree, rank) < 1e-12
    assert turned(f"{family}{2 * max(degree, rank) + 1}", degree, rank) < 1e-12
    assert turned(f"{family}{band}", degree, rank) > 1e-3


LIMITS = {"T": 2, "Td": 2, "Th": 2, "O": 3, "Oh": 3, "I": 5, "Ih": 5}


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("name", LIMITS)
def test_polyhedral_groups_are_all_rotations_for_low_degrees(name, rank):
    limit = LIMITS[name] - rank
    for degree in range(1, limit + 1):
        assert turned(name, degree, rank) < 1e-12
        assert turned(name, degree, rank, pseudo=True) < 1e-12
    # x y z is odd under the inversion in Th: without a sign from the output it is averaged away.
    assert turned(name, limit + 1, rank, pseudo=name == "Th") > 1e-3
