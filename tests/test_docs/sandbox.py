"""A folder in which documented commands run as they stand, with small networks, small data and two iterations.

``tools`` and ``mmseg_da`` are ours. ``configs`` holds the configs under their own names, those of full size
cut down by ``reduced_run``; ``data`` holds all data sets an eighth as large; a checkpoint that a command
names, such as ``work_dirs/dacs_gta2cs/iter_250000.pth``, is the end of such a training, run when it is asked
for.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from full_size_data import repeat_cityscapes, write
from mmengine.config import Config
from page_blocks import ROOT
from page_commands import LENGTHS, Command, without_environment
from reduced_run import ITERATIONS, reduced
from street_data import LAYOUTS, picture, save
from test_configs import CONFIGS, walk
from test_tools.tool_helpers import start

from mmseg_da.engine import launch
from mmseg_da.engine.stages import split
from mmseg_da.testing.toy_domains import make_toy_domains

CONFIG = re.compile(r'configs/[\w/]+\.py')
RESULT = re.compile(r'work_dirs/(\w+)/((?:\w+/)?)iter_\d+\.pth')
FEW = dict(num_workers=0, persistent_workers=False)


class Sandbox:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / 'tools').symlink_to(ROOT / 'tools')
        (folder / 'mmseg-da').write_text('from mmseg_da.command import main\n\nmain()\n')
        write(folder / 'few')
        repeat_cityscapes(folder / 'few', folder / 'data', 100)
        self._link_unconverted()
        for city in ('Rio', 'Taipei', 'Tokyo'):
            (folder / 'data/crosscity' / city).symlink_to(folder / 'data/crosscity/Rome')
        make_toy_domains(folder / 'data/toy', train=6, val=2)
        for domain, part in itertools.product(('source', 'target'), ('train', 'val')):
            for number in range(4):
                root = folder / 'data/camvid2idd' / domain
                save(root / f'img_dir/{part}/{number}.jpg', picture((240, 320), number))
                ids = np.random.default_rng(number).integers(7, size=(12, 16))
                save(root / f'ann_dir/{part}/{number}.png', np.kron(ids, np.ones((20, 20))))

    def _link_unconverted(self) -> None:
        label = LAYOUTS['cityscapes'].label
        there = sorted(self.folder.glob('few/cityscapes/gtFine/train/*/*_labelIds.png'))
        for number in range(100):
            path = self.folder / 'data/cityscapes' / label.format(number)
            path.symlink_to(there[number % len(there)])

    def run(self, documented: Command) -> int:
        """Run a command; gives its exit code."""
        variables, words = without_environment(documented.words)
        os.environ.update(variables)
        for config in CONFIG.findall(documented.text):
            self.provide_config(config, anew=bool(variables))
        if words[0] == 'ln':
            Path(words[-1]).parent.mkdir(parents=True, exist_ok=True)
            Path(words[-1]).symlink_to(words[-2])
            return 0
        for word in words:
            if match := RESULT.fullmatch(word):
                self.provide_result(word, match[1], match[2])
        if words[0] == 'mmseg-da':
            return self.run_command(words[1:])
        assert words[0] == 'python'
        if words[1] == '-m':
            environ = dict(os.environ, PYTHONPATH=str(ROOT))
            return subprocess.run([sys.executable, *words[1:]], env=environ, check=False).returncode
        return start(self.folder / words[1], *words[2:], *LENGTHS.get(words[1], ()))

    def run_command(self, words: list[str]) -> int:
        """Run ``mmseg-da``; it finds a config here before that of the package."""
        for word in words:
            if word.endswith('.py') and (CONFIGS / word).is_file():
                self.provide_config(f'configs/{word}')
                (self.folder / word).parent.mkdir(exist_ok=True)
                shutil.copy(self.folder / 'configs' / word, self.folder / word)
        return start(self.folder / 'mmseg-da', *words, *LENGTHS.get(f'tools/{words[0]}.py', ()))

    def provide_config(self, name: str, anew: bool = False) -> None:
        """Write a config, cut down, where the command looks for it."""
        file = self.folder / name
        if file.is_file() and not anew:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        own = launch.read_config(str(ROOT / name), None).get('work_dir')
        cfg = launch.load_config(str(ROOT / name), None, own)
        cfg = shortened(cfg) if 'small' in file.parts else reduced(cfg, self.folder)
        if own is None:
            cfg._cfg_dict.pop('work_dir')
        # Not by `dump`, which sorts, and stages have an order.
        lines = (f'{key} = {value!r}\n' for key, value in cfg.to_dict().items())
        file.write_text(''.join(lines))

    def provide_result(self, name: str, work_dir: str, stage: str) -> None:
        """Train what a checkpoint is of, and give the last one its name."""
        file = self.folder / name
        if file.is_file():
            return
        last = self.folder / f'work_dirs/{work_dir}/{stage}iter_{ITERATIONS}.pth'
        if not last.is_file():
            (config,) = CONFIGS.rglob(f'{work_dir}.py')
            config = str(config.relative_to(ROOT))
            self.provide_config(config)
            assert start(self.folder / 'tools/train.py', config) == 0
        file.symlink_to(last.name)


def shortened(cfg: Config) -> Config:
    """The same config with two iterations of each training."""
    for stage in split(cfg) if 'stages' in cfg else ():
        if 'train_cfg' in cfg.stages[stage.name]:
            cfg.stages[stage.name].train_cfg.update(max_iters=ITERATIONS, val_interval=ITERATIONS)
    for path, part in walk(cfg._cfg_dict):
        if 'max_iters' in part:
            part.update(max_iters=ITERATIONS, val_interval=ITERATIONS)
        if path.endswith('_dataloader') and part:
            part.update(FEW)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = ITERATIONS
    cfg.default_hooks.adaptation_view.interval = 0
    return cfg
