"""How the pages are built: ``make docs``. They read without a network; warnings stop the build."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]
os.environ.setdefault("MPLBACKEND", "Agg")

project = "measureformer"
author = "The measureformer developers"
copyright = author
version = release = version_of("measureformer")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "checked",
    "docstrings",
    "mathtext",
    "reference",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
suppress_warnings = [
    "config.cache",  # functions in sphinx_gallery_conf
]
nitpicky = True
nitpick_ignore_regex = [("py:class", r"(?!measureformer\.).*")]  # types in signatures; names that pages give in full are checked

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

html_theme = "furo"
html_title = "measureformer"
html_static_path = ["_static"]
html_css_files = ["measureformer.css"]
html_math_renderer = "mathtext"
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "subsection_order": [f"../examples/{part}" for part in ("interpolation", "dynamics", "gaussian", "incontext", "scale")],
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib", "style.reset"),
    "reset_modules_order": "before",
    "min_reported_time": 0,
    "write_computation_times": False,
    "plot_gallery": "True",
    "copyfile_regex": r"none",
}
