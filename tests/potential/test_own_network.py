"""A network of the user's own that knows no types: trained, in predictions and in the calculator."""

import sys

import numpy as np
import pytest
import torch
import yaml
from ase.io import read
from torch import nn
from torch_geometric.nn import SchNet

from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.cli import main
from fa_pyg.models import FAENet, Potential
from fa_pyg.nn import RadiusInteractionGraph
from fa_pyg.potential import load

NET = """
import torch
from torch import nn
from torch_geometric.utils import scatter


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 8)
        self.filters = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 8))
        self.out = nn.Linear(8, 1)

    def forward(self, z, pos, edge_index, batch, num_graphs):
        j, i = edge_index
        h = self.embed(z) + scatter(self.embed(z)[j] * self.filters(pos[j] - pos[i]), i, 0, len(z))
        return scatter(self.out(torch.tanh(h))[:, 0], batch, 0, num_graphs)
"""
GRAPH = {"class_path": "fa_pyg.nn.RadiusInteractionGraph", "init_args": {"cutoff": 5.0}}
GRAPH["init_args"]["max_num_neighbors"] = None
SIZES = {"hidden_channels": 8, "num_filters": 8, "num_interactions": 1, "cutoff": 5.0}
FRAME = {"class_path": "fa_pyg.WeightedPCAFrame", "init_args": {"group": "E(3)"}}
NETWORKS = {
    "schnet": {
        "model": {
            "class_path": "torch_geometric.nn.SchNet",
            "init_args": {**SIZES, "interaction_graph": GRAPH},
        }
    },
    "by hand": {"model": {"class_path": "plain_net.Net"}, "frame": FRAME, "cutoff": 5.0},
}


@pytest.fixture
def trained(request, molecule_root, monkeypatch, tmp_path):
    """The folder of a run of one epoch, at the command line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plain_net.py").write_text(NET)
    settings = yaml.safe_load((molecule_root / "tiny.yaml").read_text())
    settings["model"]["model"]["init_args"] = NETWORKS[request.param]
    settings["model"]["weights"] = {"energy": 0.1, "forces": 1.0}
    settings["trainer"] = {"max_epochs": 1, "enable_progress_bar": False}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(settings))
    files = f"--data.dataset.init_args.root_or_files={molecule_root / 'all.xyz'}"
    assert main(["train", "molecules", "--config", "own.yaml", "--trust", "plain_net", files]) == 0
    return next(tmp_path.glob("runs/molecules/*/version_0"))


@pytest.mark.parametrize("trained", NETWORKS, indirect=True)
def test_trained_predicted_and_simulated_in_its_own_type(trained, molecule_root, tmp_path, capsys):
    source = molecule_root / "all.xyz"
    command = ["predict", "molecules", str(trained), str(source), "-o", "out.xyz", "--trust", "plain_net"]
    assert main(command) == 0, capsys.readouterr().err
    atoms, exact = read("out.xyz", ":")[:4], load(trained, "plain_net").double()
    assert exact.scales.dtype == torch.float64
    calculator = FACalculator(trained, trust="plain_net")
    assert {x.dtype for x in calculator.model.network.parameters()} == {torch.float32}
    for one in atoms:
        energy, forces = one.get_potential_energy(), one.get_forces()
        z = torch.as_tensor(one.numbers)
        found = exact(z, torch.as_tensor(one.positions), batch=torch.zeros_like(z))
        # The references, of 1e4 eV, would be rounded to 1e-3 in float32.
        assert abs(energy) > 9000
        assert energy == pytest.approx(found["energy"].item(), abs=2e-5)
        assert np.abs(forces - found["forces"].numpy()).max() < 1e-4
        one.calc = calculator
        assert one.get_potential_energy() == pytest.approx(energy, abs=2e-5)
        assert one.get_forces().dtype == np.float64
        assert np.abs(one.get_forces() - forces).max() < 1e-4


def network():
    torch.manual_seed(0)
    return SchNet(**SIZES, interaction_graph=RadiusInteractionGraph(5.0, None))


def energies(model, far=0.0):
    generator = torch.Generator().manual_seed(0)
    pos = torch.randn(4, 3, generator=generator, dtype=torch.float64) + far
    return model(torch.tensor([6, 1, 1, 8]), pos)


def test_positions_are_rounded_in_the_frame_not_before():
    model = Potential(network(), PCAFrame("E(3)"))
    found, far = energies(model), energies(model, 1e6)  # where float32 resolves 0.06 Å
    assert found["forces"].dtype == torch.float64
    assert far["energy"].item() == pytest.approx(found["energy"].item(), abs=1e-5)
    assert (far["forces"] - found["forces"]).abs().max() < 1e-5


def test_a_network_that_takes_float64_gets_it():
    bare = network()
    bare.takes_float64 = True
    with pytest.raises(RuntimeError, match="dtype"):  # it cannot, in fact
        energies(Potential(bare, PCAFrame("E(3)")))
    with pytest.raises(RuntimeError, match="dtype"):
        FrameAveraging(network(), PCAFrame("E(3)"), {"pos": "point"})(
            torch.tensor([6, 1]), torch.randn(2, 3, dtype=torch.float64)
        )
    seen = []
    faenet = FAENet(8, 1)
    faenet.forward = lambda z, pos=None, edge_index=None, batch=None, edge_vec=None, num_graphs=None: (
        seen.append(pos.dtype) or pos.sum().view(1).float()
    )
    energies(Potential(faenet))
    assert seen == [torch.float64]


class Mixed(nn.Module):
    """Parameters of two types, and the type of the positions that it gets."""

    def __init__(self):
        super().__init__()
        self.rough, self.fine = nn.Linear(3, 1), nn.Linear(3, 1).double()

    def forward(self, z, pos):
        assert pos.dtype == torch.float64
        return self.rough(pos.float()).sum().view(1) + self.fine(pos).sum().view(1)


@pytest.mark.parametrize("frame", [None, PCAFrame("E(3)")])
def test_a_network_of_several_types_converts_itself(frame):
    assert energies(Potential(Mixed(), frame))["energy"].isfinite()


@pytest.mark.parametrize("frame", [None, PCAFrame("E(3)")])
def test_float32_positions_and_a_float64_network(frame):
    model = Potential(network().double(), frame)
    found = model(torch.tensor([6, 1]), torch.tensor([[0.0, 0, 0], [0, 0, 1.1]]))
    assert found["forces"].dtype == torch.float32
    assert found["energy"].isfinite().all()
