"""Hostile configurations and checkpoints leave no trace, whichever function opens them; honest ones load."""

import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
import torch
import yaml
from packaging.version import Version
from torch import nn

from fa_pyg import trained
from fa_pyg.ase import FACalculator
from fa_pyg.dynamics.cli import main as dynamics
from fa_pyg.dynamics.inputs import names
from fa_pyg.potential import load
from fa_pyg.potential.predict import main as predict
from fa_pyg.train import MoleculeCLI, NBodyCLI, cli, load_best, main
from fa_pyg.train.checkpoints import AtomicCheckpointIO
from fa_pyg.train.resume import check_settings, resumed_step
from fa_pyg.train.separation.rows import Row
from fa_pyg.train.tasks.load_split import load_split


class Loaded(nn.Module):
    """A module class that jsonargparse finds by its short name, as it is loaded."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        Path(path).touch()


class Evil:
    """An object whose unpickling makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a canary to be, a victim, a module with effects at its top, and a pickle."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "victim").mkdir()
    (tmp_path / "evil_top.py").write_text(
        f"import os, pathlib\nfrom torch import nn\npathlib.Path({str(tmp_path / 'canary')!r}).touch()\n"
        "class Net(nn.Module):\n    pass\n"
    )
    torch.save(Evil(str(tmp_path / "canary")), tmp_path / "evil.pt")
    (tmp_path / "evil.yaml").write_text(
        yaml.safe_dump(
            {"model": linear({"class_path": "os.system", "init_args": {"command": touch(tmp_path)}})}
        )
    )
    yield tmp_path
    assert not (tmp_path / "canary").exists()
    assert (tmp_path / "victim").is_dir()
    assert "evil_top" not in sys.modules


def touch(place):
    return f"touch {place / 'canary'}"


def spec(class_path, /, **arguments):
    return {"class_path": class_path, "init_args": arguments}


def linear(device):
    """A model with something in an argument that has no type."""
    layer = spec("torch.nn.Linear", in_features=1, out_features=1, device=device)
    return spec("fa_pyg.models.Potential", model=layer, gradient=False)


def inside(model):
    return spec("fa_pyg.models.Potential", model=model, gradient=False)


HOSTILE = {
    # Calls, where an argument has no type.
    "os.system": lambda p: linear(spec("os.system", command=touch(p))),
    "posix.system": lambda p: linear(spec("posix.system", command=touch(p))),
    "rmtree": lambda p: linear(spec("shutil.rmtree", path=str(p / "victim"))),
    "torch.load": lambda p: linear(spec("torch.load", f=str(p / "evil.pt"), weights_only=False)),
    "pickle of numpy": lambda p: linear(spec("numpy.load", file=str(p / "evil.pt"), allow_pickle=True)),
    "run_path": lambda p: linear(spec("runpy.run_path", path_name=str(p / "evil_top.py"))),
    "eval": lambda p: linear(spec("builtins.eval", source=f"open({str(p / 'canary')!r}, 'w')")),
    "open": lambda p: linear(spec("builtins.open", file=str(p / "canary"), mode="w")),
    "Popen": lambda p: linear(spec("subprocess.Popen", args=["touch", str(p / "canary")])),
    "import": lambda p: linear(spec("importlib.import_module", name="evil_top")),
    "partial": lambda p: linear(spec("functools.partial", func="os.system")),
    "jsonargparse": lambda p: linear(spec("jsonargparse.set_parsing_settings", import_path_allowlist=["os"])),
    "in a list": lambda p: linear([{"a": [spec("os.system", command=touch(p))]}]),
    "in text": lambda p: linear(yaml.safe_dump(spec("os.system", command=touch(p)), default_flow_style=True)),
    "in escaped text": lambda p: linear(
        '{"class\\x5fpath": os.system, init_args: {command: "' + touch(p) + '"}}'
    ),
    "an allowed class, where none is expected": lambda p: linear(spec("torch.nn.ReLU")),
    "in dict_kwargs": lambda p: inside(
        {"class_path": "torch_geometric.nn.SchNet", "dict_kwargs": {"x": spec("os.system", command=touch(p))}}
    ),
    "in a mapping of text": lambda p: inside(
        spec("fa_pyg.models.FAENet", heads={"energy": spec("os.system", command=touch(p))})
    ),
    # Names, where a class is expected.
    "Popen as a model": lambda p: inside(spec("subprocess.Popen", args=["touch", str(p / "canary")])),
    "a module with effects": lambda p: inside(spec("evil_top.Net")),
    "the same as text": lambda p: inside("evil_top.Net"),
    "the same as a function": lambda p: inside(
        spec("torch_geometric.nn.SchNet", interaction_graph="evil_top.Net")
    ),
    "the same as a type": lambda p: inside(spec("fa_pyg.models.PPGN", act="evil_top.Net")),
    "a function as text": lambda p: inside(spec("torch_geometric.nn.SchNet", interaction_graph="os.system")),
    "a word or a function": lambda p: inside(
        spec("torch_geometric.nn.GCN", in_channels=1, hidden_channels=1, num_layers=1, act="evil_top.run")
    ),
    "a function, handed on": lambda p: inside(
        spec(
            "fa_pyg.models.GAT",
            in_channels=1,
            hidden_channels=1,
            num_layers=1,
            out_channels=1,
            act="evil_top.run",
        )
    ),
    "an allowed class, where anything goes": lambda p: inside(
        spec("fa_pyg.FrameAveraging", model=spec("fa_pyg.models.FAENet"), level=spec("torch.nn.ReLU"))
    ),
    "a type of numbers, with arguments": lambda p: inside(spec("torch.float32", a=spec("evil_top.Net"))),
    "code of PyG": lambda p: inside(
        spec("torch_geometric.nn.Sequential", input_args=f"x=open({str(p / 'canary')!r}, 'w')", modules=[])
    ),
    "code of PyG by its module": lambda p: inside(
        spec("torch_geometric.nn.sequential.Sequential", input_args="x", modules=[])
    ),
    "through a module of fa_pyg": lambda p: inside(spec("fa_pyg.train.cli.sys.exit")),
    "through a module of torch.nn": lambda p: inside(
        spec("torch.nn.modules.module.warnings.warn", message="a")
    ),
    "through torch_geometric.nn": lambda p: inside(spec("torch_geometric.nn.model_hub.os.system")),
    "math of torch.nn": lambda p: inside(spec("torch.nn.modules.linear.math.sqrt", x=1)),
    "torch.hub": lambda p: inside(spec("torch.hub.load", repo_or_dir=str(p), model="a", source="local")),
    "a method": lambda p: inside(spec("torch_geometric.nn.SchNet.from_qm9_pretrained", root=str(p))),
    "a method of torch": lambda p: inside(spec("torch.nn.Embedding.from_pretrained", embeddings=[[1.0]])),
    "a function of fa_pyg": lambda p: inside(spec("fa_pyg.potential.saved.load", checkpoint=str(p))),
    "a command line of fa_pyg": lambda p: inside(spec("fa_pyg.train.NBodyCLI", args=[])),
    "a hidden class of fa_pyg": lambda p: inside(spec("fa_pyg.datasets.xtb.pool.Workers")),
    "a short name": lambda p: inside(spec("Loaded", path=str(p / "canary"))),
    "a short name as text": lambda p: inside("Loaded"),
    "a name of the test": lambda p: inside(spec(f"{__name__}.Loaded", path=str(p / "canary"))),
    "the main module": lambda p: inside(spec("__main__.Loaded")),
    "relative": lambda p: inside(spec("..evil_top.Net")),
    "relative to nothing": lambda p: inside(spec(".Net")),
    "Cyrillic": lambda p: inside(spec("torch.nn.L\u0456near", in_features=1, out_features=1)),
    "full width": lambda p: inside(spec("\uff45vil_top.Net")),
    "with a line break": lambda p: inside(spec("torch.nn.ReLU\n")),
    "with a blank": lambda p: inside(spec(" torch.nn.ReLU")),
    "a list for a name": lambda p: inside({"class_path": ["evil_top.Net"]}),
    "no name": lambda p: inside({"class_path": None}),
    "more than a class": lambda p: inside(spec("torch.nn.ReLU") | {"args": [1]}),
    "Hydra": lambda p: linear({"_target_": "os.system", "_args_": [touch(p)], "class_path": "os.system"}),
    # Arguments that are no arguments.
    "another file": lambda p: str(p / "evil.yaml"),
    "another file inside": lambda p: inside(str(p / "evil.yaml")),
    "another file for arguments": lambda p: {
        "class_path": "torch.nn.Linear",
        "init_args": str(p / "evil.yaml"),
    },
    "a path of its own": lambda p: inside(spec("torch.nn.ReLU", __path__=str(p / "evil.yaml"))),
    "defaults of its own": lambda p: inside(spec("torch.nn.ReLU", __default_config__=str(p / "evil.yaml"))),
    "a dotted argument": lambda p: spec(
        "fa_pyg.models.Potential", **{"model.init_args.device": spec("os.system", command=touch(p))}
    ),
    "arguments without their class": lambda p: {"init_args": {"model": spec("evil_top.Net")}},
    "arguments alone": lambda p: {"model": spec("evil_top.Net")},
    "a file in the network": lambda p: inside("https://127.0.0.1/evil.yaml"),
}
TEXTS = {
    "a tag": "model: {model: !!python/object/apply:os.system ['touch {canary}']}",
    "a tag for a name": "model: {model: !!python/name:os.system }",
    "a new object": "model: {model: !!python/object/new:subprocess.Popen [[touch, '{canary}']]}",
    "an alias": (
        "a: &a {class_path: os.system, init_args: {command: 'touch {canary}'}}\n"
        "model: {model: {class_path: torch.nn.Linear, init_args: {in_features: 1, device: *a}}}"
    ),
    "merged": ("a: &a {class_path: evil_top.Net}\nmodel: {model: {<<: *a}}"),
    "aliases of aliases": "a0: &a0 [1, 1]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    + "model: {model: *a39}",
    "merges of merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 40))
    + "model: {model: *a39}",
    "a circle": "model: {model: &a {class_path: torch.nn.Identity, init_args: {a: *a}}}",
    "a circle of lists": "model: {model: &a [*a]}",
    "too deep": "model: {model: " + "[" * 400_000 + "]" * 400_000 + "}",
    "too long": "model: {model: '" + "a" * 2_000_000 + "'}",
    "no truth": "model: !!bool maybe",
    "no time": "model: {model: !!timestamp abc}",
    "no number": "model: !!int ''",
    "beyond numbers": "model: " + ":".join(["1"] * 400) + ".5",
    "not YAML": "model: {model: [",
    "a list": "[model]",
    "nothing": "",
    "zeros": "\0\0\0",
}


def written(place, kind):
    """A folder of a run with a hostile configuration, and an honest checkpoint."""
    if kind in HOSTILE:
        text = yaml.safe_dump({"name": "a", "model": {"model": HOSTILE[kind](place)}}, allow_unicode=True)
    else:
        text = TEXTS[kind].replace("{canary}", str(place / "canary"))
    (place / "config.yaml").write_text(text)
    torch.save({"state_dict": {}, "global_step": 0}, place / "best.ckpt")
    return place


def skip_what_is_merged_once(kind):
    """From PyYAML 6.0.4 on each setting is merged once, and nothing grows."""
    if kind.startswith("merges") and Version(yaml.__version__) >= Version("6.0.4"):
        pytest.skip(f"PyYAML {yaml.__version__} merges each setting once")


@pytest.mark.parametrize("kind", [*HOSTILE, *TEXTS])
def test_a_hostile_configuration_is_refused_and_leaves_no_trace(kind, place):
    skip_what_is_merged_once(kind)
    folder = written(place, kind)
    with pytest.raises(ValueError, match=r"config\.yaml: ") as error:
        load(folder)
    assert "expected" in str(error.value)
    with pytest.raises(ValueError, match=r"config\.yaml: "):
        NBodyCLI(["--config", str(folder / "config.yaml")])


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_unlisted_is_built_without_the_check_as_well(kind, place, monkeypatch):
    monkeypatch.setattr(trained, "check", lambda *args: None)
    with pytest.raises(ValueError, match=r"config\.yaml|best\.ckpt"):
        load(written(place, kind))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("barrier", ["check_configs", "guarded"])
def test_each_barrier_of_a_command_line_is_enough(barrier, kind, place, monkeypatch):
    """Without the other one a harmless configuration may be accepted, but leaves no trace (``place``)."""
    other = {"check_configs": "guarded", "guarded": "check_configs"}[barrier]
    monkeypatch.setattr(cli, other, lambda *args: nullcontext())
    with suppress(ValueError, SystemExit):
        NBodyCLI(["--config", str(written(place, kind) / "config.yaml")])


@pytest.mark.parametrize("kind", ["os.system", "a module with effects", "code of PyG", "aliases of aliases"])
def test_all_that_open_a_run_refuse(kind, place, capsys):
    folder = written(place, kind)
    out, found = str(place / "out"), r"config\.yaml: "
    with pytest.raises(ValueError, match=found):
        FACalculator(folder)
    with pytest.raises(ValueError, match=found):
        load_best(folder)
    with pytest.raises(ValueError, match=found):
        main(["--config", str(folder / "config.yaml")], MoleculeCLI)
    assert predict([str(folder), "x.xyz", "-o", out, "--device", "cpu"]) == 2
    assert dynamics([str(folder), "--xyz", str(Path("data/molecules/methane.xyz").resolve()), "-o", out]) == 2
    assert "config.yaml: " in capsys.readouterr().err
    assert not Path(out).exists()


def test_what_is_refused_is_named_with_its_place_and_what_is_allowed(place):
    with pytest.raises(ValueError, match="expected") as error:
        load(written(place, "Popen as a model"))
    said = str(error.value)
    assert said.startswith(f"{place / 'config.yaml'}: model.model.init_args.model.class_path: expected ")
    assert "--trust" in said
    assert said.endswith("found 'subprocess.Popen'")
    with pytest.raises(
        ValueError, match=r"model\.model\.init_args\.model\.init_args\.device: expected numbers"
    ):
        load(written(place, "os.system"))


@pytest.mark.parametrize(
    "given",
    [
        ["--model.model", "evil_top.Net"],
        ["--model.model=subprocess.Popen"],
        ["--model.model", "Loaded", "--model.model.init_args.path={place}/canary"],
        ["--model.model", "{place}/evil.yaml"],
        ["--model", "{place}/evil.yaml"],
        ["--config", "{place}/evil.yaml"],
        ["--config={place}/evil.yaml"],
        ["-c", "{place}/evil.yaml"],
        ["-c{place}/evil.yaml"],
        ["--config", "model: {model: {class_path: evil_top.Net}}"],
        ["--config", "trust: [evil_top]\nmodel: {model: {class_path: evil_top.Net}}"],
        ["--config", "trainer: {callbacks: [{class_path: evil_top.Net}]}"],
        ["--config", "trainer: {callbacks: evil_top.Net}"],
        ["--config", "trainer: {strategy: evil_top.Net}"],
        ["--config", "trainer: {logger: {class_path: evil_top.Net}}"],
        [
            "--config",
            "model: {model: {class_path: fa_pyg.models.GNN}}",
            "--config",
            "config: '{place}/evil.yaml'",
        ],
        ["--config", "https://127.0.0.1/evil.yaml"],
        ["--trainer.callbacks+=evil_top.Net"],
    ],
)
def test_a_command_line_that_names_it_ends_there(given, place):
    with pytest.raises((ValueError, SystemExit)):
        NBodyCLI([one.replace("{place}", str(place)) for one in given])


@pytest.mark.parametrize("text", ["none.yaml", "", "a" * 5000, "https://127.0.0.1/evil.yaml", "a\0b"])
def test_what_is_neither_a_file_nor_settings_is_said(text, place):
    with pytest.raises(ValueError, match="--config: expected a file of this machine, or settings in YAML"):
        NBodyCLI(["--config", text])


def test_a_name_on_the_command_line_is_refused_with_a_hint(place, capsys):
    with pytest.raises(SystemExit):
        NBodyCLI(["--model.model", "evil_top.Net"])
    said = capsys.readouterr().err
    assert "Importing 'evil_top.Net' is not allowed: --trust NAME allows" in said
    assert "set_parsing_settings" not in said


def test_settings_in_a_line_are_no_file(place):
    text = (
        "{model: {model: {class_path: fa_pyg.models.GNN, init_args: {hidden_channels: 7}}}, name: "
        + "a" * 400
        + "}"
    )
    assert NBodyCLI(["--config", text]).model.model.embed.out_features == 7


@pytest.mark.parametrize(
    "arguments",
    [
        {"transform": spec("evil_top.Net")},
        {"transform": "evil_top.Net"},
        {"pre_filter": "os.system"},
        {"root_or_files": spec("os.system", command="true")},
    ],
)
def test_data_sets_take_no_more_than_models_do(arguments, place):
    source = spec("fa_pyg.datasets.XYZ", **({"root_or_files": str(place)} | arguments))
    (place / "config.yaml").write_text(yaml.safe_dump({"data": {"dataset": source, "val": 1, "test": 1}}))
    with pytest.raises(ValueError, match=r"config\.yaml: data\.dataset\.init_args\."):
        load_split(place)


@pytest.mark.parametrize("file", ["raw/qm9_v3.pt", "processed/data_v3.pt", "processed/pre_filter.pt"])
def test_a_pickle_in_the_folder_of_a_data_set_is_not_run(file, place):
    for name in ("raw/qm9_v3.pt", "processed/data_v3.pt"):
        (place / name).parent.mkdir(exist_ok=True)
        torch.save([], place / name)
    torch.save(Evil(str(place / "canary")), place / file)
    source = spec("torch_geometric.datasets.QM9", root=str(place))
    (place / "config.yaml").write_text(yaml.safe_dump({"data": {"dataset": source, "val": 1, "test": 1}}))
    with pytest.raises(ValueError, match=r"config\.yaml"):
        load_split(place)


@pytest.mark.parametrize("kind", ["XYZ", "LazyXYZ"])
def test_data_sets_take_what_they_hand_on(kind, molecule_root, tmp_path):
    arguments = {"root_or_files": str(molecule_root / "all.xyz"), "dtype": "torch.float64"}
    arguments |= {"cache": str(tmp_path)} if kind == "LazyXYZ" else {}
    settings = {"dataset": spec(f"fa_pyg.datasets.{kind}", **arguments), "val": 1, "test": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": settings}))
    assert load_split(tmp_path)[0].pos.dtype == torch.float64


def test_a_row_of_the_benchmark_takes_no_more(place):
    for part, settings in (
        ("exp", {"model": spec("evil_top.Net")}),
        ("graph8c", {"model": spec("fa_pyg.models.PPGN", act="evil_top.Net")}),
        ("exp_classify", {"model": {"model": spec("evil_top.Net")}}),
        ("exp_classify", {"trainer": {"callbacks": [spec("evil_top.Net")]}}),
    ):
        (place / "row.yaml").write_text(yaml.safe_dump({"title": "a", part: settings}))
        with pytest.raises(ValueError, match=r"row\.yaml: .*class_path|row\.yaml: .*act"):
            Row.read(place / "row.yaml")


def test_a_checkpoint_is_only_numbers(place, molecule_run):
    (place / "config.yaml").write_text((Path(molecule_run["folder"]) / "config.yaml").read_text())
    for content in (Evil(str(place / "canary")), {"state_dict": {"a": Evil(str(place / "canary"))}}):
        torch.save(content, place / "best.ckpt")
        with pytest.raises(ValueError, match=r"best\.ckpt"):
            load(place)
        with pytest.raises(ValueError, match=r"best\.ckpt"):
            resumed_step(place / "best.ckpt")
        with pytest.raises(Exception, match=r"[Ww]eights"):
            AtomicCheckpointIO().load_checkpoint(place / "best.ckpt", weights_only=False)


def test_a_run_that_goes_on_reads_its_configuration_as_text(place):
    for kind in ("aliases of aliases", "merges of merges", "a tag", "a circle"):
        (place / "config.yaml").write_text(TEXTS[kind].replace("{canary}", str(place / "canary")))
        with pytest.raises(ValueError, match=r"config\.yaml"):
            check_settings(place, "model: {lr: 1}")


@pytest.mark.parametrize("name", ["..", ".", "/", "", "a\nb", ".hidden", 3, None, ["a"], "x" * 300])
def test_a_run_is_called_by_a_word(name, place):
    (place / "best.ckpt").touch()
    (place / "config.yaml").write_text(yaml.safe_dump({"name": name}))
    (found,) = names([place])
    assert (place / found).resolve().parent == place
    assert found.isprintable()


BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
ENDLESS = {
    "aliases": BOMB,
    "merges": BOMB.replace("[1, 1]", "{x: 1}").replace("[", "{<<: [").replace("]", "]}"),
    "levels": "[" * 5000 + "]" * 5000,
    "no truth": "!!bool maybe",
    "beyond numbers": ":".join(["1"] * 400) + ".5",
}


@pytest.mark.parametrize("argument", ["heads", "hidden_channels"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_text_holds_no_more_than_settings_do(kind, argument, place):
    """It is YAML for jsonargparse, which would unfold it without end."""
    skip_what_is_merged_once(kind)
    model = inside(spec("fa_pyg.models.FAENet", **{argument: ENDLESS[kind]}))
    (place / "config.yaml").write_text(yaml.safe_dump({"model": {"model": model}}))
    torch.save({"state_dict": {}}, place / "best.ckpt")
    with pytest.raises(ValueError, match=rf"config\.yaml: model\..*\.{argument}: expected settings"):
        load(place)
    with pytest.raises(ValueError, match="--config: expected a file of this machine, or settings"):
        NBodyCLI(["--config", ENDLESS[kind]])


def test_a_configuration_names_no_other(place):
    (place / "other.yaml").write_text("trainer: {max_epochs: 7}")
    (place / "config.yaml").write_text(f"config: {place / 'other.yaml'}")
    with pytest.raises(ValueError, match=r"config\.yaml: config: expected no other file, found"):
        NBodyCLI(["--config", str(place / "config.yaml")])


@pytest.mark.parametrize("section", ["trainer", "model", "data"])
def test_a_section_is_more_than_nothing(section):
    with pytest.raises(ValueError, match=f"--config: {section}: expected arguments by their names"):
        NBodyCLI(["--config", f"{section}: null"])


@pytest.mark.parametrize("spelled", ["local://{victim}", "{folder}/../../victim", "{victim}"])
def test_what_a_checkpoint_says_was_there_before_is_not_removed(spelled, molecule_arguments, tmp_path):
    """Lightning removes what the state of a callback names as the checkpoint before the new one."""
    run = main(
        molecule_arguments("--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path}"), MoleculeCLI
    )
    folder, victim = Path(run["folder"]), tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis").touch()
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    for state in kept["callbacks"].values():
        if "best_model_path" in state:
            state["best_model_path"] = spelled.format(victim=victim, folder=folder)
    torch.save(kept, folder / "last.ckpt")
    main(molecule_arguments("--trainer.max_epochs=2", f"--ckpt_path={folder}"), MoleculeCLI)
    assert (victim / "thesis").exists()
