"""How Sphinx makes pages of this directory: `nox -s docs`, with warnings as errors."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "daytona-anyio"
author = "The daytona-anyio authors"
project_copyright = author
version = release = installed_version("daytona-anyio")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False  # annotations name types of the standard library and of private modules

html_theme = "furo"
html_title = f"daytona-anyio {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings describe parameters and errors; types stand in signatures.
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "exclude-members": "__new__", "undoc-members": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def as_restructured_text(lines: list[str]) -> None:
    """Our docstrings mark code with one backquote, and a star in quotes is a star."""
    for number, line in enumerate(lines):
        code = re.sub(r"(?<![`:\w])`([^`]+)`(?!`)", r"``\1``", line)
        lines[number] = re.sub(r'"\*', r'"\\*', code)


def setup(app: Sphinx) -> None:
    """Let every docstring pass."""
    app.connect(
        "autodoc-process-docstring",
        lambda _app, _what, _name, _object, _options, lines: as_restructured_text(lines),
        priority=1,  # before napoleon, so that what it adds stays as it is
    )
