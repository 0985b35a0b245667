"""Configuration of the documentation. Build: `python -m sphinx -W docs docs/_build`.

The build needs no network. Formulas are MathML. Links to other projects are made from
the names of their objects.
"""

import os
import warnings
from importlib.metadata import version as version_of

import matplotlib.pyplot as plt
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# On a busy machine several threads are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "sklearn_dae"
author = "the sklearn_dae developers"
version = release = version_of("sklearn-dae")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "sg_execution_times.rst", "**/sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "code"
suppress_warnings = ["config.cache"]  # The gallery's settings contain objects.

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_dae"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
toc_object_entries_show_parents = "hide"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
html_sidebars = {
    page: [] for page in ("quick_start", "changes", "support", "contributing")
}
html_show_sourcelink = False
html_math_renderer = "mathml"

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Figures are shown at a width of about 370 pixels on a phone.
FIGURES = {"font.size": 12, "figure.facecolor": "white"}

plot_rcparams = FIGURES
plot_apply_rcparams = True
plot_include_source = False
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]


def set_figure_style(gallery_conf, path):
    """Set the style of the figures before each example."""
    plt.rcParams.update(FIGURES)


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("sklearn_dae",),
    "backreferences_dir": "generated/backreferences",
    "show_memory": False,
    "reset_modules": ("matplotlib", set_figure_style),
    "capture_repr": ("_repr_html_",),
}
warnings.filterwarnings("error", module="sklearn_dae")

# Addresses of the pages of other projects, by package. {} is the name of the object.
PAGES = {
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "matplotlib": "https://matplotlib.org/stable/api/_as_gen/{}.html",
    "torch": "https://docs.pytorch.org/docs/stable/generated/{}.html",
    "skorch": "https://skorch.readthedocs.io/en/stable/search.html?q={}",
}


def link_to_other_projects(app, env, node, contnode):
    """Return a link to the page of an object of another project, or None."""
    target = node.get("reftarget", "")
    page = PAGES.get(target.partition(".")[0])
    if page is None or "." not in target:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=page.format(target))


def visit_inline_math(translator, node):
    """Write a formula in a line as MathML."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator, node):
    """Write a formula in a block of its own as MathML."""
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app):
    """Connect the functions above to Sphinx."""
    app.connect("missing-reference", link_to_other_projects)
    app.add_html_math_renderer(
        "mathml", (visit_inline_math, None), (visit_math_block, None)
    )
