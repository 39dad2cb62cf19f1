"""Arguments of calls by name: positional, keyword, or in a Data."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data, HeteroData

from fa_pyg.calls import Call, Signature


class Forward(nn.Module):
    def forward(self, z, pos, batch=None, *rest, scale=1.0, **more):
        return None


def test_signature():
    signature = Signature(Forward())
    assert [signature.name(i) for i in range(5)] == ["z", "pos", "batch", 3, 4]
    assert signature.takes("scale")
    assert signature.takes("anything")
    assert not Signature(nn.Linear(1, 1)).takes("batch")
    assert Signature(torch.compile(nn.Linear(1, 1))).name(0) == "input"
    traced = Signature(torch.jit.trace(nn.Linear(1, 1), torch.zeros(1, 1)))
    assert (traced.name(0), traced.takes("input")) == (0, False)


def test_calls_by_position_and_name_are_the_same():
    z, pos = torch.arange(3), torch.randn(3, 3)
    for args, kwargs in [((z, pos), {}), ((z,), {"pos": pos}), ((), {"pos": pos, "z": z})]:
        call = Call(Signature(Forward()), args, kwargs)
        assert set(call.values) == {"z", "pos"}
        assert call.get("pos") is pos
        seen = call.run(lambda *a, **k: (a, k), {"pos": pos + 1, "other": 5}, new=7)
        found = dict(zip(("z", "pos"), seen[0], strict=False)) | seen[1]
        assert torch.equal(found.pop("pos"), pos + 1)
        assert found == {"z": z, "new": 7}


def test_arguments_beyond_the_names_keep_their_place():
    call = Call(Signature(Forward()), (1, 2, None, 4, 5), {"scale": 2.0, "odd": 3})
    assert call.values == {"z": 1, "pos": 2, "batch": None, 3: 4, 4: 5, "scale": 2.0, "odd": 3}
    assert call.run(lambda *a, **k: (a, k), {3: 40}) == ((1, 2, None, 40, 5), {"scale": 2.0, "odd": 3})


def test_extra_keywords_are_kept_from_models_that_do_not_take_them():
    call = Call(Signature(nn.Linear(1, 1)), (1,), {"batch": 2}, extra=("batch",))
    assert call.run(lambda *a, **k: (a, k), {}) == ((1,), {})
    assert call.get("batch") == 2
    call = Call(Signature(nn.Linear(1, 1)), (1,), {"bach": 2}, extra=("batch",))
    with pytest.raises(TypeError, match="bach"):  # the model's own error
        call.run(nn.Linear(1, 1), {})


def test_wrong_calls():
    data = Data(pos=torch.zeros(2, 3))
    with pytest.raises(TypeError, match="'pos': expected one value, found two"):
        Call(Signature(Forward()), (1, 2), {"pos": 3})
    with pytest.raises(ValueError, match="at most one Data argument, found z, pos"):
        Call(Signature(Forward()), (data, data), {})
    with pytest.raises(ValueError, match="'data': expected a Data or Batch, found HeteroData"):
        Call(Signature(lambda data: None), (HeteroData(),), {})
    with pytest.raises(ValueError, match="'pos': expected an argument or an attribute"):
        Call(Signature(Forward()), (data,), {"pos": 3})
