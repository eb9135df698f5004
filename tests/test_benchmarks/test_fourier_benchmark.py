"""The benchmark of the swap of low frequencies: its table, and what it refuses."""

import fourier
import pytest

from mmseg_da.errors import UserError

QUICK = ['--sizes', '32x48', '33x35', '--betas', '0.1', '0.4', '--repeats', '2']


def test_it_prints_a_row_for_each_size_and_share(capsys):
    fourier.main(QUICK)
    rows = [line.split('|') for line in capsys.readouterr().out.splitlines() if '|' in line][2:]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [row[1:4] for row in cells] == [
        [size, beta, radius]
        for size in ('32x48', '33x35')
        for beta, radius in (('0.1', '3'), ('0.4', '12' if size == '32x48' else '13'))
    ]
    for row in cells:
        assert all(float(ms) >= 0 for ms in row[4:7])
        assert all(float(gap) <= 1e-3 for gap in row[8].split(', '))


def test_each_way_takes_its_turn():
    called = []
    ways = {name: lambda name=name: called.append(name) for name in ('one', 'other')}
    assert set(fourier.milliseconds(ways, 2)) == {'one', 'other'}
    assert called == ['one', 'other'] * 3


@pytest.mark.parametrize(
    ('wrong', 'problem'),
    [
        (['--sizes', '32'], '--sizes 32: give HEIGHTxWIDTH'),
        (['--sizes', '4x40'], '--sizes 4x40'),
        (['--betas', '0.5'], r'--betas: beta=0.5 is not in \[0, 0.5\)'),
        (['--batch', '0'], '--batch, --repeats: give 1 or more'),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, problem):
    with pytest.raises(UserError, match=problem):
        fourier.main([*QUICK, *wrong])
