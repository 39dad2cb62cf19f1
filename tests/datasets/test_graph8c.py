import os
from collections import Counter, defaultdict
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.utils import to_networkx

from fa_pyg.datasets import GRAPH8c, InMemoryLoader
from fa_pyg.datasets.generators.connected import adjacency, canonical_masks, connected_graphs

COUNTS = {1: 1, 2: 1, 3: 2, 4: 6, 5: 21, 6: 112, 7: 853, 8: 11_117}  # 9: 261 080


@pytest.fixture(scope="module")
def graphs():
    return {n: [nx.from_numpy_array(a) for a in adjacency(connected_graphs(n), n)] for n in COUNTS}


def fingerprint(graph):
    """Numbers that isomorphic graphs share, in exact arithmetic: degrees, closed walks, triangles."""
    a = nx.to_numpy_array(graph, dtype=np.int64)
    powers = [a]
    for _ in range(6):
        powers.append(powers[-1] @ a)
    around = sorted(
        zip(*(np.diag(p).tolist() for p in powers), *(p.sum(0).tolist() for p in powers), strict=True)
    )
    return tuple(around)


def by_fingerprint(graphs):
    groups = defaultdict(list)
    for graph in graphs:
        groups[fingerprint(graph)].append(graph)
    return groups


@pytest.mark.parametrize(("n", "count"), COUNTS.items())
def test_as_many_as_there_are_and_all_connected(graphs, n, count):
    assert len(graphs[n]) == count
    assert all(graph.number_of_nodes() == n and nx.is_connected(graph) for graph in graphs[n])


@pytest.mark.parametrize("n", COUNTS)
def test_no_two_are_isomorphic(graphs, n):
    """With the right number of them, that makes one of each class."""
    groups = by_fingerprint(graphs[n]).values()
    assert not any(nx.is_isomorphic(a, b) for group in groups for a, b in combinations(group, 2))


def test_each_is_one_graph_of_the_atlas(graphs):
    atlas = [graph for graph in nx.graph_atlas_g()[1:] if nx.is_connected(graph)]
    ours = by_fingerprint(graph for n in range(1, 8) for graph in graphs[n])
    assert len(atlas) == sum(COUNTS[n] for n in range(1, 8))
    for graph in atlas:
        assert sum(nx.is_isomorphic(graph, other) for other in ours[fingerprint(graph)]) == 1


def test_without_canonical_forms_there_are_copies(monkeypatch):
    """Negative control of the count: the order of colors alone leaves several numberings of one graph."""
    monkeypatch.setattr("fa_pyg.datasets.generators.connected.canonical_masks", lambda masks, n: masks)
    found = [nx.from_numpy_array(a) for a in adjacency(connected_graphs(6), 6)]
    assert len(found) > COUNTS[6]
    groups = by_fingerprint(found).values()
    assert any(nx.is_isomorphic(a, b) for group in groups for a, b in combinations(group, 2))


def numbering(matrix, order):
    order = list(order)
    return sum(
        int(matrix[order[i], order[j]]) << (j * (j - 1) // 2 + i) for j in range(len(order)) for i in range(j)
    )


def test_canonical_masks_are_the_same_for_every_numbering():
    """All masks of five nodes, connected or not: classes by all 120 numberings, one by one."""
    masks = np.arange(1 << 10)
    found = canonical_masks(masks, 5)
    slow = [min(numbering(a, order) for order in permutations(range(5))) for a in adjacency(masks, 5)]
    assert len(set(found)) == len(set(slow)) == len(set(zip(found, slow, strict=True))) == 34
    assert set(found) <= set(masks)


@pytest.mark.parametrize("n", [8, 9])
def test_canonical_masks_of_larger_graphs_under_random_numberings(n):
    random = np.random.default_rng(0)
    masks = random.integers(1 << n * (n - 1) // 2, size=200)
    symmetric = [nx.complete_graph(n), nx.cycle_graph(n), nx.star_graph(n - 1), nx.empty_graph(n)]
    matrices = np.concatenate([adjacency(masks, n), [nx.to_numpy_array(g, dtype=int) for g in symmetric]])
    for _ in range(3):
        orders = [random.permutation(n) for _ in matrices]
        others = np.array([numbering(a, order) for a, order in zip(matrices, orders, strict=True)])
        first = canonical_masks(np.array([numbering(a, range(n)) for a in matrices]), n)
        np.testing.assert_array_equal(canonical_masks(others, n), first)
        assert len(set(first)) > 190


def test_the_order_is_always_the_same(tmp_path):
    """By edges, from the path to the complete graph, whatever was asked for before."""
    one, other = (GRAPH8c(tmp_path / name, 6, log=False) for name in "ab")
    assert torch.equal(one._data.edge_index, other._data.edge_index)
    sizes = [graph.num_edges for graph in one]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (10, 30)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_data(tmp_path, n):
    dataset = GRAPH8c(tmp_path, n, log=False)
    assert len(dataset) == COUNTS[n]
    for graph, matrix in zip(dataset, adjacency(connected_graphs(n), n), strict=True):
        graph.validate()
        assert torch.equal(graph.x, torch.ones(n, 1))
        assert graph.is_undirected()
        assert torch.equal(graph.edge_index, torch.from_numpy(matrix).nonzero().t())
        assert nx.is_connected(to_networkx(graph, to_undirected=True))


def test_loader(tmp_path):
    dataset = GRAPH8c(tmp_path, 5, log=False)
    batch = next(iter(InMemoryLoader(dataset, 21)))
    plain = Batch.from_data_list(list(dataset))
    assert torch.equal(batch.edge_index, plain.edge_index)
    assert torch.equal(batch.batch, plain.batch)
    assert Counter(batch.batch.tolist()) == dict.fromkeys(range(21), 5)


def test_cached_and_generated_again(tmp_path, monkeypatch):
    first = GRAPH8c(tmp_path, 5, log=False)
    assert os.listdir(tmp_path / "processed") == ["connected5.pt"]
    monkeypatch.setattr("fa_pyg.datasets.graph8c.connected_graphs", lambda *a, **k: pytest.fail("again"))
    assert torch.equal(GRAPH8c(tmp_path, 5)._data.edge_index, first._data.edge_index)
    for arguments in ({"n": 5, "force_reload": True}, {"n": 4}):
        with pytest.raises(pytest.fail.Exception):
            GRAPH8c(tmp_path, log=False, **arguments)


def test_a_killed_run_leaves_no_cache(tmp_path, monkeypatch):
    def half(object, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KeyboardInterrupt):
            GRAPH8c(tmp_path, 4, log=False)
    assert os.listdir(tmp_path / "processed") == []
    assert len(GRAPH8c(tmp_path, 4, log=False)) == 6


@pytest.mark.parametrize("n", [0, 10, 8.0, "8", True])
def test_bad_arguments(tmp_path, n):
    with pytest.raises(ValueError, match=f"n: expected a.* integer.*, found {n!r}"):
        GRAPH8c(tmp_path, n)
    with pytest.raises(ValueError, match=r"root: expected a path.*, found None"):
        GRAPH8c(None)
    assert os.listdir(tmp_path) == []
