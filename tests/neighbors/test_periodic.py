"""Neighbors across the faces of any cell, against a loop over images, and bounds on the work."""

import itertools
import math
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fa_pyg.neighbors.images import Box
from fa_pyg.neighbors.periodic import edge_vectors, periodic_edges
from fa_pyg.nn import radius_graph

FCC = [[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]
CELLS = {  # name: cell, cutoff
    "fcc, one atom": (FCC, 5.0),
    "fcc, wide cutoff": (FCC, 9.0),
    "cube": ([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]], 5.0),
    "left-handed": ([[0, 4.0, 0.5], [4, 0, 0], [0.3, 0, 4]], 5.0),
    "skewed": ([[3.0, 0, 0], [40, 3, 0], [-7, 11, 4]], 5.0),
    "needle": ([[1e3, 0, 0], [0, 3, 0], [0, 0, 3]], 5.0),
    "plate": ([[1e4, 0, 0], [0, 1e4, 0], [0, 0, 3]], 5.0),  # divides by zero in vesin 0.6
    "plate with a short side": ([[1e5, 0, 0], [0, 0.5, 0], [0, 0, 1e5]], 5.0),
    "wide": ([[1e8, 0, 0], [0, 1e8, 0], [0, 0, 1e8]], 5.0),
    "tiny": ([[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]], 3.0),
    "tinier": ([[0.3, 0, 0], [0, 0.3, 0], [0, 0.1, 0.3]], 2.0),
    "other units": ([[4e-10, 0, 0], [0, 4e-10, 0], [0, 0, 4e-10]], 5e-10),
}


def oracle(pos, cell, pbc, cutoff):
    """Triples (j, i, s) by a loop over all images within reach, and their distances."""
    vectors = cell[pbc]
    heights = 1 / np.linalg.norm(np.linalg.pinv(vectors), axis=0) if len(vectors) else np.zeros(0)
    inside = pos @ np.linalg.pinv(vectors) if len(vectors) else np.zeros((len(pos), 0))
    spread = np.ptp(inside, axis=0) + 1 if len(pos) else 0
    most = iter(np.ceil(cutoff / heights + spread).astype(int).tolist())
    ranges = [range(-n, n + 1) if flag else (0,) for flag in pbc for n in [next(most) if flag else 0]]
    shifts = np.array(list(itertools.product(*ranges)), float)
    found = {}
    for i, x in enumerate(pos):
        for j, y in enumerate(pos):
            d = np.linalg.norm(y + shifts @ np.where(pbc[:, None], cell, 0) - x, axis=1)
            for place in (d < cutoff).nonzero()[0]:
                if i != j or shifts[place].any():
                    found[(j, i, *shifts[place].astype(int).tolist())] = d[place]
    return found


def edges(pos, cell, pbc, cutoff):
    """The same of the function, which must give none twice."""
    x, box = torch.tensor(pos), torch.tensor(cell)[None]
    edge_index, shift = periodic_edges(x, box, torch.tensor(pbc)[None], cutoff)
    keys = [tuple(row) for row in torch.cat([edge_index.T, shift.long()], 1).tolist()]
    lengths = edge_vectors(x, edge_index, shift, box[0][None], torch.zeros(len(x)).long()).norm(dim=1)
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, lengths.tolist(), strict=True))


def assert_equal(found, expected, cutoff):
    """The same edges, but for those as long as the cutoff to the last digits, and the same lengths."""
    for key in found.keys() ^ expected.keys():
        assert {**expected, **found}[key] == pytest.approx(cutoff, rel=1e-9), key
    both = sorted(found.keys() & expected.keys())
    assert [found[key] for key in both] == pytest.approx([expected[key] for key in both], rel=1e-9)


@pytest.fixture(params=["vesin", "images"])
def engine(request, monkeypatch):
    """What searches ordinary cells."""
    if request.param == "vesin":
        pytest.importorskip("vesin", reason="vesin is not installed (extra 'chem')")
    else:
        monkeypatch.setitem(sys.modules, "vesin", None)
    return request.param


@pytest.fixture
def time_limit():
    """Two seconds, where this takes milliseconds."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("atoms", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_cells_of_all_kinds_against_a_loop(name, atoms, engine):
    cell, cutoff = np.array(CELLS[name][0]), CELLS[name][1]
    inside = np.random.default_rng(0).uniform(-1, 2, (atoms, 3))
    pos, pbc = inside @ cell, np.ones(3, bool)
    assert_equal(edges(pos, cell, pbc, cutoff), oracle(pos, cell, pbc, cutoff), cutoff)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("pbc", [p for p in itertools.product([True, False], repeat=3) if not all(p)])
def test_directions_that_are_not_periodic(pbc, zero, engine):
    """Their vectors may be anything, zero among it."""
    pbc = np.array(pbc)
    cell = np.array([[3.0, 0.2, 0], [0.7, 3.5, 0.1], [-0.4, 0.3, 2.9]])
    if zero:
        cell[~pbc] = 0
    pos = np.random.default_rng(1).normal(size=(4, 3)) * 3
    assert_equal(edges(pos, cell, pbc, 5.0), oracle(pos, cell, pbc, 5.0), 5.0)


@given(st.data())
def test_drawn_cells_against_a_loop(data):
    seed = data.draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    cell = rng.normal(size=(3, 3)) * 10 ** rng.uniform(0.2, 0.9, (3, 1))
    pbc = np.array(data.draw(st.tuples(*[st.booleans()] * 3)))
    pos = rng.normal(size=(data.draw(st.integers(0, 4)), 3)) * 3
    if len(pos) > 1 and data.draw(st.booleans()):
        pos[1] = pos[0]
    assume(np.linalg.svd(cell)[1][-1] > 0.3)  # a flat one is slow in the loop
    assert_equal(edges(pos, cell, pbc, 4.0), oracle(pos, cell, pbc, 4.0), 4.0)


@pytest.mark.parametrize("away", [0.0, 7.0, 1e4, 1e7])
def test_atoms_far_outside_of_the_cell(away, engine):
    cell, pbc = np.array(CELLS["skewed"][0]) * 0.5 + 3 * np.eye(3), np.ones(3, bool)
    rng = np.random.default_rng(2)
    pos = rng.uniform(size=(3, 3)) @ cell
    shift = np.round(away * rng.normal(size=(3, 3)))
    near, far = edges(pos, cell, pbc, 4.9), edges(pos + shift @ cell, cell, pbc, 4.9)
    back = {
        (j, i, *(np.array(s) + shift[j] - shift[i]).astype(int).tolist()): d for (j, i, *s), d in far.items()
    }
    assert len(near) > 20
    assert back.keys() == near.keys()
    assert [back[key] for key in near] == pytest.approx(list(near.values()), abs=1e-14 * max(away, 1) * 100)


def test_a_mixed_batch_in_any_order_is_its_systems():
    """A crystal, an atom alone, a slab of no height, a molecule and a graph of nothing, their atoms mixed."""
    generator = torch.Generator().manual_seed(0)
    sizes, flags = [2, 1, 3, 4, 0], ["TTT", "FFF", "TTF", "FFF", "FFF"]
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    pos = 2 * torch.randn(10, 3, generator=generator).double()
    pbc = torch.tensor([[flag == "T" for flag in one] for one in flags])
    cell = (3 * torch.eye(3).double()).expand(5, 3, 3) * pbc.unsqueeze(2)
    mix = torch.randperm(10, generator=generator)
    for order in (torch.arange(10), mix):
        edge_index, shift = periodic_edges(pos[order], cell, pbc, 3.5, batch[order])
        found = torch.cat([order[edge_index].T, shift.long()], 1).tolist()
        expected, first = [], 0
        for k, size in enumerate(sizes):
            one = oracle(pos[first : first + size].numpy(), cell[k].numpy(), pbc[k].numpy(), 3.5)
            expected += [[j + first, i + first, *s] for j, i, *s in one]
            first += size
        assert sorted(found) == sorted(expected)


def test_small_units_and_leaning_vectors_of_a_slab_take_no_time(time_limit):
    """What a search by bins of 3 Angstrom, or of heights that a free direction lessens, takes hours for."""
    leaning = np.array([[3.0, 0, 0], [0, 3.0, 0], [2.0, 2.0, 0.01]])
    for cell, cutoff in ((4e-2 * np.eye(3), 5e-2), (leaning, 5.0)):
        pos, pbc = 0.3 * cell.sum(0)[None], np.array([True, True, False])
        assert_equal(edges(pos, cell, pbc, cutoff), oracle(pos, cell, pbc, cutoff), cutoff)


def test_a_droplet_in_a_large_box_takes_no_time(time_limit):
    """Bins of one cutoff, all as full as the fullest one, would be 1e8 pairs and more."""
    pos = 8 * torch.randn(800, 3, generator=torch.Generator().manual_seed(0)).double() + 100
    flags = torch.tensor([[True, True, False]])
    found, shift = periodic_edges(pos, 200 * torch.eye(3)[None], flags, 10.0)
    assert not shift.any()
    assert torch.equal(sorted_rows(found), sorted_rows(radius_graph(pos, 10.0, max_num_neighbors=None)))


def sorted_rows(edge_index):
    return edge_index[:, (edge_index[0] * 1000 + edge_index[1]).argsort()]


def test_molecules_have_the_edges_of_the_radius_graph():
    pos = torch.randn(20, 3).double()
    found, shift = periodic_edges(pos, torch.zeros(1, 3, 3), torch.zeros(1, 3) > 0, 1.5)
    assert not shift.any()
    assert torch.equal(found, radius_graph(pos, 1.5, max_num_neighbors=None))


def test_a_large_supercell_has_the_neighbors_of_its_cell():
    copies = 30  # 27 000 atoms
    steps = np.stack(np.meshgrid(*[np.arange(copies)] * 3, indexing="ij"), -1).reshape(-1, 3)
    small = edges(np.zeros((1, 3)), np.array(FCC), np.ones(3, bool), 4.0)
    pos, cell = torch.tensor(steps @ np.array(FCC)), torch.tensor(FCC)[None].double() * copies
    edge_index, _ = periodic_edges(pos, cell, torch.ones(1, 3) > 0, 4.0)
    assert (edge_index[1].bincount() == len(small)).all()
    assert len(small) == 18  # 12 nearest and 6 next nearest


TTT = (True, True, True)


@pytest.mark.parametrize(
    ("cell", "pbc", "message"),
    [
        (
            1e-3 * np.eye(3),
            TTT,
            r"at most 1e\+08 neighbors for.*graph 0 \(1 atoms, vectors of 0.001",
        ),
        (1e-30 * np.eye(3), TTT, "expected at most"),
        (1e-300 * np.eye(3), TTT, "cell: expected"),
        ([[1, 0, 0], [1e9, 1, 0], [0, 0, 5]], TTT, r"at most 2e\+07 images.*heights of 1e-09.*less skewed"),
        ([[1, 0, 0], [1, 0, 0], [0, 0, 1]], TTT, r"independent vectors .* in graph 0"),
        (np.zeros((3, 3)), TTT, "independent vectors"),
        (np.diag([3.0, 0, 3]), TTT, "independent vectors"),
        (np.diag([3.0, 0, 3]), (False, True, True), "independent vectors"),
        (np.diag([3.0, math.nan, 3]), TTT, "independent vectors"),
        (np.diag([3.0, math.inf, 3]), TTT, "independent vectors"),
        (np.diag([1e-7, 3.0, 0]), (True, True, False), "expected at most"),
        (np.diag([1e-9, 0, 0]), (True, False, False), "expected at most"),
    ],
)
def test_cells_that_are_too_much_are_refused_at_once(cell, pbc, message):
    with pytest.raises(ValueError, match=message):
        edges(np.zeros((1, 3)), np.array(cell, float), np.array(pbc), 5.0)


@pytest.mark.parametrize("cutoff", [0, 0.0, -1.0, math.nan, math.inf, -math.inf])
def test_cutoffs_are_positive_and_finite(cutoff):
    with pytest.raises(ValueError, match="cutoff: expected a positive, finite number, found"):
        edges(np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool), cutoff)


@pytest.mark.parametrize("cutoff", [1e3, 1e9, 1e300])
def test_cutoffs_in_another_unit_are_refused(cutoff):
    with pytest.raises(ValueError, match=r"expected at most .* for the cutoff.*the same unit"):
        edges(np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool), cutoff)


@pytest.mark.parametrize("x", [1e11, 1e30, 1e300, math.inf, -math.inf, math.nan])
def test_positions_without_digits_are_refused(x):
    with pytest.raises(ValueError, match=r"pos: expected coordinates within 2\.25e"):
        edges(np.array([[0.0, 0, 0], [0, x, 0]]), 4 * np.eye(3), np.ones(3, bool), 5.0)


def test_the_limit_of_an_atom_names_the_graph():
    cell = torch.stack([4 * torch.eye(3), 0.5 * torch.eye(3)])
    args = torch.zeros(2, 3), cell, torch.ones(2, 3) > 0, 5.0, torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"at most 1000 neighbors of an atom.*4.19e\+03 in graph 1 \("):
        periodic_edges(*args, max_neighbors=1000)
    assert periodic_edges(*args, max_neighbors=4200)[0].size(1) > 4000


def test_the_estimate_is_that_of_the_edges():
    """Of crystals, of slabs thin and thick, and of wires."""
    rng = np.random.default_rng(0)
    for flags, extent in (("TTT", 6), ("TTF", 0.1), ("TTF", 200), ("TFF", 0.1)):
        pbc = np.array([flag == "T" for flag in flags])
        lengths = np.where(pbc, 6.0, extent)
        pos = rng.uniform(size=(60, 3)) * lengths
        estimate = 60 * 60 * Box(np.diag(lengths), pbc).images_in_ball(pos, 5.0)
        assert len(edges(pos, np.diag(lengths), pbc, 5.0)) == pytest.approx(estimate, rel=0.25)


def test_shapes_are_named():
    with pytest.raises(ValueError, match="cell, pbc: expected 1 of each, found 2 and 1"):
        periodic_edges(torch.zeros(1, 3), torch.zeros(2, 3, 3), torch.ones(1, 3) > 0, 1.0)
    right = {"pos": torch.zeros(1, 3), "cell": torch.eye(3)[None], "pbc": torch.ones(1, 3) > 0, "cutoff": 0.5}
    assert periodic_edges(**right)[0].shape == (2, 0)
    for wrong in (
        {"pbc": torch.ones(1, 3).long()},  # would be numbers of vectors
        {"pbc": torch.ones(3) > 0},
        {"cell": torch.eye(3)},
        {"cell": torch.ones(1, 9)},
        {"pos": torch.zeros(1, 2)},
        {"pos": torch.zeros(1, 3).long()},
    ):
        with pytest.raises(ValueError, match="pos, cell, pbc: expected numbers"):
            periodic_edges(**right | wrong)


@pytest.mark.parametrize("pbc", ["TTT", "TTF"])
def test_a_crowd_in_one_place_of_a_large_cell_is_refused(pbc):
    """The average is small, and the neighbors are not: 3000 atoms in one place, give or take whole cells."""
    steps = torch.randint(-2, 3, (3000, 3), generator=torch.Generator().manual_seed(0)).double()
    flags = torch.tensor([[flag == "T" for flag in pbc]])
    cell = 200 * torch.eye(3).double()[None]
    args = 200 * steps * flags + 3.0, cell, flags, 5.0
    with pytest.raises(ValueError, match=r"at most 2000 neighbors of an atom .* found about 3e\+03"):
        periodic_edges(*args, max_neighbors=2000)
    apart = 200 * torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)).double()
    found = periodic_edges(apart, *args[1:], max_neighbors=2000)[0].size(1)
    assert Box(cell[0].numpy(), flags[0].numpy()).images_in_ball(apart.numpy(), 5.0) * 9e6 > 0.5 * found > 0
