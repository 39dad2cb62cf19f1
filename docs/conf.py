"""Settings of the documentation, `sphinx-build -W -n --keep-going -b html docs docs/_build/html`.

FA_PYG_INTERSPHINX=1 links to the documentation of other libraries, as on Read the Docs; else nothing is
downloaded. FA_PYG_MATHJAX=/path/to/tex-mml-chtml.js takes MathJax from a file instead of its public host.
"""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # of tqdm in notebooks: no progress bars here

import fa_pyg  # noqa: E402

project = "fa_pyg"
author = "the authors of fa_pyg"
copyright = "the authors of fa_pyg"
version = release = fa_pyg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "api_pages",
    "docstrings",
    "notebooks",
    "references",
    "tables",
]
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]

# Pages and notebooks.
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "notebooks_cache")
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
suppress_warnings = ["misc.highlighting_failure"]  # of shell commands in cells that are not executed

# Docstrings.
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_custom_sections = [("Shapes", "params_style"), "Not guaranteed"]

# Targets outside: linked on Read the Docs, where their inventories can be fetched, and not checked elsewhere.
OTHERS = {
    "ase": "https://ase-lib.org/",
    "e3nn": "https://docs.e3nn.org/en/stable/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "torch_geometric": "https://pytorch-geometric.readthedocs.io/en/latest/",
}
if "READTHEDOCS" in os.environ or "FA_PYG_INTERSPHINX" in os.environ:
    intersphinx_mapping = {name: (address, None) for name, address in OTHERS.items()}
STANDARD = r"abc|argparse|collections\.abc|enum|os|pathlib|typing|unittest"
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", rf"({'|'.join(OTHERS)}|jsonargparse|matplotlib|{STANDARD})\.[\w.]+"),
    (r"py:(class|exc)", "|".join(vars(builtins))),
    (r"py:class", r"Path|dict\[str"),  # hints of fields, which autodoc shows as they are written
]

# Look.
html_theme = "furo"
html_title = "fa_pyg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
if "FA_PYG_MATHJAX" in os.environ:
    mathjax_path = os.environ["FA_PYG_MATHJAX"]
copybutton_exclude = ".linenos, .gp, .go"
pygments_style = "friendly"
pygments_dark_style = "github-dark"
