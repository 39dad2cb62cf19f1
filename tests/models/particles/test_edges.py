import pytest
import torch

from fa_pyg.models import (
    EGNN,
    MPNN,
    SEGNN,
    TFN,
    KinematicGNN,
    PairForceIntegrator,
    RadialField,
    SE3Transformer,
    TwoBody,
)
from fa_pyg.models.particles.edges import displacements

PLAIN = [EGNN, MPNN, RadialField, SEGNN, KinematicGNN, TwoBody, lambda: PairForceIntegrator(steps=5)]
STEERABLE = [TFN, SE3Transformer]


def build(make):
    if make in STEERABLE:
        pytest.importorskip("e3nn")
    torch.manual_seed(0)
    return make().double().eval()


def system(n=4):
    torch.manual_seed(0)
    edge_index = (~torch.eye(n, dtype=torch.bool)).nonzero().t()
    charge = torch.randint(2, (n, 1)) * 2.0 - 1
    args = {"pos": torch.randn(n, 3), "vel": torch.randn(n, 3), "charge": charge}
    args["edge_attr"] = charge[edge_index[0]] * charge[edge_index[1]]
    return {name: x.double() for name, x in args.items()} | {"edge_index": edge_index}


@pytest.mark.parametrize("make", PLAIN + STEERABLE)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vel", lambda x: x[:1]),
        ("vel", lambda x: x[:, :2]),
        ("edge_index", lambda x: x.int()),
        ("edge_index", lambda x: x.t()),
        ("edge_index", lambda x: torch.cat([x, x[:1]])),
        ("edge_index", lambda x: None),
    ],
)
def test_wrong_shapes_are_refused(make, name, change):
    args = system()
    args[name] = change(args[name])
    with pytest.raises(ValueError, match=rf"{name}.*: expected"):
        build(make)(**args)


@pytest.mark.parametrize("make", [*PLAIN[4:], *STEERABLE])
@pytest.mark.parametrize("charge", [None, torch.ones(4, 2), torch.ones(3, 1)])
def test_each_particle_has_one_charge(make, charge):
    with pytest.raises(ValueError, match=r"charge.*: expected"):
        build(make)(**system() | {"charge": charge})


@pytest.mark.parametrize("make", PLAIN + STEERABLE)
def test_an_empty_batch_has_an_empty_output(make):
    args = system()
    empty = {name: x[:0] for name, x in args.items()} | {"edge_index": args["edge_index"][:, :0]}
    assert build(make)(**empty).shape == (0, 3)


def test_displacements_lead_from_source_to_target():
    x = torch.arange(6.0).view(3, 2) ** 2
    found = displacements(x, torch.tensor([0, 2]), torch.tensor([1, 1]))
    assert torch.equal(found, torch.stack([x[1] - x[0], x[1] - x[2]]))
