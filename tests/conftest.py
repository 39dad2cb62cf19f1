"""For every test: one thread, the same seed, two types (``dtype``), and trainings of a second."""

import os
import time
import warnings
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch, and for the processes that tests start

import hypothesis
import pytest
import torch
from torch_geometric import seed_everything

torch.set_num_threads(1)  # pytest-xdist runs one process a core
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Makes each test's random numbers its own, whichever tests ran before it."""
    seed_everything(0)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture(scope="session", autouse=True)
def _no_arguments() -> Iterator[None]:
    """Hides the arguments of pytest from command lines that tests build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train"])
        yield


@pytest.fixture(scope="session")
def caught() -> Callable[[Callable], list[str]]:
    """Calls a function and returns the texts of all warnings that it gives."""

    def texts(run: Callable) -> list[str]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            run()
        return [str(one.message) for one in found]

    return texts


class Processes:
    """Waits for processes, and looks whether they run."""

    @staticmethod
    def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)

    @staticmethod
    def is_running(pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False


@pytest.fixture(scope="session")
def processes() -> type[Processes]:
    return Processes


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """A cache with 20 samples of each split."""
    from fa_pyg.train import NBodyData

    root = tmp_path_factory.mktemp("nbody")
    NBodyData(root, num_samples=20).prepare_data()
    return root


TINY_POTENTIAL = """
name: tiny
model:
  model:
    class_path: fa_pyg.models.Potential
    init_args:
      model:
        class_path: fa_pyg.models.FAENet
        init_args: {hidden_channels: 8, num_layers: 1, num_radial: 4, heads: {energy: scalar, dipole: vector}}
      frame: {class_path: fa_pyg.WeightedPCAFrame, init_args: {group: E(3)}}
  lr: 0.01
  schedule: cosine
  weights: {energy: 0.1, forces: 1.0, dipole: 0.1}
data:
  dataset: {class_path: fa_pyg.datasets.XYZ, dict_kwargs: {targets: [energy]}}
  val: 8
  test: 8
  batch_size: 8
trainer:
  max_epochs: 3
  enable_progress_bar: false
  callbacks:
  - {class_path: fa_pyg.train.EMA, init_args: {decay: 0.9}}
"""


@pytest.fixture(scope="session")
def molecule_root(tmp_path_factory):
    """Folders with 40 labelled molecules each, in ASE's extended XYZ: labels of a potential of pairs."""
    import numpy as np
    from ase.build import molecule
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    root, rng, frames = tmp_path_factory.mktemp("molecules"), np.random.default_rng(0), []
    for name in ["CH4", "H2O", "CH3OH", "C6H6"] * 10:
        atoms = molecule(name)
        atoms.rattle(0.1, rng=rng)
        vectors = atoms.positions - atoms.positions[:, None]
        squares = (vectors**2).sum(-1)
        forces = (-0.2 * vectors * np.exp(-squares / 4)[..., None]).sum(0)
        energy = 0.2 * np.exp(-squares / 4)[np.triu_indices(len(atoms), 1)].sum() * 2
        energy -= float((1000.123456789 * atoms.numbers).sum())
        results = {"energy": energy, "forces": forces, "dipole": atoms.positions[0] - atoms.positions[1]}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    write(root / "all.xyz", frames, format="extxyz")
    (root / "tiny.yaml").write_text(TINY_POTENTIAL)
    return root


@pytest.fixture(scope="session")
def molecule_arguments(molecule_root, tmp_path_factory):
    """Command line of a run of seconds."""
    runs = tmp_path_factory.mktemp("runs")

    def make(*more):
        data = f"--data.dataset.init_args.root_or_files={molecule_root / 'all.xyz'}"
        config = ["--config", str(molecule_root / "tiny.yaml")]
        return [*config, data, f"--trainer.default_root_dir={runs}", *more]

    return make


@pytest.fixture(scope="session")
def molecule_run(molecule_arguments):
    """The results of a run of three epochs; ``folder`` holds its checkpoints."""
    from fa_pyg.train import MoleculeCLI, main

    return main(molecule_arguments(), MoleculeCLI)
