"""How the documentation is built: `python -m sphinx -W docs docs/_build`.

Nothing is fetched: formulas are MathML, and other projects' pages are linked by the
address that their names have.
"""

import os
import warnings
from importlib.metadata import version as version_of

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# On a busy machine several threads wait for each other more than they compute.
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
suppress_warnings = ["config.cache"]  # The gallery's settings hold objects.

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
html_sidebars = {"quick_start": [], "contributing": []}
html_show_sourcelink = False
html_math_renderer = "mathml"

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

plot_include_source = False
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("sklearn_dae",),
    "backreferences_dir": "generated/backreferences",
    "show_memory": False,
    "capture_repr": ("_repr_html_",),
}
warnings.filterwarnings("error", module="sklearn_dae")

# What pages of other projects are called by the name of what they describe.
PAGES = {
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "matplotlib": "https://matplotlib.org/stable/api/_as_gen/{}.html",
    "torch": "https://docs.pytorch.org/docs/stable/generated/{}.html",
    "skorch": "https://skorch.readthedocs.io/en/stable/search.html?q={}",
}


def link_to_other_projects(app, env, node, contnode):
    target = node.get("reftarget", "")
    page = PAGES.get(target.partition(".")[0])
    if page is None or "." not in target:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=page.format(target))


def visit_inline_math(translator, node):
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator, node):
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app):
    app.connect("missing-reference", link_to_other_projects)
    app.add_html_math_renderer(
        "mathml", (visit_inline_math, None), (visit_math_block, None)
    )
