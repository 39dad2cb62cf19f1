"""Steps of ``scripts/smoke_wheel.sh``: the contents of a wheel, and what a user does with it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from importlib.metadata import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 3_000_000  # bytes of the wheel
IN_WHEEL = re.compile(
    r"fa_pyg/(.*\.py|py\.typed|configs/.*\.yaml|shipped_parts/.*)|fa_pyg-[\d.]+\.dist-info/.*"
)
EXTRA = re.compile(r"pip install '?fa_pyg\[\w+\]")
CONFIG = (
    "--config=xyz_folder --data.dataset.root_or_files=xyz --data.val=2 --data.test=2 --trainer.max_epochs=2"
)
SMALL = "--model.model.init_args.model.init_args.hidden_channels=8 --trainer.check_val_every_n_epoch=1"


def contents(wheel: str, direct: str, sdist: str) -> None:
    """Check what is in the wheel, that the sdist gives the same one, and that the sdist is complete."""
    names = files(wheel)
    if names != files(direct):
        sys.exit(
            f"expected one wheel from the sdist and from the tree, found others: {names ^ files(direct)}"
        )
    if stray := [name for name, _ in names if not IN_WHEEL.fullmatch(name)]:
        sys.exit(f"expected modules and data in the wheel, found {stray}")
    if (size := Path(wheel).stat().st_size) > LIMIT:
        sys.exit(f"expected a wheel of {LIMIT} bytes at most, found {size}")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if missing := set(tracked) - packed:
        sys.exit(f"expected all files of the project in the sdist, found none of {sorted(missing)}")
    print(f"wheel: {size / 1e6:.1f} MB, {len(names)} files; sdist: {Path(sdist).stat().st_size / 1e6:.1f} MB")


def files(wheel: str) -> set[tuple[str, int]]:
    """Return the names of the files of a wheel, with their checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {(one.filename, one.CRC) for one in archive.infolist()}


def modules() -> None:
    """Import every module; one that needs an extra must name it."""
    import fa_pyg

    folder = Path(fa_pyg.__file__).parent
    if Path(sys.prefix) not in folder.parents:
        sys.exit(f"expected the installed package, found {folder}")
    loaded, needy = 0, set()
    for path in sorted(folder.rglob("*.py")):
        name = ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        try:
            importlib.import_module(name)
            loaded += 1
        except ImportError as error:
            if not EXTRA.search(str(error)):
                raise
            needy.add(name.split(".")[1])
    print(f"{loaded} modules import without extras; these rooms name theirs: {', '.join(sorted(needy))}")


def readme() -> None:
    """Run the first Python block of the README, which is the description of the package."""
    text = metadata("fa_pyg").get_payload() or metadata("fa_pyg")["Description"]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    begin = time.perf_counter()
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    print(f"the README's first example ran in {time.perf_counter() - begin:.1f} s")


def command(*words: str) -> str:
    """Run ``fa-pyg``, which must end well, and return what it prints."""
    done = subprocess.run(["fa-pyg", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"fa-pyg {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def helps() -> None:
    """Ask for help, and for the configurations."""
    from fa_pyg.cli.commands import COMMANDS

    slowest = 0.0
    for words in ([], *(name.split() for name in COMMANDS)):
        begin = time.perf_counter()
        if "usage: fa-pyg" not in command(*words, "--help"):
            sys.exit(f"fa-pyg {' '.join(words)} --help: expected a usage, found none")
        slowest = max(slowest, time.perf_counter() - begin)
    if "aspirin_weighted" not in command("configs", "list"):
        sys.exit("fa-pyg configs list: expected aspirin_weighted, found none")
    print(f"help of {len(COMMANDS)} commands, the slowest in {slowest:.2f} s")


def training() -> None:
    """Train for two epochs on generated molecules, and predict for them."""
    import torch
    from torch_geometric.data import Data

    from fa_pyg.io import read_xyz, write_xyz

    generator = torch.Generator().manual_seed(0)
    Path("xyz").mkdir()
    for i in range(8):
        pos = torch.randn(4, 3, dtype=torch.double, generator=generator)
        data = Data(z=torch.tensor([7, 1, 1, 1]), pos=pos, energy=pos.square().sum(), forces=-2 * pos)
        write_xyz(f"xyz/{i}.xyz", [data], names=["energy", "forces"], columns=["forces"])
    print(command("train", "molecules", *CONFIG.split(), *SMALL.split()), end="")
    print(
        command("predict", "molecules", "runs/molecules/xyz_folder/version_0", "xyz", "-o", "out.xyz"), end=""
    )
    if len(found := read_xyz("out.xyz")) != 8 or found[0].forces.shape != (4, 3):
        sys.exit(f"out.xyz: expected forces of 8 molecules, found {found}")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
