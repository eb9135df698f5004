"""The benchmark of many files runs, on few."""

from pathlib import Path

import doctor
import numpy as np
from PIL import Image

from mmseg_da.doctor import examine


def test_both_are_timed(capsys):
    ballast = np.ones(2**26)  # 512 MiB
    doctor.main(['--images', '24', '--nproc', '1'])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert [row.split('|')[1].strip() for row in rows] == [
        'what', 'doctor, 24 images, all opened', 'report, 24 lines of log, 100 of 8 images predicted',
    ]  # fmt: skip
    assert all(float(row.split('|')[2]) > 0 for row in rows[1:])
    # Each in a process of its own, which holds nothing of this one.
    held = doctor.peak() - 256
    assert ballast.nbytes == 2**29
    assert all(100 < float(row.split('|')[3]) < held for row in rows[1:])


def test_the_validation_has_images_and_labels_of_its_own(tmp_path):
    for number, name in enumerate(doctor.DOMAINS):
        doctor.write_images(tmp_path / name, range(3 * number, 3 * number + 3))
    visit = examine(doctor.config_of(tmp_path), 'many.py', 9, 1)
    assert [domain.name for domain in visit.domains] == list(doctor.DOMAINS)
    visit.page().write(tmp_path / 'page.html')
    assert 'Appearance of each class' in (tmp_path / 'page.html').read_text()
    assert not [each for each in visit.findings if 'in training and validation' in each.text]
    files = sorted(Path(tmp_path).rglob('images/*.png'))
    assert len({np.asarray(Image.open(file)).tobytes() for file in files}) == 9
