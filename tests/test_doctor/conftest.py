"""Small data sets."""

import numpy as np
import pytest
from doctor_data import CLASSES, PIPELINE
from PIL import Image


@pytest.fixture
def data(tmp_path):
    """Writes images with labels, in noise that the number seeds; gives the config of the data set."""

    def make(name, number, seed):
        rng = np.random.default_rng(seed)
        for i in range(number):
            for kind, high, shape in (('img', 256, (16, 24, 3)), ('ann', 2, (16, 24))):
                folder = tmp_path / name / kind
                folder.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, high, shape, np.uint8)
                Image.fromarray(pixels).save(folder / f'{i}.png')
        return dict(
            type='BaseSegDataset',
            data_root=str(tmp_path / name),
            data_prefix=dict(img_path='img', seg_map_path='ann'),
            img_suffix='.png',
            metainfo=dict(classes=CLASSES, palette=[[1, 2, 3], [250, 9, 9]]),
            pipeline=PIPELINE,
        )

    return make
