"""Absurd values of the options of a training: each is refused by its name, before a run begins."""

import re

import pytest
import torch

from fa_pyg.ase import FACalculator
from fa_pyg.models import FAENet, Potential
from fa_pyg.potential.device import find_device
from fa_pyg.train import MoleculeCLI, NBodyCLI, main

MODEL = "model: {model: {class_path: fa_pyg.models.GNN, init_args: {hidden_channels: 4, num_layers: 1}}}"


@pytest.fixture
def arguments(tmp_path, data_root, monkeypatch):
    """A run of a moment below ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    data = [f"--data.root={data_root}", "--data.num_samples=20", "--data.batch_size=20"]
    trainer = [
        "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false",
        "--trainer.default_root_dir=runs",
    ]
    return ["--config", MODEL, *data, *trainer]


def said(make, arguments, capsys):
    """The error of a training."""
    with pytest.raises((SystemExit, ValueError)) as stopped:
        main(arguments, make)
    if isinstance(stopped.value, ValueError):
        return str(stopped.value)
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        *(
            f"trainer.precision={one}"
            for one in ("64-true", "16-true", "bf16-true", "64", "transformer-engine", "7")
        ),
        *(f"trainer.devices={one}" for one in ("0", "-2", "9999")),
        *(f"trainer.num_nodes={one}" for one in ("0", "-1")),
        *(f"trainer.max_epochs={one}" for one in ("0", "-5", "nan", "1.5", "many")),
        *(f"trainer.max_steps={one}" for one in ("0", "-7")),
        *(f"trainer.limit_train_batches={one}" for one in ("0", "-1")),
        *(f"trainer.limit_{one}_batches=0" for one in ("val", "test")),
        *(f"trainer.check_val_every_n_epoch={one}" for one in ("0", "-1")),
        "trainer.val_check_interval=0",
        *(f"trainer.accumulate_grad_batches={one}" for one in ("0", "-1")),
        *(f"trainer.gradient_clip_val={one}" for one in ("-1", "nan")),
        "trainer.num_sanity_val_steps=-5",
        "trainer.log_every_n_steps=-1",
        "trainer.overfit_batches=-1",
        "trainer.fast_dev_run=true",
        *(f"data.batch_size={one}" for one in ("0", "-1", "1e3", "x")),
        *(f"data.eval_batch_size={one}" for one in ("0", "-2")),
        *(f"seed_everything={one}" for one in ("-1", "4294967296", "x")),
        *(f"name={one}" for one in ("", "..", "../x", "/tmp/x", "a/../../b")),
        *(f"checkpoint_every={one}" for one in ("0", "-1")),
    ],
)
def test_an_absurd_option_is_named(option, arguments, tmp_path, capsys):
    name = option.partition("=")[0]
    assert re.search(
        rf"--{re.escape(name)}: |[Kk]ey \"{re.escape(name)}\"",
        said(NBodyCLI, [*arguments, f"--{option}"], capsys),
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("trainer.accelerator=toaster", "accelerator"),
        ("trainer.accelerator=tpu", "trainer"),
        ("trainer.devices=[0,5]", "devices"),
        ("trainer.devices=cuda", "devices"),
        ("trainer.strategy=toaster", "strategy"),
        ("trainer.profiler=toaster", "profiler"),
        ("trainer.gradient_clip_algorithm=foo", "gradient_clip_algorithm"),
        ("trainer.max_time=soon", "soon"),
        ("trainer.limit_val_batches=7.5", "limit_val_batches"),
        ("trainer.enable_checkpointing=false", "enable_checkpointing"),
        ("model.lr=0", "lr"),
        ("model.inputs=[foo]", "inputs"),
        ("model.target=foo", "target"),
        ("model.model.init_args.hidden_channels=-1", "hidden_channels"),
        ("data.num_samples=0", "num_samples"),
        ("config=none.yaml", "--config"),
    ],
)
def test_what_only_the_parts_can_tell_is_named_by_them(option, name, arguments, capsys):
    assert name in said(NBodyCLI, [*arguments, f"--{option}"], capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_accelerator_that_is_not_there(arguments, capsys):
    for option in ("--trainer.accelerator=cuda", "--trainer.accelerator=gpu"):
        assert "--trainer.accelerator: expected" in said(NBodyCLI, [*arguments, option], capsys)


@pytest.mark.parametrize("option", ["--trainer.precision=32", "--trainer.precision=bf16-mixed", "--name=a/b"])
def test_options_that_are_not_absurd_train(option, arguments):
    assert main([*arguments, option], NBodyCLI)["epochs"] == 1


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--trainer.precision=16-true", "--trainer.precision"),
        ("--model.weights={energy: -1}", "weights"),
        ("--model.weights={energy: 0}", "weights"),
        ("--model.weights={energy: inf}", "weights"),
        ("--data.num_workers=-1", "--data.num_workers"),
    ],
)
def test_options_of_molecules(option, name, molecule_arguments, capsys):
    assert name in said(MoleculeCLI, molecule_arguments(option), capsys)


def test_molecules_train_in_float64(molecule_arguments):
    cli = MoleculeCLI(molecule_arguments("--trainer.precision=64-true", "--trainer.max_epochs=1"))
    cli.trainer.fit(cli.model, cli.datamodule)
    assert {value.dtype for value in cli.model.parameters()} == {torch.float64}


@pytest.mark.parametrize("device", ["cuda:77", "meta", "toaster", "", "cpu:x", None, 3.5])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ValueError, match=r"^device: expected a device of this machine"):
        find_device(device)
    with pytest.raises(ValueError, match=r"^--device: expected a device of this machine"):
        find_device(device, "--device")
    with pytest.raises(ValueError, match=r"^device: expected a device of this machine"):
        FACalculator(Potential(FAENet(hidden_channels=4, num_layers=1)), device=device)


def test_a_device_that_is_there_is_found():
    assert find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")
