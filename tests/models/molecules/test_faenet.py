"""FAENet: what it is equivariant to and what not, smooth to second order, the same with given vectors."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from fa_pyg import FrameAveraging, WeightedPCAFrame
from fa_pyg.models import FAENet
from fa_pyg.models.molecules.heads import HEADS
from fa_pyg.testing import assert_conservative, assert_equivariant, equivariance_error

ALL = {name.replace(" ", "_"): name for name in HEADS}
REPS = {name: name.split()[-1].replace("mean", "scalar") for name in ALL}
REPS = {name: spec.replace("node_", "").split("_")[-1] for name, spec in REPS.items()}


def net(heads=None, **kwargs):
    return FAENet(hidden_channels=16, num_layers=2, num_radial=8, heads=heads, **kwargs).double().eval()


def test_framed_heads_are_equivariant_and_bare_ones_are_not(molecules):
    framed = FrameAveraging(net(ALL), WeightedPCAFrame("E(3)"), output=REPS)
    assert_equivariant(framed, molecules, "E(3)")
    level = {name: "node" if "node" in name else "graph" for name in ALL}
    bare = equivariance_error(net(ALL), molecules, "E(3)", output=REPS, level=level)
    assert bare["proper"] > 1e-3
    assert bare["improper"] > 1e-3
    assert max(bare["translated"], bare["permuted"]) < 1e-10


def test_shapes_and_batch_equals_singles(molecules):
    model, z, pos = net(ALL), molecules["z"], molecules["pos"]
    out = model(**molecules)
    first, second = model(z[:5], pos[:5]), model(z[5:], pos[5:])
    for name, shape in {"scalar": [2], "mean": [2], "vector": [2, 3], "tensor": [2, 3, 3]}.items():
        assert list(out[name].shape) == shape
    for name in out:
        torch.testing.assert_close(out[name], torch.cat([first[name], second[name]]))
    torch.testing.assert_close(out["tensor"], out["tensor"].mT)


def test_mean_and_sum_differ_by_the_number_of_atoms(molecules):
    model = net({"sum": "scalar", "mean": "mean"})
    model.readout["mean"] = model.readout["sum"]
    out = model(**molecules)
    torch.testing.assert_close(out["sum"], out["mean"] * torch.tensor([5, 3]))


def test_energy_is_twice_differentiable(molecules):
    model, z = net(cutoff=1.4), molecules["z"][5:]
    pos = (molecules["pos"][5:] + 0.05 * torch.randn(3, 3).double()).requires_grad_()
    assert gradcheck(lambda x: model(z, x), pos)
    assert gradgradcheck(lambda x: model(z, x), pos)


@pytest.mark.parametrize("group", ["SE(3)", "E(3)"])
def test_forces_through_the_frame_are_those_of_the_energy(group, molecules):
    molecules["pos"] += 0.1 * torch.randn_like(molecules["pos"])
    assert_conservative(FrameAveraging(net(), WeightedPCAFrame(group)), molecules)


def test_coincident_atoms_have_finite_energies_and_gradients():
    pos = torch.zeros(3, 3).double().requires_grad_()
    energy = net()(torch.tensor([1, 6, 8]), pos)
    grad = torch.autograd.grad(energy.sum(), pos)[0]
    assert energy.isfinite().all()
    assert grad.isfinite().all()


def test_float64_positions_serve_a_float32_model(molecules):
    model = net().float()
    far = molecules | {"pos": molecules["pos"] + 1e4}
    torch.testing.assert_close(model(**far), model(**molecules), rtol=1e-5, atol=1e-6)
    assert model(**far).dtype == torch.float32


def test_unknown_head_and_cutoff_are_named():
    with pytest.raises(ValueError, match=r"heads.*: expected .scalar., .*found 'spinor'"):
        FAENet(heads={"a": "spinor"})
    with pytest.raises(ValueError, match="cutoff: expected a positive number, found 0"):
        FAENet(cutoff=0)
