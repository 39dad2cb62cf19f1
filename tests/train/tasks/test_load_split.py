"""The data of a run, found again by its checkpoint."""

from pathlib import Path

import pytest
import torch

from fa_pyg.train import MoleculeData
from fa_pyg.train.tasks.load_split import load_split


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_split_is_that_of_the_training(molecule_run, molecule_root, name):
    from fa_pyg.datasets import XYZ

    folder = Path(molecule_run["folder"])
    whole = XYZ(molecule_root / "all.xyz", targets=["energy"])
    expected = MoleculeData(whole, val=8, test=8).split(name)
    for path in (folder, folder / "best.ckpt"):
        found = load_split(path, name)
        torch.testing.assert_close(found.pos, expected.pos, rtol=0, atol=0)
        torch.testing.assert_close(found.z, expected.z, rtol=0, atol=0)
    assert "energy" not in found


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"config\.yaml: found no such file"):
        load_split(tmp_path / "best.ckpt")
    (tmp_path / "config.yaml").write_text("name: empty\n")
    with pytest.raises(ValueError, match=r"config\.yaml: expected the configuration"):
        load_split(tmp_path)
