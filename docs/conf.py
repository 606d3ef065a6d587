"""Sphinx's settings.  `docs/build.py` copies this file beside the pages that it puts together."""

from pathlib import Path

import minigen

project, author, copyright = "minigen", "the minigen authors", "the minigen authors, MIT license"
version = release = minigen.__version__
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["jupyter_execute"]

smartquotes = False  # --epochs stays --epochs
html_theme = "furo"
html_title = f"minigen {release}"
html_static_path = ["_static"]
html_css_files, html_js_files = ["custom.css"], ["custom.js"]
html_copy_source = False
html_show_sphinx = False
html_search_scorer = str(Path(__file__).parent / "_static" / "scorer.js")
html_favicon = "_static/icon.svg"
pygments_style, pygments_dark_style = "friendly", "monokai"
python_maximum_signature_line_length = 88
add_module_names = True
toc_object_entries_show_parents = "hide"

highlight_language = "none"
nb_execution_mode = "off"  # the outputs are stored in the notebooks
nb_merge_streams = True
nb_render_markdown_format = "myst"
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
# src: is the scheme of links to the pages of source code, which Sphinx does not make
myst_url_schemes = {"http": None, "https": None, "mailto": None, "src": {"url": "{{path}}#{{fragment}}"}}
mathjax_path = "mathjax/tex-svg-full.js"
copybutton_exclude = ".linenos, .gp, .go"
suppress_warnings = ["myst.strikethrough"]
