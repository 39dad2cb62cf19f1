"""Conservation by continuous forces, and what it looks like where there are none."""

import numpy as np
import pytest
from ase import Atoms, units

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.dynamics import Trajectory, along, conservation, nve, path_gaps, thermalised, work_gaps


def run(model, atoms, steps, timestep):
    atoms = atoms.copy()
    atoms.calc = FACalculator(model, dtype="float64")
    return nve(atoms, steps, timestep)


@pytest.fixture
def octahedron():
    """Along x and y different elements, moving so that their variances cross after 10 fs."""
    atoms = Atoms("SF2Cl2F2", positions=np.zeros((7, 3)))
    weight = (17 / 9) ** 0.5  # at equal variance the fluorines are so much further out
    for axis, place, length in ((0, 1, 1.4 * weight - 0.1), (1, 3, 1.4), (2, 5, 2.3)):
        atoms.positions[[place, place + 1], axis] = length, -length
    momenta = np.zeros((7, 3))
    momenta[[1, 2], 0] = 0.01 / units.fs * atoms.get_masses()[1] * np.array([1, -1])
    atoms.set_momenta(momenta)
    return atoms


def test_a_parabola_is_followed_exactly():
    """One atom on a spring: the gaps of the trapezoid are nothing, as the force is linear."""
    time = np.linspace(0, 1, 50)
    pos = np.zeros((50, 2, 3))
    pos[:, 0, 0] = np.sin(7 * time)
    gaps = work_gaps(pos, pos[:, 0, 0] ** 2, -2 * pos)
    assert np.abs(gaps).max() < 1e-14
    gaps = work_gaps(pos, pos[:, 0, 0] ** 2 + 0.003 * (time > 0.5), -2 * pos)  # and a jump is what it is
    assert np.abs(gaps).argmax() == 24
    assert gaps[24] == pytest.approx(0.003)


def test_drift_and_fluctuation_of_a_known_line():
    time = np.linspace(0, 2, 2001)
    wave = 0.002 * np.sin(2 * np.pi * 50 * time)
    zeros = np.zeros((2001, 4, 3))
    found = conservation(Trajectory(time, -1e4 + 0.04 * time, wave, zeros, zeros))
    assert found["drift_meV_per_atom_ps"] == pytest.approx(10, rel=1e-3)
    assert found["fluctuation_meV"] == pytest.approx(2 / 2**0.5, rel=1e-3)
    assert found["jump_meV"] == pytest.approx(0.04, rel=1e-3)  # what 0.04 eV/ps is in 1 fs without forces


def test_nothing_is_made_of_less_than_three_states():
    zeros = np.zeros((2, 4, 3))
    found = conservation(Trajectory(np.arange(2.0), np.zeros(2), np.zeros(2), zeros, zeros))
    assert set(found.values()) == {None}


def test_gaps_are_the_total_energy_less_the_integrator(make, ethanol):
    """H of two states differs by the gap and by h^2 / 8 times what F^2 / m differs by: an identity."""
    atoms = thermalised(ethanol, 500)
    states = run(make(ethanol), atoms, 30, 0.5)
    squares = ((states.forces**2).sum(2) / atoms.get_masses()).sum(1)
    integrator = (0.5 * units.fs) ** 2 / 8 * np.diff(squares)
    gaps = work_gaps(states.pos, states.potential, states.forces)
    np.testing.assert_allclose(np.diff(states.total), gaps + integrator, rtol=0, atol=1e-12)
    assert np.abs(integrator).max() > 1e-6


@pytest.fixture(scope="module")
def halved(make, ethanol):
    """What 50 fs of ethanol conserve with forces of the energy and of a head, at 0.5 and at 0.25 fs."""
    atoms, models = (
        thermalised(ethanol, 500),
        [make(ethanol, direct=direct, share=0.1) for direct in (False, True)],
    )
    steps = ((100, 0.5), (200, 0.25))
    return [[conservation(run(model, atoms, *one)) for one in steps] for model in models]


@pytest.mark.parametrize("direct", [False, True])
def test_half_the_time_step_cuts_the_fluctuation_fourfold_where_forces_are_a_gradient(halved, direct):
    wide, narrow = halved[direct]
    ratio = wide["fluctuation_meV"] / narrow["fluctuation_meV"]
    assert ratio == pytest.approx(1 if direct else 4, rel=0.1)
    assert (wide["jump_rms_meV"] / narrow["jump_rms_meV"] > 3) is not direct


@pytest.mark.parametrize("name", ["drift_meV_per_atom_ps", "fluctuation_meV", "jump_rms_meV"])
def test_forces_of_a_head_conserve_nothing(halved, name):
    smooth, direct = halved
    assert abs(direct[0][name]) > 8 * abs(smooth[0][name])


def test_plain_frames_jump_where_variances_cross(make, octahedron):
    jumps = {}
    for frame in (WeightedPCAFrame, PCAFrame):
        model = make(octahedron, frame("SE(3)"))
        runs = [run(model, octahedron, steps, h) for steps, h in ((40, 0.5), (80, 0.25))]
        assert [one.end for one in runs] == [None, None]
        variances = runs[1].pos[:, [1, 3], [0, 1]] ** 2 * octahedron.numbers[[1, 3]]
        assert len(set(np.sign(np.diff(variances, axis=1)).flatten())) == 2
        jumps[frame] = [conservation(one)["jump_meV"] for one in runs]
    assert jumps[PCAFrame][0] > 1
    assert jumps[PCAFrame][1] == pytest.approx(jumps[PCAFrame][0], rel=0.1)  # however small the step
    assert max(jumps[WeightedPCAFrame]) < 0.01 * min(jumps[PCAFrame])


def test_states_are_seen_in_batches_as_one_by_one(make, octahedron):
    path = run(make(octahedron), octahedron, 10, 0.5)
    energy, forces = along(make(octahedron), octahedron.numbers, path.pos, batch_size=4)
    np.testing.assert_allclose(energy, path.potential, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forces, path.forces, rtol=0, atol=1e-9)
    assert [len(one) for one in along(make(octahedron), octahedron.numbers, path.pos[:0])] == [0, 0]


def test_models_on_one_path(make, octahedron):
    path = run(make(octahedron), octahedron, 40, 0.5)
    own = np.abs(work_gaps(path.pos, path.potential, path.forces))
    smooth, plain = (
        np.abs(path_gaps(make(octahedron, frame("SE(3)")), octahedron.numbers, path.pos, batch_size=7))
        for frame in (WeightedPCAFrame, PCAFrame)
    )
    assert smooth.max() < own.max()
    assert np.median(smooth) < 1e-3 * np.median(own)
    assert plain.max() > 1e-3
    assert plain.max() > 100 * smooth.max()
    assert len(path_gaps(make(octahedron), octahedron.numbers, path.pos[:1])) == 0


def test_gaps_of_a_smooth_energy_are_of_fifth_order(make, ethanol):
    line = np.linspace(0, 1, 33)[:, None, None] * np.random.default_rng(0).normal(size=(9, 3)) * 0.1
    pos, model = ethanol.positions + line, make(ethanol, PCAFrame("T(3)"))
    wide, narrow = (np.abs(path_gaps(model, ethanol.numbers, pos[::every])).max() for every in (4, 2))
    assert wide / narrow == pytest.approx(32, rel=0.2)
