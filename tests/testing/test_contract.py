"""Each test of the contract finds a frame that breaks it."""

from unittest import SkipTest

import pytest
import torch

from fa_pyg import Frames, HaarFrame, MotionFrame, PCAFrame
from fa_pyg.testing import FrameContract, catalogue, run_contract


def as_they_are(r, w, cloud):
    return r, w


class Broken(MotionFrame):
    """Principal axes with something wrong about them: rotation, weight and cloud to a new pair."""

    def __init__(self, group, change=as_they_are):
        super().__init__(group)
        self.inner, self.change = PCAFrame(group), change

    def build(self, cloud):
        f = self.inner.build(cloud)
        rotation, weight = self.change(f.rotation, f.weight, cloud)
        return Frames(rotation, f.body, weight, f.origin, f.batch, f.num_bodies)


def stretched(r, w, cloud):
    return 1.1 * r, w


def heavier(r, w, cloud):
    return r, 2 * w


def turned(r, w, cloud):
    return r.roll(1, 1), w


def of_the_batch(r, w, cloud):
    """All graphs have the last one's axes."""
    return r[-1:].expand_as(r), w


def by_order(r, w, cloud):
    """Mirrored across the direction of the first node."""
    v = cloud.read[0].value.to(r)[0].reshape(-1, r.size(-1))[0]
    return r - 2 * torch.outer(v, v) / v.square().sum() @ r, w


def leaking(r, w, cloud):
    return r + 0 * cloud.read[0].value.sum(), w


def narrow(r, w, cloud):
    return r.float(), w.float()


def constant(r, w, cloud):
    return r.detach(), w


def undefined_where_empty(r, w, cloud):
    batch = torch.zeros(len(cloud.read[0].value)).long() if cloud.batch is None else cloud.batch
    count = torch.bincount(batch, minlength=cloud.size).repeat(len(r) // max(cloud.size, 1))
    return r * (count / count).view(-1, 1, 1).to(r), w


def not_of_six(r, w, cloud):
    """Raises for a cloud of six points, and for a batch that has one."""
    batch = cloud.batch
    if batch is not None and bool((torch.bincount(batch) == 6).any()):
        raise ValueError("six nodes")
    return r, w


class Stateful(Broken):
    def __init__(self, group):
        super().__init__(group)
        self.register_buffer("scale", torch.ones(1))


class Unpicklable(Broken):
    def __init__(self, group):
        super().__init__(group, lambda r, w, cloud: (r, w))


class Idle(Broken):
    def __init__(self, group):
        super().__init__(group, as_they_are)
        self.scale = torch.nn.Parameter(torch.ones(1))


def contract(make, **flags):
    """An instance of the contract for one group."""
    return type(
        "Contract", (FrameContract,), {"make": lambda self, g: make(g), "groups": ["O(3)"], **flags}
    )()


BREAKS = [
    ("test_elements", lambda g: Broken(g, stretched), {}, "not orthogonal"),
    ("test_elements", lambda g: Broken(g, heavier), {}, "sums over a body"),
    ("test_equivariance_as_weighted_sets", lambda g: HaarFrame(g), {}, "is not gF"),
    ("test_equivariance_as_weighted_sets", lambda g: Broken(g, turned), {}, "is not gF"),
    ("test_a_batch_is_its_graphs_one_by_one", lambda g: Broken(g, of_the_batch), {}, "weights of an element"),
    ("test_node_order", lambda g: Broken(g, by_order), {}, "weights of an element"),
    ("test_a_nan_stays_in_its_graph", lambda g: Broken(g, leaking), {}, "a NaN of graph 1"),
    (
        "test_empty_graphs_and_none",
        lambda g: Broken(g, undefined_where_empty),
        {},
        "without nodes are not finite",
    ),
    ("test_types", lambda g: Broken(g, narrow), {}, "found torch.float32"),
    ("test_copies", Unpicklable, {}, "pickle"),
    ("test_copies", Stateful, {}, "has a state: scale"),
    ("test_copies", Idle, {}, "the frame has parameters"),
    ("test_copies", PCAFrame, {"learned": True}, "the frame has parameters"),
    ("test_framed_models_are_equivariant", lambda g: HaarFrame(g), {}, "not exact on 3 of 3"),
    ("test_gradients", lambda g: Broken(g, constant), {}, "[Jj]acobian"),
    ("test_gradients", PCAFrame, {"differentiable": False}, "carry a gradient"),
    ("test_gradients", Idle, {"learned": True}, "scale gets no gradient"),
    ("test_forces", lambda g: PCAFrame(g, detach=True), {}, "not conservative"),
    ("test_exact_on_the_catalogue", PCAFrame, {"exact": True}, "not exact on"),
    ("test_exact_with_velocities", PCAFrame, {"exact": True}, "not exact on"),
    ("test_continuous_across_degenerate_clouds", PCAFrame, {"continuous": True}, "not continuous"),
]


@pytest.mark.parametrize(("name", "make", "flags", "message"), BREAKS)
def test_a_broken_frame_is_found(name, make, flags, message):
    with pytest.raises(AssertionError, match=rf"O\(3\): (.|\n)*({message})"):
        getattr(contract(make, **flags), name)()


def test_every_test_of_the_contract_can_fail():
    assert {name for name, *_ in BREAKS} == {name for name in dir(FrameContract) if name.startswith("test_")}


def test_all_groups_that_fail_are_told():
    one = contract(
        lambda g: Broken(g, stretched if g in ("O(2)", "E(3)") else turned), groups=["O(2)", "T(2)", "E(3)"]
    )
    with pytest.raises(AssertionError, match=r"O\(2\): (.|\n)*E\(3\): "):
        one.test_elements()


def test_failures_tell_what_they_were_found_on():
    near = {"clouds": lambda self, dim: catalogue(dim, ["molecules"]), "groups": ["E(3)"]}
    cases = [
        ("test_equivariance_as_weighted_sets", HaarFrame, {}, r"O\(3\): .*on generic points: "),
        (
            "test_exact_on_the_catalogue",
            PCAFrame,
            {"exact": True, **near},
            r"on torch.float64: (.|\n)*methane: ",
        ),
        ("test_exact_with_velocities", PCAFrame, {"exact": True, **near}, r"on velocities: (.|\n)*methane: "),
        (
            "test_continuous_across_degenerate_clouds",
            PCAFrame,
            {"continuous": True},
            "on outputs along small eigenvalues equal, offset 0: ",
        ),
        (
            "test_exact_on_the_catalogue",
            lambda g: Broken(g, not_of_six),
            {"exact": True, "groups": ["T(3)"]},
            "on G2 C2Cl4: ValueError: six nodes",
        ),
    ]
    for name, make, flags, message in cases:
        with pytest.raises(AssertionError, match=message):
            getattr(contract(make, **flags), name)()


def test_what_is_not_promised_is_skipped():
    for name in ("test_exact_on_the_catalogue", "test_continuous_across_degenerate_clouds"):
        with pytest.raises(SkipTest, match="does not promise"):
            getattr(contract(PCAFrame), name)()
    with pytest.raises(SkipTest, match="a single draw"):
        contract(HaarFrame, stochastic=True).test_equivariance_as_weighted_sets()


def test_the_generator_is_left_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    contract(HaarFrame, stochastic=True).test_copies()
    assert torch.equal(torch.rand(2), expected)


def test_contracts_run_without_a_framework():
    class Short(FrameContract):
        groups = ("SE(3)",)

        def make(self, group):
            return PCAFrame(group)

    class Wrong(Short):
        exact = True  # which a plain PCA frame is not

        def clouds(self, dim):
            return [cloud for cloud in catalogue(dim, ["molecules"]) if cloud.name == "methane"]

    found, wrong = run_contract(Short), run_contract(Wrong)
    assert len(found) > 5
    assert all(error is None for error in found.values())
    assert {*wrong} > {*found}  # that of a promise that Short does not give
    assert any("methane" in str(error) for error in wrong.values() if error is not None)
