"""Runs of several molecules in one batch are those of each by itself."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from fa_pyg import WeightedPCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.dynamics import nve, nve_together, thermalised
from fa_pyg.models import FAENet, Potential


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return (
        Potential(FAENet(hidden_channels=8, num_layers=1, num_radial=4), WeightedPCAFrame("E(3)"))
        .double()
        .eval()
    )


def started(temperatures, seed=0):
    found = []
    for name, temperature in temperatures.items():
        atoms = molecule(name)
        atoms.rattle(0.05, seed=seed)
        found.append(thermalised(atoms, temperature, seed))
    return found


def test_all_runs_are_those_of_ase(model):
    """Also of a molecule that comes apart on the way, which the others outlive."""
    systems, seen = started({"NH3": 300, "CH3OH": 30000, "CH4": 300}), []
    before = [atoms.get_positions() for atoms in systems]
    found = nve_together(model, systems, 40, 0.5, seen.append)
    assert seen == list(range(41))
    for atoms, start, run in zip(systems, before, found, strict=True):
        assert (atoms.positions == start).all()
        atoms.calc = FACalculator(model, dtype="float64")
        alone = nve(atoms, 40, 0.5)
        assert run.end == alone.end
        for name in ("time", "potential", "kinetic", "pos", "forces"):
            np.testing.assert_allclose(getattr(run, name), getattr(alone, name), rtol=0, atol=1e-10)
    assert [len(run.time) for run in found] == [41, len(found[1].time), 41]
    assert 1 < len(found[1].time) < 41


def test_it_stops_when_none_is_left(model):
    seen = []
    (run,) = nve_together(model, started({"CH3OH": 1e7}), 50, 1.0, seen.append)
    assert run.end is not None
    assert len(seen) < 50


def test_a_start_that_is_broken_has_no_state(model):
    (atoms,) = started({"NH3": 300})
    atoms.positions[1] = atoms.positions[2] + 0.01
    (run,) = nve_together(model, [atoms], 5, 0.5)
    assert len(run.time) == 0
    assert run.pos.shape == (0, 4, 3)
    assert "Å apart at 0 ps" in run.end
