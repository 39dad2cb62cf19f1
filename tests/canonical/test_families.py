"""Whole families of graphs: one form for all relabellings, and as many forms as classes.

The families, and the check, are those of ``benchmarks/labelling.py``, which goes further.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fa_pyg.canonical.level import Level

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
IGRAPH = importlib.util.find_spec("igraph")


@pytest.fixture(scope="module")
def tools():
    """The modules ``families`` and ``labelling`` of the benchmarks."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import families
        import labelling
    finally:
        sys.path.remove(str(BENCHMARKS))
    return families, labelling


def test_trees(tools):
    families, labelling = tools
    for n in range(2, 12):
        trees = list(labelling.nx.nonisomorphic_trees(n))
        failed, found = labelling.failures(trees, copies=20, alone=1)
        assert (failed, len(found)) == (0, families.TREES[n])


@pytest.mark.parametrize(("degree", "largest", "tries"), [(3, 12, 10), (4, 9, 40), (5, 8, 40), (6, 9, 100)])
def test_regular(tools, degree, largest, tries):
    """All connected regular graphs are found by switches of edges: a form too many or too few would show."""
    families, labelling = tools
    for n, count in families.REGULAR[degree].items():
        if n <= largest:
            graphs = families.regular_graphs(degree, n, labelling.forms_of, tries=tries)
            failed, found = labelling.failures(graphs, copies=20, alone=1)
            assert (failed, len(found), len(graphs)) == (0, count, count)


NAMES = ["strongly regular", "distance regular", "vertex transitive", "coverings", "CFI", "rings of pieces"]
NAMES += ["once wrong", "colored", "directed, colored"]


@pytest.mark.parametrize("name", NAMES)
def test_family(tools, name):
    families, labelling = tools
    graphs = list(families.FAMILIES[name]())
    failed, found = labelling.failures(graphs, copies=20, alone=1)
    assert failed == 0
    if IGRAPH or not all(map(labelling.plain, graphs)):
        assert len(found) == labelling.classes(graphs)


def test_all_families_are_here(tools):
    assert set(tools[0].FAMILIES) == set(NAMES)


def test_a_search_that_ends_early_is_noticed(tools, monkeypatch):
    """The negative control: a search that ends as soon as one candidate is left."""
    families, labelling = tools
    explore = Level.explore

    def early(self):
        tree = explore(self)
        several = torch.bincount(tree.graph)[tree.graph] > 1
        return replace(tree, score=tree.score & ~1 | several.long())

    monkeypatch.setattr(Level, "explore", early)
    assert labelling.failures(families.reported(), copies=20, alone=0)[0]
