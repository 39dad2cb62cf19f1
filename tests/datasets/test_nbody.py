import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from fa_pyg.datasets import NBody
from fa_pyg.datasets.nbody import initial_states, reflect, simulate

REFERENCE = Path(__file__).parents[1] / "data" / "nbody_reference.npz"
SMALL = {"length": 400, "input_frame": 0, "target_frame": 1, "log": False}  # two hundred steps


@pytest.fixture(scope="module")
def reference():
    """Charges, positions and velocities of the first 20 published test samples, by the original simulator."""
    return np.load(REFERENCE)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The same 20 samples by ours. They stand at place 12 000 of the random stream, which is cheap to draw;
    only what is asked for is integrated."""
    return NBody(tmp_path_factory.mktemp("nbody"), "test", num_samples=20, log=False)


def test_published_samples_in_double_precision(reference):
    charge, pos, vel = initial_states(range(12_000, 12_020))
    pos, vel = simulate(charge, pos, vel, frames=(0, 30, 40))
    np.testing.assert_array_equal(charge, reference["charges"])
    np.testing.assert_allclose(pos[:, 0], reference["pos0"], rtol=0, atol=1e-12)
    apart = np.abs(pos[:, 2] - reference["pos40"]).max(axis=(1, 2)) > 1e-6
    assert apart.sum() <= 2  # two close encounters, where rounding grows to 1e-2
    for ours, theirs in ((pos[:, 1], "pos30"), (vel[:, 1], "vel30"), (pos[:, 2], "pos40")):
        np.testing.assert_allclose(ours[~apart], reference[theirs][~apart], rtol=0, atol=1e-6)


def test_published_samples_of_the_data_set(published, reference):
    pos, vel, charge, y = (
        torch.stack([getattr(data, key) for data in published]) for key in ("pos", "vel", "charge", "y")
    )
    assert torch.equal(charge, torch.from_numpy(reference["charges"]).float())
    for ours, theirs in ((pos, "pos30"), (vel, "vel30"), (y, "pos40")):
        assert ours.dtype == torch.float32
        error = (ours - torch.from_numpy(reference[theirs])).abs().amax((1, 2))
        assert (error > 1e-6).sum() <= 2


def test_the_next_sample_does_not_match(reference):
    """Negative control: one place further in the stream is another sample."""
    charge, pos, vel = initial_states(range(12_001, 12_021))
    pos, _ = simulate(charge, pos, vel, frames=(0,))
    assert (np.abs(pos[:, 0] - reference["pos0"]).max(axis=(1, 2)) > 0.1).all()


def plain_simulate(q, x, v, steps, strength=1.0, softening=0.0, max_force=100.0, dt=0.001):
    """One sample, particle by particle, as the rule reads."""

    def kick():
        for i in range(len(x)):
            force = np.zeros(3)
            for j in range(len(x)):
                if i != j:
                    r = x[i] - x[j]
                    force += strength * q[i, 0] * q[j, 0] * r / (r @ r + softening**2) ** 1.5
            v[i] += dt * np.minimum(np.maximum(force, -max_force), max_force)

    x, v = x.copy(), v.copy()
    kick()
    for step in range(1, steps + 1):
        x += dt * v
        if step == steps:
            return x, v
        kick()
    return None


@pytest.mark.parametrize(
    ("interaction", "law"),
    [("charged", {}), ("gravity", {"strength": -1.0, "softening": 0.2, "max_force": np.inf})],
)
def test_simulation_equals_plain_loops(interaction, law):
    charge, pos, vel = initial_states(range(3), num_particles=4, interaction=interaction)
    pos[0, 1] = pos[0, 0] + 0.01  # so near that forces are clipped
    ours = simulate(charge, pos, vel, frames=(0, 1), interaction=interaction)
    for s in range(3):
        for frame in (0, 1):
            plain = plain_simulate(charge[s], pos[s], vel[s], 100 * (frame + 1), **law)
            for mine, theirs in zip(ours, plain, strict=True):
                np.testing.assert_allclose(mine[s, frame], theirs, rtol=0, atol=1e-9)


def test_clipping_matters():
    """Negative control of the test above: without the limit its first sample ends elsewhere."""
    charge, pos, vel = initial_states(range(1), num_particles=4)
    pos[0, 1] = pos[0, 0] + 0.01
    clipped, free = (plain_simulate(charge[0], pos[0], vel[0], 100, max_force=f)[0] for f in (100.0, np.inf))
    assert np.abs(clipped - free).max() > 0.1


def test_chunks_do_not_show(monkeypatch):
    """Systems integrated a few at a time give what they give side by side."""
    states = initial_states(range(5))
    together = simulate(*states, frames=(0,))
    monkeypatch.setattr("fa_pyg.datasets.nbody_law.PAIRS", 50)  # two systems of 25 pairs
    for one, other in zip(simulate(*states, frames=(0,)), together, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_simulating_leaves_its_input_alone():
    charge, pos, vel = (np.ascontiguousarray(a) for a in initial_states(range(1)))
    before = pos.copy(), vel.copy()
    simulate(charge, pos, vel, frames=(0,))
    np.testing.assert_array_equal((pos, vel), before)


def test_initial_states_follow_the_seed():
    charge, pos, vel = initial_states(range(2, 4), seed=7)
    rng = np.random.RandomState(7)
    for s in range(4):
        q = rng.choice([-1.0, 0.0, 1.0], size=(5, 1), p=[0.5, 0, 0.5])
        x, v = rng.randn(3, 5), rng.randn(3, 5)
        v = v * 0.5 / np.sqrt((v**2).sum(axis=0))
        rng.randn(49, 3, 5), rng.randn(49, 3, 5)
        if s >= 2:
            np.testing.assert_array_equal(charge[s - 2], q)
            np.testing.assert_array_equal(pos[s - 2], x.T)
            np.testing.assert_allclose(vel[s - 2], v.T, rtol=1e-14)


def test_generating_leaves_the_global_stream_alone():
    before = np.random.get_state()[2]  # noqa: NPY002
    initial_states(range(2))
    assert np.random.get_state()[2] == before  # noqa: NPY002


def test_walls_mirror_inwards():
    pos, vel = reflect(np.array([[[5.5, -6.0, 4.0]]]), np.array([[[1.0, 2.0, 3.0]]]))
    np.testing.assert_allclose(pos, [[[4.5, -4.0, 4.0]]])
    np.testing.assert_allclose(vel, [[[-1.0, 2.0, 3.0]]])


def test_gravity_keeps_its_center_of_mass(tmp_path):
    data = NBody(tmp_path, "val", 2, num_particles=20, interaction="gravity", **SMALL)[1]
    assert (data.charge == 1).all()
    torch.testing.assert_close(data.vel.mean(0), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(data.pos.mean(0), data.y.mean(0), rtol=0, atol=1e-6)
    assert (data.y - data.pos).norm() > 1e-2


def test_every_graph_is_complete(published):
    data = published[3]
    assert (data.num_nodes, data.num_edges) == (5, 20)
    pairs = set(map(tuple, data.edge_index.t().tolist()))
    assert pairs == {(i, j) for i in range(5) for j in range(5) if i != j}
    row, col = data.edge_index
    torch.testing.assert_close(data.edge_attr, data.charge[row] * data.charge[col])
    data.validate()


def test_default_sizes():
    from fa_pyg.datasets.nbody import BENCHMARK, SPLITS

    assert BENCHMARK == {"train": 3000, "val": 2000, "test": 2000}
    assert [(SPLITS[s].start, SPLITS[s].stop) for s in BENCHMARK] == [
        (0, 10_000),
        (10_000, 12_000),
        (12_000, 14_000),
    ]


def test_cached_and_generated_again(tmp_path, monkeypatch):
    first = NBody(tmp_path, "train", 3, **SMALL)
    path = Path(first.processed_paths[0])
    assert os.listdir(path.parent) == [path.name]
    monkeypatch.setattr("fa_pyg.datasets.nbody.simulate", lambda *a, **k: pytest.fail("generated again"))
    again = NBody(tmp_path, "train", 3, **SMALL)
    assert torch.equal(first[2].y, again[2].y)
    with pytest.raises(pytest.fail.Exception):
        NBody(tmp_path, "train", 3, force_reload=True, **SMALL)


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"num_particles": 4}, {"length": 500}, {"target_frame": 2}, {"interaction": "gravity"},
     {"num_samples": 2}, {"split": "val"}, {"input_frame": 1, "target_frame": 2}],
)  # fmt: skip
def test_every_combination_has_its_own_cache(tmp_path, other):
    arguments = {"split": "train", "num_samples": 3, **SMALL}
    NBody(tmp_path, **arguments)
    NBody(tmp_path, **{**arguments, **other})
    assert len(os.listdir(tmp_path / "processed")) == 2


def test_a_killed_run_leaves_no_cache(tmp_path, monkeypatch):
    def half(object, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KeyboardInterrupt):
            NBody(tmp_path, "train", 3, **SMALL)
    assert os.listdir(tmp_path / "processed") == []
    assert len(NBody(tmp_path, "train", 3, **SMALL)) == 3


def generate(root):
    return NBody(root, "train", 3, **SMALL)[1].y.numpy()


def test_two_processes_at_once(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        one, other = pool.map(generate, [str(tmp_path)] * 2)
    np.testing.assert_array_equal(one, other)
    assert len(os.listdir(tmp_path / "processed")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "split: expected .*, found 'valid'"),
        ({"num_samples": 10_001}, "num_samples: expected an integer from 1 to 10000, found 10001"),
        ({"num_particles": 1}, r"num_particles: expected .*, found 1"),
        ({"num_samples": "5"}, "num_samples: expected a positive integer, found '5'"),
        ({"num_particles": 2.5}, "num_particles: expected an integer >= 2, found 2.5"),
        ({"target_frame": None}, "target_frame: expected an integer.*, found None"),
        ({"seed": -1}, "seed: expected an integer.*, found -1"),
        ({"seed": 1.5}, r"seed: expected .*, found 1.5"),
        ({"split": ["train"]}, "split: expected .*, found .'train'."),
        ({"length": 450}, r"length: expected .*, found 450"),
        ({"input_frame": 40}, "target_frame: expected an integer >= 41, found 40"),
        ({"target_frame": 49}, r"target_frame: expected .*, found 49"),
        ({"input_frame": -1}, r"input_frame: expected .*, found -1"),
        ({"interaction": "magnetic"}, r"interaction: expected .*, found 'magnetic'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        NBody(tmp_path, **arguments)
    assert os.listdir(tmp_path) == []


def laws():
    """Elements of the symmetry group of the law: what they do to charges, positions and velocities."""
    rotation = np.linalg.qr(np.random.RandomState(0).randn(3, 3))[0]
    u, factor = np.array([0.3, -0.2, 0.1]), 1.7
    later = u * 2 * 0.1  # two hundred steps
    return {
        "rotated": (lambda q, x, v: (q, x @ rotation, v @ rotation), lambda y: y @ rotation),
        "boosted": (lambda q, x, v: (q, x, v + u), lambda y: y + later),
        "scaled": (lambda q, x, v: (q * factor**1.5, factor * x, factor * v), lambda y: factor * y),
        "conjugated": (lambda q, x, v: (-q, x, v), lambda y: y),
        "scaled otherwise": (lambda q, x, v: (q * factor, factor * x, factor * v), lambda y: factor * y),
    }


@pytest.mark.parametrize("name", laws())
def test_symmetries_of_the_law(name):
    """Where no force is cut off: up to rounding, in all but the first few of a hundred systems."""
    act, answer = laws()[name]
    state = initial_states(range(100))
    (y, _), (moved, _) = simulate(*state, (1,)), simulate(*act(*state), (1,))
    error = np.sort(np.abs(moved - answer(y)).max(axis=(1, 2, 3)))
    if name == "scaled otherwise":  # the negative control
        assert error[50] > 1e-3
    else:
        assert error[90] < 1e-10
