"""The pages build as a site without a warning, and its reference holds every class of the package."""

import inspect
import re
import subprocess
import sys
from importlib.util import find_spec

import mmseg.registry
import pytest
from mmengine.registry import Registry
from page_blocks import PAGES, ROOT

import mmseg_da.functional

needs_sphinx = pytest.mark.skipif(
    not all(find_spec(name) for name in ('sphinx', 'myst_parser', 'furo')),
    reason='needs the extra `docs`: pip install -e ".[docs]"',
)
pytestmark = [needs_sphinx, pytest.mark.timeout(300)]


def test_the_site(tmp_path):
    site = build(tmp_path)
    every_page_is_in_it(site)
    every_registered_class_and_every_function_is_in_the_reference(site)
    no_link_is_broken(site)


def build(folder):
    """Build the pages; once, as it takes a while."""
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html']
    places = ['-d', str(folder / 'trees'), str(ROOT / 'docs'), str(folder / 'html')]
    made = subprocess.run(
        [*command, *places], capture_output=True, text=True, cwd=folder, check=False
    )
    assert made.returncode == 0, made.stderr[-5000:]
    return folder / 'html'


def every_page_is_in_it(site):
    for page in PAGES:
        if page.is_relative_to(ROOT / 'docs'):
            html = site / page.relative_to(ROOT / 'docs').with_suffix('.html')
            assert html.is_file(), html
    assert len(list((site / '_images').glob('*'))) >= 1


def every_registered_class_and_every_function_is_in_the_reference(site):
    registries = [each for each in vars(mmseg.registry).values() if isinstance(each, Registry)]
    registered = {
        kind.__name__
        for registry in registries
        for kind in registry.module_dict.values()
        if kind.__module__.startswith('mmseg_da')
    }
    text = ''.join(path.read_text() for path in (site / 'api').glob('*.html'))
    documented = {name.rsplit('.', 1)[-1] for name in re.findall(r'id="(mmseg_da\.[\w.]+)"', text)}
    assert {'DomainAdaptor', 'StagedRunner'} <= registered
    assert sorted(registered - documented) == []
    public = vars(mmseg_da.functional)
    functions = {name for name in mmseg_da.functional.__all__ if inspect.isfunction(public[name])}
    assert len(functions) > 40
    assert sorted(functions - documented) == []


def no_link_is_broken(site):
    wrong = []
    for html in site.rglob('*.html'):
        if '_modules' in html.parts:
            continue
        for link in re.findall(r'<a[^>]* href="([^"#]+)', html.read_text()):
            if ':' not in link and not (html.parent / link).exists():
                wrong.append((html.name, link))
    assert wrong == []
