"""What pyproject.toml cannot say: folders at top level here are parts of the package in a wheel."""

from setuptools import find_packages, setup

SHIPPED = {"fa_pyg.configs": "configs", "fa_pyg.shipped_parts": "data/cad"}

setup(packages=[*find_packages(include=["fa_pyg", "fa_pyg.*"]), *SHIPPED], package_dir=SHIPPED)
