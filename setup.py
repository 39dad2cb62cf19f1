"""Packaging of fa_pyg; the versions that are tested together are pinned in constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """Reads ``__version__`` without importing the package, which would need torch."""
    return re.search(r'^__version__ = "(.+)"$', (HERE / "fa_pyg/__init__.py").read_text(), re.M)[1]


setup(
    name="fa_pyg",
    version=version(),
    description="Frame averaging for PyTorch Geometric: any PyG model made exactly invariant or equivariant",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="fa_pyg developers",
    license="MIT",
    packages=find_packages(include=["fa_pyg", "fa_pyg.*"]),
    python_requires=">=3.10",
    install_requires=["torch>=2.4", "torch_geometric>=2.5", "rdkit", "ase", "numpy", "pyyaml"],
    extras_require={
        # Compiled against the torch that is installed: `pip install --no-build-isolation fa_pyg[scatter]`.
        "scatter": ["torch_scatter"],
        "train": [
            "lightning>=2.6,!=2.6.2,!=2.6.3",  # these two were compromised
            "jsonargparse[signatures]>=4.53,<5",  # imports what it is allowed to, and no more
            "torchmetrics",
            "tensorboard",
            "matplotlib",
            "tqdm",
        ],
        # GFN2-xTB labels; neighbours in periodic cells; an equivariant baseline. tblite's wheels are for
        # Linux on x86-64; elsewhere it comes from conda-forge, and what needs it says so.
        "chem": ["tblite>=0.8; sys_platform == 'linux' and platform_machine == 'x86_64'", "vesin", "e3nn"],
        # Meshes (obj, ply, stl, ...) and pages with point clouds to turn by hand.
        "clouds": ["trimesh>=4", "plotly", "scipy"],
        # Builds parts with exact normals; about 1 GB, and not beside cadquery. Reading them needs neither.
        "cad": ["build123d>=0.13; python_version >= '3.11'", "bd_warehouse>=0.4; python_version >= '3.11'"],
        # igraph (GPL) is for tests of canonical labelling only.
        "dev": ["pytest", "pytest-xdist", "hypothesis", "ruff", "scipy", "igraph"],
        "bench": ["faenet", "frame-averaging-pytorch", "pandas"],  # faenet imports pandas and torch_scatter
    },
)
