"""Canonical labelling by back ends, if installed: the same classes and orbits as by this package."""

import importlib.util
import itertools

import pytest
import torch

from fa_pyg import CanonicalFrame
from fa_pyg.canonical import backends, canonical_labelling

INSTALLED = [name for name in backends.BACKENDS if importlib.util.find_spec(name)]


def brute_force(size, pairs, classes):
    """Stands for a program: the smallest edge list over all orders within the classes, and all symmetries."""
    best, found, symmetries = None, None, []
    edges = {frozenset(pair) for pair in pairs}
    for parts in itertools.product(*(itertools.permutations(one) for one in classes)):
        order = [vertex for part in parts for vertex in part]
        place = {vertex: i for i, vertex in enumerate(order)}
        form = sorted(sorted(place[v] for v in edge) for edge in edges)
        if best is None or form < best:
            best, found, symmetries = form, order, []
        if form == best:
            image = [0] * size
            for a, b in zip(found, order, strict=True):
                image[a] = b
            symmetries.append(image)
    return found, symmetries


@pytest.fixture(params=[*INSTALLED, "brute force"])
def backend(request, monkeypatch):
    if request.param == "brute force":
        monkeypatch.setitem(backends.BACKENDS, "brute force", brute_force)
        monkeypatch.setattr(backends, "import_module", lambda name: None)
    return request.param


def cases(backend):
    i = torch.arange(5)
    pairs = torch.stack([i, (i + 1) % 5])
    yield torch.cat([pairs, pairs.flip(0)], 1), None, None
    yield torch.cat([pairs, pairs.flip(0)], 1), torch.tensor([1, 0, 0, 0, 0]), None
    i = torch.arange(4 if backend == "brute force" else 5)  # of five it would try millions of orders
    yield torch.stack([i, i.roll(-1)]), None, None  # directed
    yield torch.tensor([[0, 1, 1, 2, 3, 3, 0], [1, 0, 2, 1, 4, 4, 0]]), None, None  # loop, parallel
    if backend == "brute force":  # likewise; both ends are alike
        yield torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), None, torch.tensor([0, 1, 1, 0])
    else:
        square = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
        yield square, None, torch.tensor([0, 0, 1, 1, 0, 0, 1, 1])


def sizes_of(orbit):
    return sorted(orbit.unique(return_counts=True)[1].tolist())


@pytest.mark.parametrize("number", range(5))
def test_classes_and_orbits(backend, number):
    edges, color, edge_color = list(cases(backend))[number]
    n = int(edges.max()) + 1
    ours = canonical_labelling(edges, torch.tensor([n]), color, edge_color)
    forms = set()
    for seed in range(10):
        draw = torch.Generator().manual_seed(seed)
        order, mix = torch.randperm(n, generator=draw), torch.randperm(edges.size(1), generator=draw)
        moved = torch.argsort(order)[edges][:, mix]
        colors = [None if x is None else x[by] for x, by in ((color, order), (edge_color, mix))]
        found = canonical_labelling(moved, torch.tensor([n]), *colors, backend=backend)
        place = torch.argsort(found.order)[moved]
        rows = torch.cat([place, torch.zeros_like(mix)[None] if colors[1] is None else colors[1][None]])
        forms.add(tuple(sorted(map(tuple, rows.t().tolist()))))
        assert sizes_of(found.orbit) == sizes_of(ours.orbit)
        assert sizes_of(found.edge_orbit) == sizes_of(ours.edge_orbit)
    assert len(forms) == 1


def test_batches(backend):
    edges, sizes = torch.tensor([[0, 1, 3, 4, 5, 3], [1, 0, 4, 3, 3, 5]]), torch.tensor([2, 1, 3])
    found = canonical_labelling(edges, sizes, backend=backend)
    assert found.orbit.tolist() == [0, 0, 2, 3, 4, 4]
    assert sorted(found.order[3:].tolist()) == [3, 4, 5]


def test_missing_and_unknown():
    with pytest.raises(ValueError, match='backend: expected "pynauty", "igraph" or None, found'):
        CanonicalFrame(backend="nauty")
    for name in backends.BACKENDS:
        if name not in INSTALLED:
            with pytest.raises(ImportError, match=f"needs {name}, which is not installed"):
                CanonicalFrame(backend=name)
