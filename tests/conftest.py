"""What every test starts from: the same seeds, mmseg's scope, one thread."""

import random

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

import mmseg_da  # noqa: F401


@pytest.fixture(autouse=True)
def _same_start() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    init_default_scope('mmseg')
