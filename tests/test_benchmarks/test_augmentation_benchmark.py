"""The benchmark of jitter and blur: one row per size, the arithmetic of its columns, bad input."""

import augmentation
import pytest

from mmseg_da.errors import UserError


def test_it_prints_a_row_for_each_size(capsys):
    augmentation.main(['--sizes', '32x64', '64x64', '--images', '2'])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')][1:]
    assert [row.split('|')[1].strip() for row in rows] == ['32x64', '64x64']
    for row in rows:
        jitter, blur, drawn, images = (float(each) for each in row.split('|')[2:-1])
        assert drawn == pytest.approx(0.8 * jitter + 0.5 * blur, abs=0.15)
        assert images == pytest.approx(1000 / drawn, rel=0.2)


def test_the_first_image_is_not_counted():
    seen = []
    augmentation.seconds(lambda image, number: seen.append(number), None, 3)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize('wrong', [['--images', '0'], ['--sizes', '512']])
def test_a_wrong_argument_is_told(wrong):
    with pytest.raises(UserError, match=wrong[0].replace('sizes', 'size')):
        augmentation.main(wrong)
