"""The plot of the benchmark shows the numbers of its table."""

import adaptation
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from trials import Result, Trial

SCORES = dict(source_only=(20.0, 30.0), upper_bound=(65.0,), advent=(35.0, 45.0), own=(10.0,))


def results(*pairs):
    return [
        Result(Trial(method, pair, seed), miou, {}, 500, 60.0, config='0')
        for pair in pairs
        for method, scores in SCORES.items()
        for seed, miou in enumerate(scores)
    ]


def test_bars_are_means_and_dots_are_seeds():
    panel = Figure().subplots()
    adaptation._draw(panel, 'toy', results('toy'))
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert names == ['source_only', 'advent', 'upper_bound', 'own']
    assert [bar.get_height() for bar in panel.patches] == [25.0, 40.0, 65.0, 10.0]
    dots = [dot for each in panel.collections for dot in each.get_offsets().tolist()]
    assert [y for _, y in dots] == [20.0, 30.0, 35.0, 45.0, 65.0, 10.0]
    assert [round(x) for x, _ in dots] == [0, 0, 1, 1, 2, 3]
    assert [line.get_ydata()[0] for line in panel.lines] == [25.0, 65.0]
    assert [text.get_text() for text in panel.texts] == ['25.0', '40.0', '65.0', '10.0']
    assert panel.get_title() == 'toy, 2 seeds'


@pytest.mark.parametrize('pairs', [('toy',), ('toy', 'camvid2idd', 'fluo2histo')])
def test_every_pair_has_a_panel(tmp_path, pairs):
    adaptation.plot(results(*pairs), tmp_path / 'adaptation.png')
    assert [path.name for path in tmp_path.iterdir()] == ['adaptation.png']
    with Image.open(tmp_path / 'adaptation.png') as image:
        assert image.format == 'PNG'
        pixels = np.asarray(image.convert('L'))
    assert pixels.shape[0] > 400 * (len(pairs) + 1) // 2
    assert (pixels < 128).mean() > 0.02
