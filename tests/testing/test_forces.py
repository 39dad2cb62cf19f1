"""Forces against finite differences: true gradients pass, detached frames and external fields do not."""

import pytest
import torch
from helpers import EnergyMLP
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, GroupFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.testing import assert_conservative, assert_equivariant, conservation_error, framed_probe, lines

POS = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
POS = POS * torch.tensor([1.0, 2.0, 3.0]) + 5
ARGS = {"pos": POS, "batch": torch.tensor([0] * 4 + [1] * 5)}


def net(dim=3):
    return EnergyMLP(dim, 1, 8, nn.Tanh)


class Springs(nn.Module):
    """Pairs of one graph, with their forces in closed form; those may be wrong."""

    def __init__(self, wrong=1.0):
        super().__init__()
        self.wrong = wrong

    def forward(self, pos, batch):
        apart = pos.unsqueeze(0) - pos.unsqueeze(1)
        same = (batch.unsqueeze(0) == batch.unsqueeze(1)).to(pos)
        energy = (apart.pow(2).sum(-1).pow(2) * same).sum(1) / 4
        force = 2 * (apart.pow(2).sum(-1, keepdim=True) * apart * same.unsqueeze(-1)).sum(1)
        return {"energy": global_add_pool(energy, batch), "forces": self.wrong * force}


def test_framed_energies_are_conservative():
    errors = assert_conservative(FrameAveraging(net(), PCAFrame("E(3)")), ARGS)
    assert set(errors) == {"forces", "net force", "net torque"}
    assert max(errors.values()) < 1e-8


def test_detached_frames_are_not():
    model = FrameAveraging(net(), PCAFrame("E(3)", detach=True))
    with pytest.raises(AssertionError, match=r"not conservative(.|\n)*forces"):
        assert_conservative(model, ARGS)
    errors = conservation_error(model, ARGS)
    assert errors["forces"] > 1e-3
    assert errors["net torque"] > 1e-3


def test_what_a_model_does_not_conserve():
    errors = conservation_error(net(), ARGS)
    assert errors["forces"] < 1e-8
    assert min(errors["net force"], errors["net torque"]) > 1e-3
    assert set(assert_conservative(net(), ARGS, group=None)) == {"forces"}
    centered = FrameAveraging(net(), PCAFrame("T(3)"))
    assert set(assert_conservative(centered, ARGS, group="T(3)")) == {"forces", "net force"}
    about_the_origin = FrameAveraging(net(), PCAFrame("O(3)"), {"pos": "vector"})
    assert set(assert_conservative(about_the_origin, ARGS, group="O(3)")) == {"forces", "net torque"}
    with pytest.raises(AssertionError, match="net force"):
        assert_conservative(about_the_origin, ARGS, group="E(3)")


@pytest.mark.parametrize(
    ("frame", "conserved"),
    [
        (PCAFrame("SE(3)"), {"net force", "net torque"}),
        (PCAFrame("O(3)"), {"net torque"}),
        (PCAFrame("T(3)"), {"net force"}),
        (GroupFrame("T(3):Oh"), {"net force"}),
        (GroupFrame("Oh"), set()),
    ],
    ids=lambda value: str(getattr(value, "group", "")),
)
def test_a_framed_model_conserves_what_its_own_group_does(frame, conserved):
    rep = "point" if frame.group.translates else "vector"
    model = FrameAveraging(net(), frame, {"pos": rep})
    assert set(assert_conservative(model, ARGS)) == {"forces", *conserved}
    errors = conservation_error(model, ARGS, group="E(3)")
    for case in {"net force", "net torque"} - conserved:
        assert errors[case] > 1e-6
    assert set(conservation_error(net(), ARGS)) == {"forces", "net force", "net torque"}


def test_energies_that_vary_on_a_small_scale():
    """The first step is too coarse for them; wrong forces are wrong for all steps."""

    class Rippled(nn.Module):
        def __init__(self, wrong=1.0):
            super().__init__()
            self.wrong = wrong

        def forward(self, pos, batch):
            phase = 3e3 * torch.pdist(pos[:4])
            return {"energy": phase.sin().sum(), "forces": self.wrong * self.forces(pos)}

        def forces(self, pos):
            x = pos.detach().requires_grad_()
            return -torch.autograd.grad((3e3 * torch.pdist(x[:4])).sin().sum(), x)[0]

    for step in (1e-4, 1e-5):
        assert_conservative(Rippled(), ARGS, energy="energy", forces="forces", step=step)
        with pytest.raises(AssertionError, match="not conservative"):
            assert_conservative(Rippled(1.00001), ARGS, energy="energy", forces="forces", step=step)


@pytest.mark.parametrize("detach", [False, True])
def test_energies_of_blended_frames(detach):
    """Among them some that vary on the scale of 1e-4."""
    frame = PCAFrame("E(3)", detach=True) if detach else WeightedPCAFrame("E(3)")
    for line in lines(kinds=["mirror, colored", "symmetric molecule"]):
        args = {"z": line.z, "pos": line.start, "batch": torch.zeros_like(line.z)}
        errors = conservation_error(framed_probe(frame), args, energy="graph scalar")
        assert (errors["forces"] > 1e-4) if detach else (errors["forces"] < 1e-6), line.name


def test_forces_that_a_model_returns():
    assert_conservative(Springs(), ARGS, energy="energy", forces="forces")
    assert_conservative(Springs(), ARGS, energy="energy")
    with pytest.raises(AssertionError, match="not conservative"):
        assert_conservative(Springs(1.001), ARGS, energy="energy", forces="forces")
    lopsided = torch.ones(9, 1, dtype=torch.float64)
    lopsided[0] = 1.001
    errors = conservation_error(Springs(lopsided), ARGS, energy="energy", forces="forces")
    assert errors["net force"] > 1e-6


def test_inputs_of_any_kind():
    plane = FrameAveraging(net(2), PCAFrame("SE(2)"))
    assert_conservative(plane, [POS[:, :2]], group="SE(2)")
    assert_conservative(plane, [POS[:, :2]], pos=0, group="SE(2)")

    class Held(EnergyMLP):
        def forward(self, data):
            return super().forward(data.pos)

    assert_conservative(FrameAveraging(Held(), PCAFrame("E(3)")), Data(pos=POS))


def test_what_has_no_forces_is_named():
    class Constant(nn.Module):
        def forward(self, pos, batch):
            return pos.detach().sum(1)

    with pytest.raises(ValueError, match="expected an energy that depends on 'pos', found no gradient"):
        assert_conservative(Constant(), ARGS)
    with pytest.raises(ValueError, match=r"pos: expected a tensor .* found 'x'; it has pos, batch"):
        assert_conservative(net(), ARGS, pos="x")


class Returns(nn.Module):
    """An energy and forces, put as they come."""

    def __init__(self, put):
        super().__init__()
        self.inner, self.put = Springs(), put

    def forward(self, pos, batch):
        return self.put(*self.inner(pos, batch).values())


def test_what_is_no_energy_is_named():
    cases = [
        (
            lambda e, f: {"e": e, "f": f},
            {},
            "found a dict in the output of the model; pass energy='e', energy='f'",
        ),
        (lambda e, f: (e, f), {}, "a tuple in the output of the model; pass energy=0, energy=1"),
        (
            lambda e, f: (e, f),
            {"energy": 2},
            "a tuple and energy=2 in the output of the model; pass energy=0, energy=1",
        ),
        (
            lambda e, f: {"e": e},
            {"energy": "x"},
            "a dict and energy='x' in the output of the model; pass energy='e'",
        ),
        (lambda e, f: e, {"energy": "e"}, "found a Tensor and energy='e'"),
        (lambda e, f: f, {}, r"expected a number per graph, found a tensor of shape \[9, 3\]"),
        (lambda e, f: (e, f), {"energy": 1}, r"found a tensor of shape \[9, 3\]"),
        (
            lambda e, f: (e, f),
            {"energy": 0, "forces": "f"},
            "and forces='f' in the output of the model; pass forces=0",
        ),
        (lambda e, f: (e, f), {"energy": 0, "forces": 0}, r"forces: expected \[9, 3\], found \[2\]"),
    ]
    for put, said, message in cases:
        with pytest.raises(ValueError, match=message):
            assert_conservative(Returns(put), ARGS, **said)
    for put, energy in (
        (lambda e, f: (e, f), 0),
        (lambda e, f: [f, e], -1),
        (lambda e, f: e.unsqueeze(1), None),
    ):
        assert_conservative(Returns(put), ARGS, energy=energy)


class FarSprings(Springs):
    """Springs, and forces that are rounding alone in the second graph: they cancel by symmetry."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, pos, batch):
        first = batch == 0
        out = super().forward(pos * first.unsqueeze(1), batch)
        noise = torch.arange(pos.numel()).view_as(pos).remainder(4) * (~first).unsqueeze(1)
        forces = out["forces"] * first.unsqueeze(1) + self.size * noise
        return {"energy": out["energy"], "forces": forces}


def test_forces_that_vanish_but_for_rounding_are_no_net_force():
    assert_conservative(FarSprings(1e-17), ARGS, energy="energy", forces="forces")
    for size in (1e-6, 1.0):
        errors = conservation_error(FarSprings(size), ARGS, energy="energy", forces="forces")
        assert min(errors["net force"], errors["net torque"]) > 1e-8


class AtRest(nn.Module):
    """Lennard-Jones pairs, at the minimum of which forces are rounding; they may be wrong by a constant."""

    def __init__(self, offset=0.0, wrong=0.0):
        super().__init__()
        self.offset, self.wrong = offset, wrong

    def forward(self, pos):
        return self.offset + self._pairs(pos).sum() + self.wrong * (pos - pos.detach()).sum()

    def _pairs(self, pos):
        apart = torch.pdist(pos) ** -6
        return apart.square() - 2 * apart


@pytest.mark.parametrize("offset", [0.0, -1e4])
@pytest.mark.parametrize("seed", range(4))
def test_a_single_structure_at_rest(offset, seed):
    """Where forces and differences of energies are rounding, their ratio means nothing."""
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    for pos in (corners / 8**0.5 + 0.3, corners[:2] / 8**0.5):
        assert_conservative(AtRest(offset), {"pos": pos}, seed=seed)
        errors = conservation_error(AtRest(offset, wrong=1e-5), {"pos": pos}, seed=seed)
        assert min(errors["forces"], errors["net force"]) > 0.5
    with pytest.raises(AssertionError, match="not conservative"):
        assert_conservative(AtRest(offset, wrong=1e-5), {"pos": corners}, seed=seed)


def test_energies_that_are_not_dense():
    class Sparse(nn.Module):
        def forward(self, pos):
            return pos.square().sum(dim=(0, 1), keepdim=True).to_sparse()

    with pytest.raises(ValueError, match="energy: expected a dense tensor"):
        assert_conservative(Sparse(), {"pos": POS})
    with pytest.raises(ValueError, match="output: expected a dense tensor"):
        assert_equivariant(Sparse(), {"pos": POS}, "O(3)", {"pos": "vector"}, "scalar")
