"""Settings of fine-tuning that cannot be: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

FINETUNE = str(ROOT / 'configs/small/finetune_toy.py')
LAYERWISE = 'optim_wrapper.paramwise_cfg.layerwise'
ONE_STAGE = [
    'stages.source=None',
    'stages.finetune.load_from=None',
    'train_dataloader.dataset.num=4',
]


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['train_dataloader.dataset.num=0'], 'num is 0, but has to be an integer of 1 or more'),
        (['train_dataloader.dataset.num=900'], 'num is 900, but there are only'),
        (['train_dataloader.dataset.num=few'], "num is 'few'"),
        (['train_dataloader.dataset.seed=-1'], 'seed is -1'),
        ([f'{LAYERWISE}.stages.layer9=0.1'], 'layer9'),
        ([f'{LAYERWISE}.heads=0'], f'{LAYERWISE}.heads'),
        ([f'{LAYERWISE}.head=2'], f"{LAYERWISE} has 'head', but takes stages"),
        (
            [f'{LAYERWISE}.decay=0.5'],
            f'{LAYERWISE} has both `decay` and factors of stages: give one of them',
        ),
    ],
)
def test_a_wrong_setting_is_told(refused, options, said):
    assert said in refused('train.py', FINETUNE, '--cfg-options', *SHORT, *ONE_STAGE, *options)


@pytest.mark.parametrize(
    ('hook', 'said'),
    [
        ("type='ClassSurgeryHook', mode='swap'", "mode is 'swap', not one of drop, remap, keep"),
        ("type='ClassSurgeryHook', mode='remap', names=['car']", "names is ['car']"),
        ("type='ClassSurgeryHook'", "missing 1 required positional argument: 'mode'"),
        ("type='UnfreezeHook', stages={5: 1}", 'UnfreezeHook: stages is {5: 1}'),
        ("type='UnfreezeHook', stages={0: 9}", 'cannot freeze 9 stages'),
        ("type='UnfreezeHook', stages=3", 'UnfreezeHook: stages is 3'),
        (
            "type='NormEvalHook', parts=['tail']",
            "no part 'tail'; it has data_preprocessor, backbone, decode_head",
        ),
    ],
)
def test_a_wrong_hook_is_told(refused, tmp_path, hook, said):
    (tmp_path / 'own.py').write_text(f"_base_ = '{FINETUNE}'\ncustom_hooks = [dict({hook})]\n")
    assert said in refused('train.py', 'own.py', '--cfg-options', *SHORT, *ONE_STAGE)


def test_rates_by_stage_of_a_backbone_without_stages_are_told(refused, tmp_path):
    backbone = (
        "dict(_delete_=True, type='MixVisionTransformer', embed_dims=16, num_heads=[1, 1, 2, 4])"
    )
    text = f"_base_ = '{FINETUNE}'\nmodel = dict(backbone={backbone})\n"
    (tmp_path / 'own.py').write_text(text)
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT, *ONE_STAGE)
    assert f'{LAYERWISE}: MixVisionTransformer has no stages layer1, layer2' in said
    assert 'Use paramwise_cfg.custom_keys for it' in said


def test_the_sampler_of_labelled_images_takes_no_other_dataset(refused, tmp_path):
    base = ROOT / 'configs/small/source_only_toy.py'
    sampler = "train_dataloader = dict(sampler=dict(type='LabelledSampler'))\n"
    (tmp_path / 'own.py').write_text(f"_base_ = '{base}'\n{sampler}")
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT)
    assert 'LabelledSampler draws from a LabelledDataset, not from SourceTargetDataset' in said
