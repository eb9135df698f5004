"""What stands on the page of a report, and what a browser makes of it."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from made_runs import make_predictions, write_run, write_test
from PIL import Image

from mmseg_da.report import make_report, read_run
from mmseg_da.report.curves import (
    MOST_POINTS,
    groups_of,
    plot_pseudo_labels,
    plot_scalars,
    plot_scores,
)

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
FLAGS = [
    *('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'),
    *('--disable-sync', '--disable-background-networking', '--disable-component-update'),
    '--virtual-time-budget=3000',
]
# Appended to a copy of the page: what the browser saw goes into its own text.
WATCH = """<script>
window.onerror = (text) => { document.title = 'ERROR ' + text; };
window.addEventListener('securitypolicyviolation', (e) => { document.title = 'ERROR ' + e.blockedURI; });
</script>"""
LOOK = """<script>
window.addEventListener('load', () => {
  const images = [...document.images];
  const input = document.querySelector('.slider input');
  const before = document.querySelector('.slider .before');
  const clip = () => getComputedStyle(before).clipPath;
  const first = clip();
  input.value = 20;
  input.dispatchEvent(new Event('input'));
  const told = document.createElement('pre');
  told.id = 'told';
  told.textContent = JSON.stringify({
    images: images.length, empty: images.filter((each) => !each.naturalWidth).length,
    first: first, then: clip(), title: document.title,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  });
  document.body.append(told);
});
</script>"""


@pytest.fixture
def three(tmp_path):
    """Source-only, adapted and upper bound, with predictions of the first two."""
    names = ('source-only', 'adapted', 'upper bound')
    runs = [
        read_run(write_run(tmp_path / name, last=last), name)
        for name, last in zip(names, (60, 80, 100), strict=True)
    ]
    found = {name: make_predictions(tmp_path, 5 * i) for i, name in enumerate(names[:2])}
    return runs, found


def text_of(page):
    return unescape(re.sub(r'<[^>]+>', ' ', page.render()))


def test_the_summary_says_what_was_gained(three):
    text = text_of(make_report(*three, ['one thing is missing']))
    assert 'adapted is +2.0 mIoU from source-only, 50% of the way to upper bound' in text
    assert 'upper bound: 100 of 100 iterations, complete' in text
    assert 'adapted: 80 of 100 iterations: not finished' in text
    assert 'one thing is missing' in text


def test_the_worst_and_best_images_are_compared(three):
    html = make_report(*three).render()
    assert html.count('class="slider"') == 6
    said = re.findall(r'image_(\d)\.png: IoU ([\d.]+) to ([\d.]+)', html)
    assert said[:3] == [(str(i), f'{20 + 10 * i:.1f}', f'{25 + 10 * i:.1f}') for i in range(3)]
    assert [number for number, *_ in said[3:]] == ['3', '2', '1']


def test_without_predictions_of_the_first_run_the_adapted_one_is_shown_alone(three):
    runs, found = three
    found['upper bound'] = found.pop('source-only')
    html = make_report(runs, found).render()
    assert 'Worst images of adapted' in html
    assert 'class="slider"' not in html
    del found['adapted']
    assert 'adapted has no predictions.' in make_report(runs, found).render()


def test_a_test_at_the_end_gives_the_score(three, tmp_path):
    runs, _ = three
    write_run(tmp_path / 'rounds/first', last=100)
    write_test(tmp_path / 'rounds/ensemble', mIoU=47.0)
    text = text_of(make_report([runs[0], read_run(tmp_path / 'rounds')], {}))
    assert 'rounds is +11.0 mIoU from source-only' in text
    assert 'rounds, ensemble: a test; it trains nothing' in text
    assert 'not finished' not in text.replace('source-only: 60 of 100 iterations: not finished', '')


def test_a_training_by_epochs_is_not_called_unfinished(tmp_path):
    folder = write_run(tmp_path / 'a')
    next(folder.glob('*/vis_data/config.py')).write_text('train_cfg = dict(max_epochs=3)')
    text = text_of(make_report([read_run(folder)], {}))
    assert 'a: 100 iterations' in text
    assert 'not finished' not in text


def test_names_are_no_formulas_and_none_is_hidden(tmp_path):
    """matplotlib hides labels that begin with an underscore from legends."""
    folder = write_run(tmp_path / 'a', **{'pseudo._background_': 60.0, 'pseudo.cost $x_{$': 40.0})
    run = read_run(folder, '_a $x_{$')
    found = make_predictions(tmp_path)
    found.classes = ('_background_', 'cost $x_{$')
    assert make_report([run], {run.name: found}).render()
    shown = [each.get_text() for each in plot_pseudo_labels(run).axes[0].get_legend().get_texts()]
    assert [each.lstrip('\u200b') for each in shown] == [r'cost \$x_{\$', '_background_']


def test_nothing_logged_gives_a_page_too(tmp_path):
    inner = tmp_path / 'a/20260101_120000/vis_data'
    inner.mkdir(parents=True)
    (inner / 'config.py').write_text('train_cfg = dict(max_iters=3)')
    text = text_of(make_report([read_run(tmp_path / 'a')], {}))
    assert 'Nothing was logged.' in text
    assert 'No validation was logged.' in text


def test_infinite_losses_are_said_first(tmp_path):
    run = read_run(write_run(tmp_path / 'a', **{'adv.loss_fool': float('inf')}))
    assert 'adv.loss_fool became infinite or no number' in text_of(make_report([run], {}))


def test_each_scalar_has_a_plot(tmp_path):
    more = {
        'adv.loss_fool': 1.0, 'adv.loss_source': 1.0, 'discriminators.lr': 1e-4,
        'discriminators.loss': 2.0, 'seg.decode.acc_seg': 50.0, 'odd': 3.0, 'teacher.mIoU': 5.0,
    }  # fmt: skip
    run = read_run(write_run(tmp_path / 'a', **more))
    groups = groups_of(run)
    assert next(iter(groups)) == 'Losses of the segmentor'
    assert groups['Losses of the segmentor'] == ['adv.loss_fool', 'seg.decode.loss_ce']
    assert groups['Discriminator losses'] == ['adv.loss_source', 'discriminators.loss']
    assert groups['Learning rates'] == ['discriminators.lr', 'segmentor.lr']
    assert groups['Other values'] == ['odd']
    assert not {'time', 'mIoU', 'IoU.car', 'teacher.mIoU'} & {n for g in groups.values() for n in g}


def test_many_curves_are_several_plots(tmp_path):
    run = read_run(write_run(tmp_path / 'a', **{f'x{i:02d}.loss': 1.0 for i in range(20)}))
    sizes = [len(names) for title, names in groups_of(run).items() if 'Losses' in title]
    assert sizes == [8, 8, 5]


def test_long_curves_are_thinned_and_gaps_stay(tmp_path):
    run = read_run(write_run(tmp_path / 'a'))
    run.scalars['long.loss'] = {step: float(step) for step in range(1, 25001)}
    run.scalars['long.loss'][1] = float('nan')
    (line,) = plot_scalars(run, ['long.loss'], 'Losses').axes[0].lines
    assert 1000 < len(line.get_xdata()) <= MOST_POINTS
    assert np.isnan(line.get_ydata()[0])
    assert line.get_xdata()[1] == line.get_ydata()[1]


def test_the_teacher_is_dashed(tmp_path):
    run = read_run(write_run(tmp_path / 'a', **{'teacher.mIoU': 5.0}))
    own, teacher = plot_scores([run]).axes[0].lines
    assert (own.get_linestyle(), teacher.get_linestyle()) == ('-', '--')
    assert own.get_ydata().tolist() == [40.0]


def test_pseudo_labels_are_stacked_by_class(tmp_path):
    run = read_run(write_run(tmp_path / 'a', **{'pseudo.road': 75.0, 'pseudo.loss car': 25.0}))
    assert not any('pseudo' in name for names in groups_of(run).values() for name in names)
    axes = plot_pseudo_labels(run).axes[0]
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in axes.collections]
    assert tops == [75.0, 100.0]
    # From the top, as they lie.
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ['loss car', 'road']
    assert plot_pseudo_labels(read_run(write_run(tmp_path / 'b'))) is None


@pytest.mark.skipif(not CHROMIUM, reason='needs the package chromium')
def test_a_browser_shows_every_picture_and_finds_no_error(three, tmp_path):
    runs, found = three
    Image.new('RGB', (300, 200), (200, 10, 10)).save(runs[1].folder / 'sheet.png')
    html = make_report(runs, found).render()
    page = tmp_path / 'page.html'
    page.write_text(html.replace('<head>', f'<head>{WATCH}').replace('</body>', f'{LOOK}</body>'))
    profile = tmp_path / 'profile'
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f'--user-data-dir={profile}', '--dump-dom', page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = json.loads(unescape(re.search(r'<pre id="told">(.*?)</pre>', done.stdout)[1]))
    assert told['title'].startswith('Report: source-only')
    assert told['images'] == html.count('<img ') >= 20
    assert told['empty'] == 0
    assert told['wide'] == 0  # nothing sticks out to the right
    assert (told['first'], told['then']) == ('inset(0px 50% 0px 0px)', 'inset(0px 80% 0px 0px)')
