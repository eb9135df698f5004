"""Ways to hold the activations of CycleGAN down: the same update, and less memory."""

import pytest
import torch
import translator_memory

from mmseg_da.errors import UserError

SMALL = ['--size', '32', '--channels', '4', '--blocks', '2']


def peaks(capsys, *options: str) -> dict[str, float]:
    translator_memory.main([*SMALL, *options])
    rows = [line.split('|') for line in capsys.readouterr().out.splitlines() if '|' in line][2:]
    return {row[1].strip(): float(row[2]) for row in rows}


def test_each_way_holds_less(capsys):
    found = peaks(capsys, '--size', '64')
    assert list(found) == list(translator_memory.ways())
    summed, stages, blocks, checkpointed, both = found.values()
    assert stages < 0.5 * summed  # one of the two directions, without identity
    assert blocks < 0.9 * stages
    assert checkpointed < 0.5 * summed
    assert both < blocks


def test_names_are_those_of_residual_blocks():
    args = translator_memory.parse_args(SMALL)
    for way in translator_memory.ways(args.blocks).values():
        model = translator_memory.build(way, args)
        kinds = {type(model.get_submodule(name)).__name__ for name in way.names}
        assert kinds <= {'_ResidualBlock'} or kinds == {'Sequential'}
    generator = model.generators['source_to_target'].model
    layers = [type(each).__name__ for each in generator]
    first = translator_memory.FIRST_BLOCK
    assert layers.count('_ResidualBlock') == args.blocks
    assert layers[first : first + args.blocks] == ['_ResidualBlock'] * args.blocks


@pytest.mark.parametrize('wrong', [['--size', '30'], ['--size', '28'], ['--batch', '0']])
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(UserError, match=wrong[0]):
        translator_memory.main([*SMALL, *wrong])


def test_weights_are_those_of_the_first_way():
    """Of the same seed, so that only the way of back-propagation differs."""
    args = translator_memory.parse_args(SMALL)
    first, *others = (
        translator_memory.build(way, args).state_dict()
        for way in translator_memory.ways(args.blocks).values()
    )
    assert all(torch.equal(first[key], each[key]) for each in others for key in first)
