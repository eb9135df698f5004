"""Settings of Sphinx for the pages in this folder: `make docs`."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

project = 'mmseg_da'
author = 'mmseg_da contributors'
copyright = f'{author}, Apache-2.0'
release = re.search(r"'(.+)'", (ROOT / 'mmseg_da/version.py').read_text(encoding='utf-8'))[1]

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx.ext.githubpages',
]
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'mmseg_da {release}'

# Pages are read on GitHub, too, so links to headings are those that GitHub makes.
myst_heading_anchors = 4
myst_enable_extensions = ['colon_fence']

autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # the fields of named tuples are there already

if importlib.util.find_spec('mmseg') is None:
    raise SystemExit('the API pages import mmseg_da and mmseg: `make setup` makes an environment')


def setup(app):
    """Import what autodoc documents, so that its shims are installed before anything else."""
    import mmseg_da  # noqa: F401

    return {'parallel_read_safe': True}
