"""Options of predictions: of molecules, and of normals of scans."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from fa_pyg import checks
from fa_pyg.files import check_folder, check_target
from fa_pyg.files.runs import find_run, missing
from fa_pyg.options.parser import Parser

__all__ = ["FRAMES", "WRITTEN", "molecules", "normals"]

WRITTEN = (".npz", ".ply")  # files of points with normals
READ = (".csv", ".npy", ".obj", ".off", ".pts", ".stl", ".txt", ".xyz")  # other files of points
FRAMES = ("fast", "forces", "dynamics")  # names of smoothness
TRUST = "a class or module that config.yaml may name, beside those of fa_pyg; as often as needed"
DEVICE = "cpu, cuda, ... (cuda if there is one)"


def molecules(args: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    """Parse and check the options of ``fa-pyg predict molecules``.

    Raises:
        ValueError: for a checkpoint that does not exist, files none of which exists, and an output that
            cannot be written.
    """
    example = "example: fa-pyg predict molecules runs/molecules/xyz_folder/version_0 *.xyz -o out.xyz"
    what = "Predict energies, forces, ... for XYZ files with a trained model."
    parser = Parser(prog, what, example, usage="%(prog)s CHECKPOINT FILE... -o OUT [options]")
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="best.ckpt of a run, or the folder of the run")
    files = "XYZ files, plain, extended or gzipped, and folders of them"
    add("files", nargs="+", metavar="FILE", help=files)
    add("-o", "--out", metavar="OUT", required=True, help="extended XYZ to write")
    add("--batch_size", type=int, default=64, metavar="N", help="molecules in a call of the model (64)")
    add("--device", metavar="D", help=DEVICE)
    add("--dtype", choices=("float32", "float64"), default="float32", help="of the network (float32)")
    add("--frame", choices=FRAMES, help="to evaluate in; default: that of the training")
    add("--trust", action="append", default=[], metavar="NAME", help=TRUST)
    given = parser.parsed(args)
    checks.integer("--batch_size", given.batch_size)
    find_run(given.checkpoint)
    _check_files(given.files)
    check_target(given.out)
    return given


def normals(args: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    """Parse and check the options of ``fa-pyg predict normals``.

    Raises:
        ValueError: for a run that does not exist, files none of which exists, and outputs that are one file,
            or an input.
    """
    example = "example: fa-pyg predict normals runs/normals/fa_dgcnn/version_0 scan.ply -o out"
    what = "Estimate the normals of scans with a trained model."
    parser = Parser(prog, what, example, usage="%(prog)s RUN FILE... -o OUT [options]")
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of a run of `fa-pyg train normals`, .../version_0")
    files = "scans or meshes: .ply, .obj, .stl, .off, .npy, .xyz, .txt, .csv"
    add("files", nargs="+", type=Path, metavar="FILE", help=files)
    out = "folder, which gets a .ply for each file; or for one file, a file .ply or .npz"
    add("-o", "--out", required=True, type=Path, metavar="OUT", help=out)
    add("--patch-size", "--patch_size", type=int, default=512, metavar="N", help="points of a patch (512)")
    add("--overlap", type=float, default=2.0, metavar="X", help="mean number of patches of a point (2)")
    add("--orient", action="store_true", help="make the signs consistent")
    add("--device", metavar="D", help=DEVICE)
    add("--trust", action="append", default=[], metavar="NAME", help=TRUST)
    given = parser.parsed(args)
    checks.integer("--patch-size", given.patch_size)
    given.run = _run_folder(given.run)
    _check_files(given.files)
    given.targets = _targets(given.files, given.out)
    check_folder(given.targets[0].parent)
    return given


def _run_folder(path: Path) -> Path:
    """Return the folder of a run, also for its best checkpoint."""
    if find_run(path).name != "best.ckpt":
        raise ValueError(f"RUN: expected the folder of a run, or its best.ckpt, found {path}")
    return find_run(path).parent


def _targets(files: Sequence[Path], out: Path) -> list[Path]:
    """Return the file to write for each file to read."""
    suffix = out.suffix.lower()
    if suffix in WRITTEN and len(files) > 1:
        raise ValueError(f"--out: expected a folder for {len(files)} files, found {out}")
    if suffix in READ and not out.is_dir():
        raise ValueError(f"--out: expected a folder, or a file {' or '.join(WRITTEN)}, found {out}")
    found = [out] if suffix in WRITTEN else [out / f"{path.stem}.ply" for path in files]
    for i, (path, target) in enumerate(zip(files, found, strict=True)):
        if target in found[:i]:
            raise ValueError(f"{path}: expected files of different names, found another of {target.name}")
        if target.exists() and any(one.exists() and one.samefile(target) for one in files):
            raise ValueError(f"--out: expected another file than those to read, found {target}")
    return found


def _check_files(files: Sequence[str | Path]) -> None:
    """Refuse files none of which exists; where some do, the others are reported when they are read."""
    if len(gone := missing(files)) == len(files):
        raise ValueError(f"FILE: expected a file or folder that exists, found {', '.join(map(str, gone))}")
