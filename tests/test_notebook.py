"""The notebook of demo/: clean as committed, and run from its first cell to its last, shortened."""

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / 'demo/adapt_in_ten_minutes.ipynb'


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs():
    notebook = read()
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {'kernelspec', 'language_info'}
    for cell in notebook.cells:
        assert not cell.get('outputs')
        assert cell.get('execution_count') is None
        assert set(cell.metadata) <= {'tags'}


def test_every_link_leads_somewhere():
    text = '\n'.join(cell.source for cell in read().cells if cell.cell_type == 'markdown')
    links = re.findall(r'\]\(([^)#:]+)\)', text)
    assert len(links) > 4
    assert [link for link in links if not (NOTEBOOK.parent / link).exists()] == []


@pytest.fixture(scope='module')
def executed(tmp_path_factory):
    """The notebook after a run of five iterations, its files elsewhere."""
    notebook = read()
    (at,) = [i for i, c in enumerate(notebook.cells) if 'parameters' in c.metadata.get('tags', ())]
    folder = tmp_path_factory.mktemp('notebook')
    shorter = (
        'ITERATIONS, TRAIN_IMAGES, VAL_IMAGES = 5, 8, 2\n'
        f'DATA, WORK = Path({str(folder / "data")!r}), Path({str(folder / "work")!r})'
    )
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(shorter))
    resources = dict(metadata=dict(path=str(NOTEBOOK.parent)))
    NotebookClient(notebook, timeout=240, kernel_name='python3', resources=resources).execute()
    return notebook


def outputs(notebook, kind):
    """What the cells gave of one kind, ``text/plain``, ``image/png`` or what they printed."""
    found = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    if kind == 'stdout':
        return ''.join(each.text for each in found if each.get('name') == kind)
    return [each.data[kind] for each in found if kind in each.get('data', {})]


@pytest.mark.stack
def test_it_runs_to_its_end_and_shows_pictures(executed):
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert('RGB'))
        for png in outputs(executed, 'image/png')
    ]
    assert len(pictures) == 3  # both domains, curves, before and after
    for picture in pictures:
        assert min(picture.shape[:2]) > 150
        assert picture.std() > 20


@pytest.mark.stack
def test_it_prints_scores_of_both(executed):
    printed = outputs(executed, 'stdout')
    assert re.search(r'IoU, percent +source only +DACS\n', printed)
    scores = re.findall(r'^(\S.*?) +([\d.]+|nan) +([\d.]+|nan)$', printed, re.MULTILINE)
    assert len(scores) == 11
    name, *values = scores[-1]
    assert name == 'mIoU'
    assert all(0 < float(value) < 100 for value in values)
    assert '"type": "SelfTraining"' in printed
