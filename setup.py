"""What pyproject.toml cannot say: configurations, at top level here, are ``fa_pyg/configs`` in a wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["fa_pyg", "fa_pyg.*"]), "fa_pyg.configs"],
    package_dir={"fa_pyg.configs": "configs"},
)
