"""Frames against a slow oracle: loops over graphs and frames, explicit matrices, float64."""

import copy
import pickle

import pytest
import torch

from fa_pyg import Frames, PCAFrame, Rep

BATCH = torch.tensor([0, 2, 1, 0, 2, 2])  # unsorted
COUNTS = [2, 5, 3]  # frames of the bodies 0, 1, 2
REPS = ["scalar", "pseudoscalar", "vector", "pseudovector", "point", "tensor", "pseudotensor", Rep(3)]
REPS += [Rep(rank, flat=True) for rank in range(4)]
REPS += [Rep(1, affine=True, flat=True), Rep(2, pseudo=True, flat=True)]


def orthogonal(n, dim, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(n, dim, dim, generator=g, dtype=torch.float64))[0]


def ragged(dim=3, origin=True, batch=BATCH, seed=0):
    """Frames in a random order, unequal in number and weight."""
    g = torch.Generator().manual_seed(seed)
    body = torch.tensor(COUNTS).repeat_interleave(torch.tensor(COUNTS))
    body = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))[torch.randperm(sum(COUNTS), generator=g)]
    weight = torch.rand(len(body), generator=g, dtype=torch.float64) + 0.1
    weight = weight / torch.zeros(3, dtype=weight.dtype).index_add(0, body, weight)[body]
    where = torch.randn(3, dim, generator=g, dtype=torch.float64) if origin else None
    return Frames(orthogonal(len(body), dim, seed), body, weight, where, batch)


def uniform(dim=3, origin=True, batch=BATCH, seed=0):
    where = torch.randn(3, dim, dtype=torch.float64) if origin else None
    return Frames.uniform(orthogonal(12, dim, seed).view(4, 3, dim, dim), where, batch)


def signed(dim=3, origin=True, batch=BATCH, seed=0):
    where = torch.randn(3, dim, dtype=torch.float64) if origin else None
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * dim).view(-1, dim)
    return Frames.signed(orthogonal(3, dim, seed), signs, where, batch)


KINDS = {"ragged": ragged, "uniform": uniform, "signed": signed}


def quantity(rep, n, dim, channels=(2,)):
    if rep.flat:
        return torch.randn(n, 2 * dim**rep.rank, dtype=torch.float64)
    return torch.randn(n, *channels, *(dim,) * rep.rank, dtype=torch.float64)


def act(x, rotation, origin, rep, inverse=False):
    """rho(g) or its inverse on one row, by one matrix product an axis."""
    dim = len(rotation)
    y = x.reshape(-1, *(dim,) * rep.rank)
    matrix = rotation.T if inverse else rotation
    if rep.affine and origin is not None and inverse:
        y = y - origin
    for axis in range(1, rep.rank + 1):
        y = (y.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    if rep.pseudo:
        y = y * torch.linalg.det(rotation)
    if rep.affine and origin is not None and not inverse:
        y = y + origin
    return y.reshape(x.shape)


def oracle(frames, index):
    """(source row, frame) of every copied row, in the order that Frames documents."""
    out = []
    for slot in range(int(frames.counts.max())):
        for row, body in enumerate(index.tolist()):
            mine = (frames.body == body).nonzero().flatten().tolist()
            if slot < len(mine):
                out.append((row, mine[slot]))
    return out


@pytest.mark.parametrize("level", ["node", "graph", "edge"])
@pytest.mark.parametrize("rep", REPS, ids=str)
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_against_the_oracle(kind, dim, rep, level):
    frames, rep = KINDS[kind](dim), Rep.of(rep)
    edges = torch.tensor([2, 2, 1, 0, 0, 1, 2, 1, 0])
    index = {"node": BATCH, "graph": torch.arange(3), "edge": edges}[level]
    x = quantity(rep, len(index), dim)
    copies = frames.to_frame(x, rep, index if level == "edge" else level)
    pairs = oracle(frames, index)
    origin = lambda f: frames.origin[frames.body[f]]  # noqa: E731
    expected = torch.stack([act(x[r], frames.rotation[f], origin(f), rep, inverse=True) for r, f in pairs])
    assert torch.allclose(copies, expected, atol=1e-12)
    row, frame = frames.rows(index, len(index))
    assert list(zip(row.tolist(), frame.tolist(), strict=True)) == pairs
    y = quantity(rep, len(pairs), dim)
    back = torch.stack([act(y[k], frames.rotation[f], origin(f), rep) for k, (_, f) in enumerate(pairs)])
    assert torch.allclose(frames.from_frame(y, rep, index if level == "edge" else level), back, atol=1e-12)
    average = torch.zeros_like(x)
    for (r, f), value in zip(pairs, back, strict=True):
        average[r] += frames.weight[f] * value
    assert torch.allclose(frames.average(y, rep, index if level == "edge" else level), average, atol=1e-12)


@pytest.mark.parametrize("rep", REPS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_from_frame_undoes_to_frame(kind, rep):
    frames, rep = KINDS[kind](), Rep.of(rep)
    x = quantity(rep, 6, 3)
    copies = frames.to_frame(x, rep)
    row, _ = frames.rows(BATCH, 6)
    assert torch.allclose(frames.from_frame(copies, rep), x[row], atol=1e-12)
    assert torch.allclose(frames.average(copies, rep), x, atol=1e-12)


def test_without_an_origin_points_are_vectors():
    frames, x = ragged(origin=False), torch.randn(6, 3, dtype=torch.float64)
    assert torch.equal(frames.to_frame(x, "point"), frames.to_frame(x, "vector"))


def test_one_body_and_one_node_a_body():
    x = torch.randn(3, 3, dtype=torch.float64)
    one = Frames(orthogonal(2, 3), torch.tensor([0, 0]))
    assert one.to_frame(x).shape == (6, 3)
    assert torch.allclose(one.average(one.to_frame(x), "vector"), x)
    local = Frames(orthogonal(5, 3), torch.tensor([0, 1, 1, 2, 2]))
    assert local.to_frame(x).shape == (5, 3)
    assert torch.allclose(local.average(local.to_frame(x), "vector"), x)
    assert torch.allclose(local.average(local.to_frame(x), "vector", level="graph"), x)
    assert Frames(orthogonal(3, 3)).num_bodies == 3


def test_frames_are_sorted_by_slot_and_body_and_stable():
    rotation, body = orthogonal(6, 3), torch.tensor([2, 0, 2, 1, 0, 2])
    frames = Frames(rotation, body, batch=BATCH)
    assert frames.body.tolist() == [0, 1, 2, 0, 2, 2]
    assert torch.equal(frames.rotation, rotation[[1, 3, 0, 4, 2, 5]])
    assert frames.slot_sizes == [3, 2, 1]
    assert frames.counts.tolist() == [2, 1, 3]
    assert torch.equal(frames.weight, 1 / frames.counts[frames.body].double())
    assert repr(frames) == "Frames(6 in 3 dimensions, 3 bodies, ragged)"
    assert repr(uniform()) == "Frames(12 in 3 dimensions, 3 bodies, 4 a body)"


def test_equal_numbers_are_recognized_as_uniform():
    frames = Frames(orthogonal(6, 3), torch.tensor([1, 0, 2, 2, 0, 1]), batch=BATCH)
    assert frames.slots == 2
    assert frames.slot_sizes == [3, 3]
    assert frames.body.tolist() == [0, 1, 2, 0, 1, 2]


def test_unequal_weights_of_uniform_frames_count():
    weight = torch.tensor([0.9, 0.1], dtype=torch.float64)
    frames = Frames(orthogonal(2, 3), torch.tensor([0, 0]), weight)
    y = torch.randn(2, 1, dtype=torch.float64)
    assert torch.allclose(frames.average(y)[0], 0.9 * y[0] + 0.1 * y[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": torch.zeros(6, 3)}, r"rotation: expected floating point \[F, d, d\]"),
        ({"rotation": torch.zeros(6, 3, 2)}, "rotation"),
        ({"rotation": torch.zeros(6, 3, 3, dtype=torch.long)}, "rotation"),
        ({"body": torch.zeros(5, dtype=torch.long)}, "body: expected 6 integers"),
        ({"body": torch.zeros(6)}, "body: expected 6 integers"),
        (
            {"body": torch.tensor([0, 0, 2, 2, 2, 2])},
            "expected a frame for each of 3 bodies, found none for 1",
        ),
        ({"body": torch.tensor([0, 0, -1, 2, 2, 2])}, "body: expected numbers from 0"),
        ({"body": torch.zeros(6, dtype=torch.long), "num_bodies": 2}, "found none for 1"),
        ({"body": torch.arange(6), "num_bodies": 5}, "body: expected numbers from 0 to 4, found 0 to 5"),
        ({"weight": torch.zeros(5)}, "weight: expected 6 numbers"),
        ({"origin": torch.zeros(5, 3)}, r"origin: expected \[6, 3\]"),
    ],
)
def test_wrong_frames(change, message):
    with pytest.raises(ValueError, match=message):
        Frames(**{"rotation": torch.zeros(6, 3, 3), **change})


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_tensors(kind):
    frames = KINDS[kind]()
    with pytest.raises(ValueError, match="expected 6 nodes or 3 graphs, found 7 rows"):
        frames.to_frame(torch.zeros(7, 3))
    with pytest.raises(ValueError, match="7 rows"):
        frames.average(torch.zeros(7, 3))
    with pytest.raises(ValueError, match="level"):
        frames.to_frame(torch.zeros(6, 3), level="nodes")
    with pytest.raises(ValueError, match="cannot be a vector in 3 dimensions"):
        frames.to_frame(torch.zeros(6, 2))
    with pytest.raises(ValueError, match="floating point"):
        frames.to_frame(torch.zeros(6, 3, dtype=torch.long))


def test_frames_are_immutable_and_can_be_copied():
    frames = ragged()
    with pytest.raises(AttributeError):
        frames.weight = None
    for other in (copy.deepcopy(frames), pickle.loads(pickle.dumps(frames)), frames.detach()):
        x = torch.randn(6, 3, dtype=torch.float64)
        assert torch.equal(other.to_frame(x, "point"), frames.to_frame(x, "point"))


@pytest.mark.parametrize("kind", KINDS)
def test_types(kind, dtype):
    frames = KINDS[kind]()
    narrow = frames.to(torch.float32)
    assert narrow.rotation.dtype == narrow.origin.dtype == narrow.weight.dtype == torch.float32
    assert narrow.body.dtype == narrow.batch.dtype == torch.long
    x = torch.randn(6, 3, dtype=dtype)
    for one, atol in ((frames, 1e-6 if dtype == torch.float32 else 1e-13), (narrow, 1e-5)):
        assert one.to_frame(x, "point").dtype == dtype
        assert torch.allclose(one.average(one.to_frame(x, "point"), "point"), x, atol=atol)
    for small in (torch.bfloat16, torch.half):
        y = frames.to_frame(x.to(small), "point")
        assert y.dtype == small
        exact = frames.to_frame(x.to(small).double(), "point")
        assert torch.equal(y, exact.to(small))  # rounded once, at the end
    z = torch.randn(6, 3, dtype=torch.complex64)
    assert torch.allclose(frames.to_frame(z).real, frames.to_frame(z.real), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    """First and second, with respect to the tensors and to the frames themselves."""
    base = KINDS[kind]()

    def forth_and_back(x, rotation, origin, weight):
        frames = Frames(rotation, base.body, weight, origin, base.batch, base.num_bodies)
        y = frames.to_frame(x, "point")
        return frames.average(y.pow(3), "point")

    inputs = [torch.randn(6, 3, dtype=torch.float64), base.rotation, base.origin, base.weight]
    inputs = [x.detach().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(forth_and_back, inputs)
    assert torch.autograd.gradgradcheck(forth_and_back, inputs)


def test_signed_frames_pass_gradients_to_their_axes():
    signs = signed().signs

    def forth_and_back(x, axes, origin):
        frames = Frames.signed(axes, signs, origin, BATCH)
        return frames.average(frames.to_frame(x, "point").exp(), "point")

    inputs = [
        torch.randn(6, 3, dtype=torch.float64),
        orthogonal(3, 3),
        torch.randn(3, 3, dtype=torch.float64),
    ]
    inputs = [x.requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(forth_and_back, inputs)
    assert torch.autograd.gradgradcheck(forth_and_back, inputs)


def test_detached_frames_have_no_gradient():
    rotation = orthogonal(2, 3).requires_grad_()
    frames = Frames(rotation, torch.tensor([0, 0]))
    assert frames.rotation.requires_grad
    assert not frames.detach().rotation.requires_grad


# ------------------------------------------------------------------------------------ sample


def test_samples_are_drawn_by_weight():
    frames = ragged()
    g, hits = torch.Generator().manual_seed(0), torch.zeros(len(frames.body))
    trials = 4000
    for _ in range(trials):
        one = frames.sample(1, g)
        assert one.slots == 1
        same = (one.rotation[frames.body] - frames.rotation).abs().amax((1, 2)) == 0
        assert (
            torch.zeros(3).index_add(0, frames.body, same.float()).eq(1).all()
        )  # each body draws its own frame
        hits += same
    spread = 5 * (frames.weight * (1 - frames.weight) / trials).sqrt()
    assert ((hits / trials - frames.weight).abs() < spread).all()


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_averages_over_samples_are_unbiased(k):
    frames = ragged()
    x = torch.randn(6, 3, dtype=torch.float64)
    exact = frames.average(frames.to_frame(x, "point").pow(2), "vector")
    g = torch.Generator().manual_seed(k)
    draws = []
    for _ in range(800):
        some = frames.sample(k, g)
        draws.append(some.average(some.to_frame(x, "point").pow(2), "vector"))
    draws = torch.stack(draws)
    error = (draws.mean(0) - exact).abs()
    assert (error <= 5 * draws.std(0) / 800**0.5 + 1e-12).all()


@pytest.mark.parametrize("make", [uniform, signed])
def test_as_many_samples_as_frames_take_each_once(make):
    frames = make()
    some = frames.sample(frames.slots, torch.Generator().manual_seed(5))
    for body in range(3):
        a = {tuple(r.flatten().tolist()) for r in frames.rotation[frames.body == body]}
        b = [tuple(r.flatten().tolist()) for r in some.rotation[some.body == body]]
        assert len(b) == len(set(b)) == frames.slots
        assert set(b) == a
    assert some.weight.eq(1 / frames.slots).all()


def test_samples_of_different_graphs_are_independent():
    """One draw for the whole batch would tie the graphs together."""
    frames = Frames.uniform(torch.stack([torch.eye(1), -torch.eye(1)]).unsqueeze(1).expand(2, 64, 1, 1))
    g = torch.Generator().manual_seed(0)
    draws = torch.stack([frames.sample(1, g).rotation.flatten() for _ in range(200)])
    correlation = (draws.T @ draws / 200 - torch.eye(64)).abs()
    assert correlation.max() < 0.4
    assert draws.mean(0).abs().max() < 0.4


def test_samples_are_reproducible():
    frames = ragged()
    a, b = (frames.sample(2, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a.rotation, b.rotation)
    torch.manual_seed(1)
    c = frames.sample(2)
    torch.manual_seed(1)
    assert torch.equal(c.rotation, frames.sample(2).rotation)


def test_more_samples_than_frames_repeat():
    frames = ragged()
    some = frames.sample(50)
    assert some.num_frames == 150
    assert some.slots == 50


@pytest.mark.parametrize("k", [0, -1, 1.0, "all", True, None])
def test_a_wrong_number_of_samples(k):
    with pytest.raises(ValueError, match="k: expected a positive integer"):
        uniform().sample(k)


def test_a_nan_weight_stays_in_its_graph():
    frames = ragged()
    weight = frames.weight.clone()
    weight[frames.body == 1] = torch.nan
    frames = Frames(frames.rotation, frames.body, weight, frames.origin, BATCH)
    g = torch.Generator().manual_seed(0)
    for _ in range(50):
        some = frames.sample(1, g)
        for body in (0, 2):
            assert (some.rotation[body] == frames.rotation[frames.body == body]).all((1, 2)).any()
    seen = {tuple(frames.sample(1, g).rotation[2].flatten().tolist()) for _ in range(200)}
    assert len(seen) == COUNTS[2]


def test_rounding_does_not_draw_from_the_next_graph(monkeypatch):
    frames = ragged()
    monkeypatch.setattr(
        torch, "rand", lambda *size, **kwargs: torch.full(size, 1 - 2**-53, dtype=torch.float64)
    )
    some = frames.sample(3)  # (u + 2) / 3 is rounded to 1
    for rotation, body in zip(some.rotation, some.body, strict=True):
        assert (frames.rotation[frames.body == body] == rotation).all((1, 2)).any()


def test_zero_weights_are_never_drawn():
    frames = Frames(
        orthogonal(3, 3), torch.zeros(3, dtype=torch.long), torch.tensor([0.0, 1.0, 0.0]).double()
    )
    for seed in range(50):
        assert torch.equal(
            frames.sample(1, torch.Generator().manual_seed(seed)).rotation[0], frames.rotation[1]
        )


def test_no_bodies():
    frames = PCAFrame("E(3)")(torch.zeros(0, 3), batch=torch.zeros(0, dtype=torch.long))
    assert frames.num_bodies == 0
    assert frames.to_frame(torch.zeros(0, 3), "point").shape == (0, 3)
    assert frames.average(torch.zeros(0, 5), "scalar").shape == (0, 5)
    assert frames.sample(2).num_frames == 0
    empty = Frames(torch.zeros(0, 3, 3), torch.zeros(0, dtype=torch.long), num_bodies=0)
    assert empty.slot_sizes == [0]


def test_no_channels():
    frames = ragged()
    assert frames.to_frame(torch.zeros(6, 0, 3)).shape == (len(frames.rows(BATCH, 6)[0]), 0, 3)
    assert signed().to_frame(torch.zeros(6, 0, 3)).shape == (48, 0, 3)
    assert signed().average(torch.zeros(48, 0, 3), "vector").shape == (6, 0, 3)


def test_rows_of_frames_that_are_used_many_times_are_kept_once():
    """Rows of ragged frames cost a wait for the device: they are kept, and the cache does not grow."""
    frames = Frames(orthogonal(3, 3, 0), torch.tensor([0, 1, 0]), batch=BATCH.clamp(max=1))
    x = torch.randn(len(BATCH), 3, dtype=frames.rotation.dtype)
    index = frames.batch.clone()
    for _ in range(5):
        y = frames.to_frame(x, "vector", index)
        frames.average(y, "vector", index)
        frames.to_frame(torch.zeros(2, 3).double(), "vector", "graph")
    assert len(frames._cached_sources) == 2


def test_exactness_survives_narrow_types_and_detach():
    axes = torch.eye(3, dtype=torch.float64).unsqueeze(0)
    moments = torch.diag(torch.tensor([1.0, 1.0 + 1e-6, 2.0], dtype=torch.float64)).unsqueeze(0)
    frames = Frames.signed(axes, torch.ones(1, 3, dtype=torch.float64), moments=moments)
    assert frames.exact.tolist() == [-1]
    assert frames.to(torch.float32).detach().exact.tolist() == [-1]
    whole = frames.with_exact(torch.tensor([True]))
    assert whole.to(torch.float16).exact_for("tensor").all()  # 2^30 does not fit in float16
    assert whole.detach().exact_for("tensor").all()
