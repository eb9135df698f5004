"""The benchmark of many files runs, on few."""

import doctor


def test_both_are_timed(capsys):
    doctor.main(['--images', '24', '--nproc', '1'])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert [row.split('|')[1].strip() for row in rows] == [
        'what', 'doctor, 24 images, all opened', 'report, 24 lines of log',
    ]  # fmt: skip
    assert all(float(row.split('|')[2]) > 0 for row in rows[1:])
