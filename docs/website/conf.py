"""Sphinx's settings for the site; `build.py` calls it."""

project = "harness"
html_title = "harness"
root_doc = "index"
extensions = ["myst_parser"]
exclude_patterns = [".made", "leaderboards"]

html_theme = "furo"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]

smartquotes = False  # quotes are as they were written
myst_heading_anchors = 3  # spelt as the repository's host spells them
myst_enable_extensions = ["colon_fence"]  # for the reference's nested entries
myst_url_schemes = {"http": None, "https": None, "mailto": None, "as-is": "{{path}}"}
suppress_warnings = ["misc.highlighting_failure"]  # examples may leave something out
add_module_names = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
