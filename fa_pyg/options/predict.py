"""Options of predictions: of molecules, and of normals of scans."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from fa_pyg import checks
from fa_pyg.files import check_folder, check_target
from fa_pyg.files.runs import find_run, missing
from fa_pyg.options.parser import Parser

__all__ = ["FRAMES", "molecules", "normals"]

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
        ValueError: for a run that does not exist, and files none of which exists.
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
    find_run(given.run)
    _check_files(given.files)
    check_folder(given.out.parent if given.out.suffix.lower() in (".ply", ".npz") else given.out)
    return given


def _check_files(files: Sequence[str | Path]) -> None:
    """Refuse files none of which exists; where some do, the others are reported when they are read."""
    if len(gone := missing(files)) == len(files):
        raise ValueError(f"FILE: expected a file or folder that exists, found {', '.join(map(str, gone))}")
