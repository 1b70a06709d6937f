"""Settings of the documentation's site; `make docs` builds it under build/site."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "sct_deepseg_sc_general"
author = "sct-deepseg-general developers"
copyright = f"2026, {author}"  # noqa: A001  # Sphinx's own name
release = version = installed_version("sct-deepseg-general")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["templates"]
templates_path = ["templates"]
html_theme = "furo"
html_title = f"sct_deepseg_sc_general {release}"
html_static_path: list[str] = []

nb_execution_mode = "force"  # the notebook runs in each build, and an error ends it
nb_execution_raise_on_error = True
nb_execution_timeout = 300

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Pages link to files of the repository, which are not part of the site; several classes have an
# attribute of the same name.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_rtype = False
napoleon_preprocess_types = False
