"""The consistency loss: what is added, that it is derived, and where there is nothing to compare."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import CosetFrame, HaarFrame, LearnedFrame, PCAFrame, PerMode, Sample, WeightedPCAFrame
from fa_pyg.builders import MotionFrame
from fa_pyg.models import Potential
from fa_pyg.train import MoleculeCLI, MoleculeModule, main

GROUP = "SE(3)"


def module(frame, consistency=0.0, invariant=False, **kwargs):
    torch.manual_seed(0)
    net = Distances() if invariant else Coordinates()
    return MoleculeModule(Potential(net.double(), frame), consistency=consistency, **kwargs)


class Coordinates(nn.Module):
    """An energy of coordinates, which every frame changes."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, pos, batch, num_graphs):
        return pos.new_zeros(num_graphs).index_add(0, batch, self.layers(pos).squeeze(1))


class Distances(nn.Module):
    """An energy of distances alone, which no frame changes."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, pos, batch, num_graphs):
        near = (-(pos.unsqueeze(0) - pos.unsqueeze(1)).square().sum(2)).exp() * self.weight
        near = near * (batch.unsqueeze(0) == batch.unsqueeze(1))
        return near.new_zeros(num_graphs).index_add(0, batch, near.sum(1))


def batch_of(*sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Batch.from_data_list(
        [Data(z=torch.ones(n).long(), pos=draw(n, 3), energy=draw(1), forces=draw(n, 3)) for n in sizes]
    )


def step(module, batch, seed=0):
    torch.manual_seed(seed)
    module.on_train_epoch_start()
    return module.training_step(batch, 0)


FRAMES = [
    HaarFrame(GROUP, k=1),
    HaarFrame("E(3)", k=2),
    Sample(PCAFrame(GROUP), k=1),
    Sample(WeightedPCAFrame(GROUP, tau=10.0), k=1),
    PerMode(train=HaarFrame(GROUP, k=1), eval=WeightedPCAFrame(GROUP)),
    Sample(CosetFrame(WeightedPCAFrame(GROUP), "O"), k=1),
]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_the_loss_is_the_mean_of_two_draws_and_their_variance(frame):
    one, batch = module(frame, consistency=3.0, weights={"energy": 0.5, "forces": 2.0}), batch_of(2, 4, 3)
    one.model.scales.fill_(1.7)
    loss = step(one, batch)
    torch.manual_seed(0)
    drawn = [one(batch), one(batch)]
    assert (drawn[0]["energy"] - drawn[1]["energy"]).abs().max() > 1e-3
    slow = 0.0
    for b in range(3):
        rows = batch.batch == b
        energies = torch.stack([out["energy"][b] for out in drawn]) / 1.7
        forces = torch.stack([out["forces"][rows] for out in drawn]) / 1.7
        for value, target, weight in (
            (energies, batch.energy[b] / 1.7, 0.5),
            (forces, batch.forces[rows] / 1.7, 2.0),
        ):
            slow += (weight * (value - target).square().mean() + 3.0 * value.var(0).mean()).item() / 3
    assert loss.item() == pytest.approx(slow, rel=1e-9)


def test_the_variance_of_draws_is_that_of_the_frame():
    """In the mean over many draws of one molecule: the mean square about the average over all frames."""
    many, one = 3000, module(Sample(PCAFrame(GROUP)), 1.0, weights={"energy": 1.0})
    copies = Batch.from_data_list(batch_of(4).to_data_list() * many)
    torch.manual_seed(0)
    first, second = one(copies), one(copies)
    variance = one._variance(first, second, copies).item()
    rounded = {round(value, 9): value for value in first["energy"].tolist()}
    assert len(rounded) == 4
    assert variance == pytest.approx(torch.tensor(list(rounded.values())).var(unbiased=False).item(), rel=0.1)


def test_off_it_changes_no_digit_and_draws_no_number():
    batch = batch_of(2, 4)
    for frame in (*FRAMES, None, PCAFrame(GROUP)):
        one = module(frame)
        loss, state = step(one, batch), torch.get_rng_state()
        torch.manual_seed(0)
        assert loss.item() == one.measures(one(batch), batch)[0].item()
        assert torch.equal(state, torch.get_rng_state())


def test_gradients_are_those_of_the_loss_forces_included():
    one, batch = module(HaarFrame(GROUP), consistency=5.0, weights={"forces": 1.0}), batch_of(3, 4)
    one.zero_grad()
    step(one, batch).backward()
    weights = [p for p in one.parameters() if p.grad is not None]
    along = [torch.randn_like(p) for p in weights]
    slope = sum((p.grad * d).sum() for p, d in zip(weights, along, strict=True)).item()
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            torch._foreach_add_(weights, along, alpha=(1e-5 if sign == 1 else -2e-5))
        losses.append(step(one, batch).item())
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5)


def test_an_invariant_network_is_consistent():
    batch = batch_of(3, 4)
    for invariant in (True, False):
        with_, without = (module(HaarFrame(GROUP), c, invariant) for c in (10.0, 0.0))
        more = (step(with_, batch) - step(without, batch)).abs().item()
        assert (more < 1e-9) == invariant


def test_training_with_it_leaves_less_to_average():
    batch, spreads = batch_of(4, 5, 6), {}
    for consistency in (0.0, 10.0):
        one = module(HaarFrame(GROUP), consistency)
        adam = torch.optim.Adam(one.parameters(), 1e-2)
        for seed in range(40):
            adam.zero_grad()
            step(one, batch, seed).backward()
            adam.step()
        torch.manual_seed(0)
        energies = torch.stack([one(batch)["energy"].detach() for _ in range(20)])
        spreads[consistency] = energies.var(0).mean().item()
    assert spreads[10.0] < 0.5 * spreads[0.0]


@pytest.mark.parametrize(
    "frame",
    [
        None,
        PCAFrame(GROUP),
        WeightedPCAFrame(GROUP),
        HaarFrame("T(3)"),
        LearnedFrame(GROUP),
        PerMode(train=WeightedPCAFrame(GROUP), eval=HaarFrame(GROUP)),
    ],
    ids=str,
)
def test_frames_with_nothing_to_compare_are_refused(frame):
    with pytest.raises(ValueError, match=r"^consistency: expected a frame that is drawn at random .*, found"):
        module(frame, consistency=0.1)


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf, "1", True, None])
def test_wrong_weights_of_it(wrong):
    with pytest.raises(ValueError, match=r"^consistency: expected a number >= 0"):
        module(HaarFrame(GROUP), consistency=wrong)


def test_frames_that_are_drawn_in_training_are_known():
    """Also those that wrap another frame and know nothing of it."""

    class Wrapped(MotionFrame):
        def __init__(self, frame):
            super().__init__(frame.group)
            self.frame = frame

        def build(self, cloud):
            return self.frame.build(cloud)

    pos, batch = torch.randn(20, 3), torch.arange(4).repeat(5)
    frames = [*FRAMES, PCAFrame(GROUP), WeightedPCAFrame(GROUP), LearnedFrame(GROUP, noise=2)]
    wrapped = (*map(Wrapped, frames), CosetFrame(HaarFrame(GROUP), "O"), CosetFrame(PCAFrame(GROUP), "D2(3)"))
    for frame in (*frames, *wrapped):
        one, other = (frame.train()(pos, batch=batch).rotation for _ in range(2))
        assert frame.is_random == (one.shape != other.shape or not torch.equal(one, other)), frame
        assert frame.eval().is_random == frame.train().is_random


CONSISTENT = """
model:
  consistency: 0.5
  model:
    init_args:
      frame:
        class_path: fa_pyg.PerMode
        init_args:
          train: {class_path: fa_pyg.HaarFrame, init_args: {group: SE(3), k: 1}}
          eval: {class_path: fa_pyg.WeightedPCAFrame, init_args: {group: SE(3)}}
"""


@pytest.fixture(scope="module")
def arguments(molecule_arguments, tmp_path_factory):
    """Command line of a run that trains in random motions and is evaluated in smooth frames."""
    path = tmp_path_factory.mktemp("consistent") / "consistent.yaml"
    base = yaml.safe_load(Path(molecule_arguments()[1]).read_text())
    changed = yaml.safe_load(CONSISTENT)["model"]
    base["model"]["consistency"] = changed["consistency"]
    base["model"]["model"]["init_args"]["frame"] = changed["model"]["init_args"]["frame"]
    path.write_text(yaml.safe_dump(base))
    return lambda *more: [*molecule_arguments(*more)[:1], str(path), *molecule_arguments(*more)[2:]]


@pytest.fixture(scope="module")
def run(arguments):
    return main(arguments("--name=consistent"), MoleculeCLI)


def test_a_run_goes_on_bit_by_bit(arguments, run, monkeypatch):
    whole, goes = MoleculeModule.training_step, {"left": 4}

    def stop(self, batch, batch_idx):
        if goes["left"] == 0:
            raise InterruptedError
        goes["left"] -= 1
        return whole(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(MoleculeModule, "training_step", stop)
        with pytest.raises(InterruptedError):
            main(arguments("--name=parts_consistent"), MoleculeCLI)
    (begun,) = Path(run["folder"]).parents[1].glob("parts_consistent/*/config.yaml")
    text = begun.read_text()
    older = text.replace("  huber: null\n", "")  # as of a version without that option
    assert older != text
    begun.write_text(older)
    parts = main(arguments("--name=parts_consistent", "--ckpt_path=last"), MoleculeCLI)
    one, other = (torch.load(Path(r["folder"]) / "last.ckpt", weights_only=True) for r in (parts, run))
    for key in ("global_step", "state_dict", "optimizer_states"):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    assert parts["test_loss"] == run["test_loss"]
    with pytest.raises(SystemExit):
        main(arguments("--name=parts_consistent", "--ckpt_path=last", "--model.consistency=0.1"), MoleculeCLI)


def test_a_run_is_loaded_predicts_and_calculates_in_the_smooth_frame(run, molecule_root, tmp_path):
    from ase.io import read

    from fa_pyg.ase import FACalculator
    from fa_pyg.potential import load
    from fa_pyg.potential.predict import main as predict

    model = load(run["folder"])
    assert not model.training
    assert predict([run["folder"], str(molecule_root / "all.xyz"), "-o", str(tmp_path / "out.xyz")]) == 0
    pairs = (read(path, ":4") for path in (molecule_root / "all.xyz", tmp_path / "out.xyz"))
    for atoms, found in zip(*pairs, strict=True):
        out = model(torch.as_tensor(atoms.numbers), torch.as_tensor(atoms.positions))
        again = model(torch.as_tensor(atoms.numbers), torch.as_tensor(atoms.positions))
        assert torch.equal(out["energy"], again["energy"])
        assert found.get_potential_energy() == pytest.approx(out["energy"].item(), rel=1e-7)
        atoms.calc = FACalculator(run["folder"])
        assert atoms.get_potential_energy() == pytest.approx(out["energy"].item(), rel=1e-7)
        before = atoms.get_potential_energy()
        atoms.rotate(77, (1, 2, 3))
        assert atoms.get_potential_energy() == pytest.approx(before, abs=1e-3)
