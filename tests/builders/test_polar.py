"""Frames of labeled vectors by polar decomposition: equivariant, smooth, invariant to repetition."""

import pytest
import torch

from fa_pyg import FrameAveraging, PolarFrame
from fa_pyg.groups import Group
from fa_pyg.math.polar import orthogonal_factor

GROUPS = ["O(3)", "SO(3)", "E(3)", "SE(3)"]


def triples(size=6, seed=0):
    """Vectors of both hands, a cube, a needle and a slab among them."""
    found = torch.randn(size, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found[1] = 2 * torch.eye(3)
    found[2] = torch.tensor([[1.0, 0, 0], [1e3, 1, 0], [0, 0, 1e-3]])
    found[3, 1] = 0
    found[4] = found[5] * torch.tensor([[1.0], [-1], [1]])
    return found


def frames_of(vectors, group):
    rows, batch = vectors.flatten(0, 1), torch.arange(len(vectors)).repeat_interleave(3)
    kind = group.replace("SE", "SO").replace("E", "O")  # rows are vectors, which do not translate
    return PolarFrame(kind)(rows, batch=batch)


@pytest.mark.parametrize("group", GROUPS)
def test_frames_rotate_with_the_vectors(group):
    vectors = triples()
    g = Group.of(group).haar(1, torch.Generator().manual_seed(1), dtype=torch.float64)[0]
    if Group.of(group).reflects:
        g = -g * torch.linalg.det(g)  # a reflection
    one, other = frames_of(vectors, group), frames_of(vectors @ g.T, group)
    near = [(g @ a - b).abs().amax((1, 2)).min() for a, b in _pairs(one, other)]
    assert max(near) < 1e-11
    assert torch.equal(one.body.bincount(), other.body.bincount())
    two = 2 if Group.of(group).reflects else 1
    assert one.body.bincount().tolist() == [1, 1, 1, two, 1, 1]
    if not Group.of(group).reflects:
        assert torch.linalg.det(one.rotation).sub(1).abs().max() < 1e-12
    torch.testing.assert_close(
        one.rotation.mT @ one.rotation, torch.eye(3).double().expand(len(one.body), 3, 3)
    )


def _pairs(one, other):
    for r, body in zip(one.rotation, one.body, strict=True):
        yield r, other.rotation[other.body == body]


def test_repetition_along_the_vectors_changes_nothing_and_a_sheared_basis_does():
    vectors = triples()
    one = frames_of(vectors, "O(3)")
    more = frames_of(vectors * torch.tensor([[2.0], [1], [5]]), "O(3)")
    torch.testing.assert_close(more.rotation, one.rotation, rtol=0, atol=1e-13)
    shear = torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 0, 1]]).double()
    assert (frames_of(shear @ vectors, "O(3)").rotation - one.rotation).abs().max() > 0.1


def test_it_is_the_nearest_orthogonal_matrix():
    vectors = triples()[[0, 1, 2, 4, 5]]
    u, _, v = torch.linalg.svd(vectors)
    torch.testing.assert_close(orthogonal_factor(vectors), u @ v, rtol=0, atol=1e-12)
    huge = torch.diag(torch.tensor([1e9, 1.0, 1e-6])).double()
    torch.testing.assert_close(orthogonal_factor(huge), torch.eye(3).double())


@pytest.mark.parametrize("kind", ["generic", "cube"])
def test_derivatives_of_first_and_second_order_also_at_a_cube(kind):
    start = triples()[0 if kind == "generic" else 1].requires_grad_()
    assert torch.autograd.gradcheck(orthogonal_factor, start)
    assert torch.autograd.gradgradcheck(orthogonal_factor, start)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_a_model_of_vectors_is_equivariant(group):
    """Bare it is not."""

    class Model(torch.nn.Module):
        def forward(self, x, cell, batch):
            return x**3 * torch.tensor([1.0, 2.0, 3.0])

    kind = group.replace("SE", "SO").replace("E", "O")
    framed = FrameAveraging(
        Model(), PolarFrame(kind), {"x": "vector", "cell": "vector"}, "vector",
        reads=["cell"], levels={"x": "node", "cell": "graph"}, node_weight=None,
    )  # fmt: skip
    x, cell, batch = torch.randn(5, 3).double(), triples()[[0, 3]], torch.tensor([0, 0, 0, 1, 1])
    g = torch.linalg.qr(torch.randn(3, 3).double())[0]
    g = g * torch.linalg.det(g) * (-1 if kind == "O(3)" else 1)
    turned = framed(x @ g.T, cell @ g.T, batch=batch)
    torch.testing.assert_close(turned, framed(x, cell, batch=batch) @ g.T, rtol=0, atol=1e-12)
    bare = Model()
    assert (bare(x @ g.T, cell, batch) - bare(x, cell, batch) @ g.T).abs().max() > 0.1


def test_dependent_vectors_are_named():
    with pytest.raises(ValueError, match="group: expected three dimensions"):
        PolarFrame("E(2)")
    with pytest.raises(ValueError, match=r"vectors: expected three for each of 1 graphs, .* found 4 rows"):
        PolarFrame("O(3)")(torch.randn(4, 3))
    flat = triples()
    flat[2, 1] = flat[2, 0] + flat[2, 2]
    with pytest.raises(ValueError, match=r"expected three independent vectors, .* in graph 2"):
        frames_of(flat, "O(3)")
    with pytest.raises(ValueError, match="in graph 1"):
        frames_of(torch.stack([triples()[0], torch.zeros(3, 3).double()]), "O(3)")
