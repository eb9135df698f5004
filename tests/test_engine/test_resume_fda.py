"""FDA interrupted before and after its entropy is switched on equals FDA that was not."""

import pytest
from checkpoint_helpers import differing, load

from mmseg_da.engine.launch import build_runner

# Off for three iterations, then at two weights.
SWITCH = dict(type='LossWeightHook', objective='ent', weights={0: 0.0, 3: 0.5, 5: 0.1})


@pytest.mark.stack
@pytest.mark.parametrize('stop', [2, 4])
def test_a_resume_is_exact(short_config, plainly_written, tmp_path, stop):
    def train(folder, iterations, resume=False):
        options = {
            'custom_hooks': [SWITCH],
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.interval': 2,
            'resume': resume,
        }
        runner = build_runner(short_config(tmp_path / folder, 'small/fda_toy', **options))
        runner.train()
        history = runner.message_hub.get_scalar('train/ent.loss_ent')
        return [float(value) for value in history.data[0]]

    entropies = train('whole', 6)
    assert [value > 0 for value in entropies] == [False] * 3 + [True] * 3
    train('parts', stop)
    train('parts', 6, resume=True)
    whole, parts = (load(tmp_path / folder / 'iter_6.pth') for folder in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(whole[key], parts[key]) == []
