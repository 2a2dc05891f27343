"""Settings of the site: ``sphinx-build -W -n --keep-going docs docs/_build/html``."""

import os
import re
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
os.environ.setdefault("MPLBACKEND", "agg")

project = "fastmlp"
author = "The fastmlp developers"
copyright = author
try:
    release = version("fastmlp")
except PackageNotFoundError:  # a source folder that was built but not installed
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    release = re.search(r'^version = "(.*)"', text, re.M)[1]
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "mathml",
]
root_doc = "index"
exclude_patterns = [
    "_build",
    "examples",
    "auto_examples/*.ipynb",
    "lecture",
    "auto_lecture/*.ipynb",
    "parameters*.txt",
]
templates_path = ["_templates"]
highlight_language = "none"
smartquotes = False  # a default of "relu" is code
toc_object_entries_show_parents = "hide"
suppress_warnings = ["config.cache"]  # functions in sphinx_gallery_conf

# The docstrings name what other projects document. Their inventories would need a
# network, so these names stay without a link.
nitpick_ignore_regex = [
    (r"py:.*", r"(sklearn|scipy|numpy|torch|keras|onnx|matplotlib)\..*"),
    (r"py:obj", r"\w+_"),  # attributes of a fit, which stand on the page of their class
]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autosummary_generate = True
autosummary_context = {
    # Scikit-learn's own, the same for every estimator.
    "hidden": {
        "get_metadata_routing",
        "set_callbacks",
        "set_fit_request",
        "set_output",
        "set_partial_fit_request",
        "set_predict_request",
        "set_score_request",
    },
}
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"fastmlp {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = html_logo = "_static/logo.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": []}
html_theme_options = {
    "logo": {"text": "fastmlp", "alt_text": "fastmlp"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],  # the field has no room at 1280 pixels
    "show_toc_level": 2,
    # The pages of the lecture take the room for their graphs.
    "secondary_sidebar_items": {
        pages: ["page-toc"]
        for pages in (
            "index",
            "get_started/*",
            "user_guide/*",
            "auto_examples/*",
            "reference/**",
            "promises/*",
            "development/*",
        )
    },
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
    "show_prev_next": True,
}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# The order of the gallery: from the first fit to what goes on inside.
EXAMPLES = [
    "change_one_import",
    "raw_table",
    "scale_of_y",
    "imbalance",
    "uncertainty",
    "own_activation",
    "representations",
    "sparse_text",
    "stream",
    "web_service",
    "dask",
    "exchange",
    "resume",
    "reading",
]


def place(filename):
    """The place of an example in the gallery; the pages of the lecture have numbers."""
    name = filename.removeprefix("plot_").removesuffix(".py")
    return int(name[:2]) if name[:2].isdigit() else EXAMPLES.index(name)


def strict(gallery_conf, filename):
    """Make a warning of an example an error: what it prints names folders of ours."""
    warnings.simplefilter("error")


sphinx_gallery_conf = {
    "examples_dirs": ["examples", "lecture"],
    "gallery_dirs": ["auto_examples", "auto_lecture"],
    "filename_pattern": "/plot_",
    "within_subsection_order": place,
    "doc_module": ("fastmlp",),
    "backreferences_dir": "reference/generated/backreferences",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
    "image_srcset": ["2x"],
    "reset_modules": ("matplotlib", strict),
}


def setup(app):
    """Let warnings be errors in the examples only, which run when the build begins."""
    filters = warnings.catch_warnings()
    filters.__enter__()
    app.connect("builder-inited", lambda app: filters.__exit__(), priority=900)
