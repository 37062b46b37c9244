"""Build the pages and the notebooks, as they are saved, into one site."""

import re
import shutil
from pathlib import Path

import sk_ekd

HERE = Path(__file__).parent

project = "sk_ekd"
version = release = sk_ekd.__version__
copyright = "the sk_ekd developers, BSD-3-Clause"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
smartquotes = False
default_role = "literal"  # `teachers` in a docstring is a name in code
highlight_language = "none"  # of a block that names no language: a shell's, an output
add_function_parentheses = False
toc_object_entries_show_parents = "hide"

# --- Pages ----------------------------------------------------------------------------

nb_execution_mode = "off"  # tests/test_docs.py runs them afresh
nb_merge_streams = True
myst_heading_anchors = 3

shutil.rmtree(HERE / "_notebooks", ignore_errors=True)
shutil.copytree(HERE.parent / "notebooks", HERE / "_notebooks")


def link_copies(app, page, source):
    """Lead links between pages and notebooks to the copies of the notebooks."""
    copies = "../" * page.count("/") + "_notebooks/"
    text = re.sub(r"\]\((\.\./)+notebooks/", f"]({copies}", source[0])
    source[0] = text.replace("](../docs/", "](../")


def keep_together(app, page, source):
    """Keep a number and its unit on one line; in tables, its spread or interval too."""
    if page.startswith("_notebooks/"):
        return  # JSON, with code in it
    unit, spread = r"(?<=\d) (?=[±µ%]|[km]?s\b|[kM]B\b)", r"(?<=±) (?=\d)"
    interval = r"(?<=\d,) (?=[-+]\d|[\d.]+\])|(?<=\d) (?=to \S+\))|(?<=\d to) (?=\S+\))"
    p_value = r"(?<=\bp) (?=[=<] \d)|(?<=\bp [=<]) (?=\d)"
    inside, is_code, lines = "|".join([unit, spread, interval, p_value]), False, []
    for line in source[0].split("\n"):
        is_code ^= line.startswith("```")
        if not is_code:
            what = inside if line.startswith("|") else r"(?<=\d) (?=%)"
            line = re.sub(what, "\u00a0", line)
        lines.append(line)
    source[0] = "\n".join(lines)


# --- Reference ------------------------------------------------------------------------

autodoc_default_options = {"members": True, "member-order": "bysource"}
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_validation_checks = {"all", "EX01", "SA01", "ES01", "RT02"}  # all but these
nitpick_ignore_regex = [  # of other libraries, whose inventories are not fetched
    ("py:.*", r"(sklearn|skorch|torch|numpy|pandas|matplotlib)\..*"),
]


def leave_out(app, what, name, obj, skip, options):
    """Leave out scikit-learn's metadata routing; Rows lists its fields already."""
    is_field = type(obj).__name__ == "_tuplegetter"
    return is_field or bool(re.fullmatch(r"set_\w+_request", name)) or None


def quote_shapes(app, what, name, obj, options, lines):
    """Quote a fitted attribute in a shape, which ends like a link."""
    lines[:] = [re.sub(r"\((\w+_),\)", r"(`\1`,)", line) for line in lines]


# --- Looks ----------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sk_ekd"
html_static_path = ["_static"]
html_extra_path = ["hero.png", "hero_narrow.png"]  # of a <picture>, which Sphinx skips
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {  # pages with none below them
    page: []
    for page in (
        "index", "start", "does_it_help", "evidence_appendix", "performance",
        "add_a_weighting", "add_a_pool", "add_a_student", "add_a_loss", "contributing",
        "design", "changes",
    )
}  # fmt: skip
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def setup(app):
    """Connect what is written here."""
    app.connect("source-read", link_copies)
    app.connect("source-read", keep_together)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", quote_shapes, priority=0)
