import os
from itertools import product

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from fa_pyg.datasets import EXPLike, InMemoryLoader
from fa_pyg.datasets.generators.formulas import core, planar


def brute_force(variables, clauses):
    """Satisfiable? By all assignments; literal 2 v is variable v, 2 v + 1 its negation."""
    return any(
        all(any(truth[literal // 2] != literal % 2 for literal in clause) for clause in clauses)
        for truth in product((0, 1), repeat=variables)
    )


def signed(clauses):
    return [frozenset((-1) ** (literal % 2) * (literal // 2 + 1) for literal in clause) for clause in clauses]


@pytest.fixture(scope="module")
def graphs():
    return EXPLike(num_pairs=60, lengths=(3, 4, 5, 6, 8))


@pytest.mark.parametrize("length", range(3, 10))
def test_cores_by_brute_force(length, oracle):
    for satisfiable in (True, False):
        clauses = core(length, 0, satisfiable)
        assert brute_force(length, clauses) is satisfiable
        assert oracle.solve(signed(clauses)) is satisfiable
        assert len(clauses) == len(set(clauses)) == 2 * length


def test_the_solver_is_right(oracle):
    """Against all assignments of five variables, with about as many formulas of each kind."""
    random, answers = np.random.default_rng(0), []
    for _ in range(200):
        clauses = [2 * random.choice(5, 3, replace=False) + random.integers(2, size=3) for _ in range(24)]
        answers.append(brute_force(5, clauses))
        assert oracle.solve(signed(clauses)) is answers[-1]
    assert 40 < sum(answers) < 160


@pytest.mark.parametrize("seed", range(10))
def test_planar_parts_are_satisfiable(seed):
    clauses = planar(8, np.random.RandomState(seed))
    assert brute_force(8, clauses)
    truth = np.random.RandomState(seed).randint(2, size=8)  # what it draws first satisfies it
    assert all(any(truth[literal // 2] != literal % 2 for literal in clause) for clause in clauses)
    assert len(clauses) > 3


def test_labels_are_the_satisfiability_of_the_formulas(graphs, oracle):
    assert [oracle.solve(oracle.decode(data)) for data in graphs] == [True, False] * 60
    assert [int(data.y) for data in graphs] == [1, 0] * 60


def test_pairs_are_the_same_to_1_wl_and_not_isomorphic(graphs, oracle):
    for i in range(0, 120, 2):
        assert oracle.refine(graphs[i], graphs[i + 1])
        assert not oracle.isomorphic(graphs[i], graphs[i + 1])


def test_the_oracles_can_say_otherwise(graphs, oracle):
    """Negative control: other graphs differ to 1-WL, and a relabelled graph is isomorphic."""
    assert sum(oracle.refine(graphs[i], graphs[i + 2]) for i in range(0, 118, 2)) < 3
    for data in graphs[:10]:
        order = torch.randperm(data.num_nodes)
        other = data.clone()
        other.edge_index, other.x = order[data.edge_index], data.x[order.argsort()]
        assert oracle.isomorphic(data, other)


def test_the_ring_of_a_satisfiable_formula_is_a_prism_for_even_lengths(oracle):
    for length in (4, 5):
        for data in EXPLike(num_pairs=3, lengths=[length]):
            graph = oracle.as_networkx(data)
            ring = next(
                part for part in oracle.components(graph) if len(part) == 4 * length and regular(part)
            )
            rungs = [(i, j) for i, j in ring.edges if graph.nodes[i] == graph.nodes[j]]
            rims = nx.Graph(ring)
            rims.remove_edges_from(rungs)
            is_prism = int(data.y) == (length % 2 == 0)
            assert len(rungs) == length
            assert nx.number_connected_components(rims) == (2 if is_prism else 1)


def regular(part):
    """All literals (0, 1) have degree 3, all clauses 2."""
    return all(part.degree[i] == 2 + int(x[1]) for i, x in part.nodes(data="x"))


def test_the_rest_is_planar_and_the_same(graphs, oracle):
    for one, other in zip(graphs[::2], graphs[1::2], strict=True):
        rests = []
        for data in (one, other):
            parts = oracle.components(oracle.as_networkx(data))
            rests.append(nx.compose_all([part for part in parts if not regular(part)]))
            assert nx.check_planarity(rests[-1])[0]
        assert nx.is_isomorphic(*rests, node_match=lambda a, b: a == b)


def test_data(graphs):
    for data in graphs:
        data.validate()
        assert data.is_undirected()
        assert data.is_coalesced()
        assert not data.has_self_loops()
        assert data.x.dtype == torch.float32
        assert data.x.sum(1).eq(1).all()
    assert {data.num_nodes for data in graphs[::2]} == {data.num_nodes for data in graphs[1::2]}


def test_the_numbering_tells_nothing(graphs):
    """The first nodes of both graphs of a pair are of different kinds in about half of the pairs."""
    firsts = torch.stack([data.x[0, 1] for data in graphs]).view(-1, 2)
    assert 12 < (firsts[:, 0] != firsts[:, 1]).sum() < 48


def test_default_sizes():
    graphs = EXPLike()
    sizes = graphs.slices["x"].diff()
    assert len(graphs) == 1200
    assert graphs.num_classes == 2
    assert 28 <= sizes.min() < sizes.max() <= 72
    assert [len(EXPLike(split=split)) for split in ("val", "test", "train")] == [200, 200, 800]


@pytest.mark.parametrize("num_pairs", [3, 5, 13])
def test_splits_are_whole_pairs_and_make_up_the_set(num_pairs):
    whole = EXPLike(num_pairs=num_pairs)
    parts = [EXPLike(num_pairs=num_pairs, split=split) for split in ("val", "test", "train")]
    assert all(len(part) > 0 and len(part) % 2 == 0 for part in parts)
    joined = [data for part in parts for data in part]
    for one, other in zip(joined, whole, strict=True):
        assert torch.equal(one.edge_index, other.edge_index)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


def test_the_seed_decides():
    one, same, other = (EXPLike(num_pairs=4, seed=seed)._data for seed in (1, 1, 2))
    assert torch.equal(one.edge_index, same.edge_index)
    assert one.edge_index.shape != other.edge_index.shape or not torch.equal(one.edge_index, other.edge_index)


def test_generating_leaves_the_global_stream_alone():
    before = np.random.get_state()[2], torch.get_rng_state()  # noqa: NPY002
    EXPLike(num_pairs=1)
    assert np.random.get_state()[2] == before[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_loader():
    dataset = EXPLike(num_pairs=4, split="train")
    batch, plain = next(iter(InMemoryLoader(dataset, 4))), Batch.from_data_list(list(dataset))
    for key in ("x", "edge_index", "y", "batch"):
        assert torch.equal(batch[key], plain[key])


def test_cached_and_generated_again(tmp_path, monkeypatch):
    first = EXPLike(tmp_path, 3)
    assert os.listdir(tmp_path / "processed") == ["pairs3_seed0_lengths4-6-8.pt"]
    monkeypatch.setattr("fa_pyg.datasets.exp_like._generate", lambda *a: pytest.fail("generated again"))
    assert torch.equal(EXPLike(tmp_path, 3)._data.edge_index, first._data.edge_index)
    assert len(EXPLike(tmp_path, 3, split="val")) == 2
    for other in ({"force_reload": True}, {"num_pairs": 4}, {"seed": 1}, {"lengths": (4,)}):
        with pytest.raises(pytest.fail.Exception):
            EXPLike(tmp_path, **{"num_pairs": 3, **other})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": 3}, "root: expected a path or None.*, found 3"),
        ({"split": "valid"}, "split: expected .*, found 'valid'"),
        ({"num_pairs": 0}, "num_pairs: expected a positive integer, found 0"),
        ({"num_pairs": 2, "split": "val"}, "num_pairs: expected an integer >= 3, found 2"),
        ({"num_pairs": 2.0}, r"num_pairs: expected .*, found 2.0"),
        ({"seed": -1}, "seed: expected an integer.*, found -1"),
        ({"lengths": ()}, r"lengths: expected integers of 3 or more, found \(\)"),
        ({"lengths": (4, 2)}, "lengths: expected integers of 3 or more, found .4, 2."),
        ({"lengths": 4}, r"lengths: expected .*, found 4"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        EXPLike(**arguments)
