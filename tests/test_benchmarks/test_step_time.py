"""The benchmark of one iteration: its arithmetic, its table, and that it refuses unequal sides."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import measure
import method_parts
import pytest
import step_time
import torch
from iterations import can_run
from methods import METHODS
from networks import SEGMENTORS

from mmseg_da.errors import UserError

QUICK = ['--size', '32x64', '--iterations', '4', '--segmentors', 'toy_pspnet']


def blocks(*wall: tuple[float, float]) -> list:
    return [dict(plain=(a, 2 * a), ours=(b, 3 * b)) for a, b in wall]


def test_the_ratio_is_the_median_of_paired_ratios():
    found = measure.summary(blocks((1.0, 1.1), (2.0, 2.6), (4.0, 4.0)))
    assert found['ratio'] == pytest.approx(1.1)
    assert found['ratio_low'] == pytest.approx(1.0)
    assert found['ratio_high'] == pytest.approx(1.3)
    assert found['ratio_cpu'] == pytest.approx(1.65)
    assert (found['plain_ms'], found['ours_ms']) == (1000.0, 1100.0)


def test_blocks_are_plain_ours_ours_plain():
    order = []
    clock = iter([1.0, 10.0, 20.0, 3.0])
    (block,) = measure.paired(
        lambda: order.append('plain'),
        lambda: order.append('ours'),
        1,
        clock=lambda task: (next(clock), task() or 0.0),
    )
    assert order == ['plain', 'ours', 'ours', 'plain']
    assert block == dict(plain=(2.0, 0.0), ours=(15.0, 0.0))


def test_freed_memory_is_kept():
    """A block that was freed is at once at hand again, without page faults."""
    script = (
        'import resource, sys; sys.path.insert(0, sys.argv[1]); import measure, torch\n'
        'assert measure.keep_freed_memory()\n'
        'def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n'
        'torch.set_num_threads(1)\n'
        'for _ in range(20): torch.ones(2**24)\n'
        'before = faults()\n'
        'for _ in range(5): torch.ones(2**24)\n'
        'print(faults() - before)'
    )
    folder = str(Path(measure.__file__).parent)
    command = [sys.executable, '-W', 'ignore', '-c', script, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # else five times 16384 pages


def test_the_peak_is_of_live_tensors():
    kept = []

    def task() -> None:
        first = torch.zeros(1000)  # 4000 bytes
        second = first + 1  # 8000 live
        del first
        kept.append(second.repeat(3))  # 4000 + 12000 live
        del second
        torch.zeros(2000)  # 12000 + 8000 live

    assert 20_000 <= measure.peak_bytes(task) <= 20_100
    (found,) = kept
    assert found.shape == (3000,)


def event(ts: int, size: int, address: int) -> dict:
    return dict(ts=ts, args=dict(Bytes=size, Addr=address))


def test_events_are_summed_in_the_order_of_time():
    events = [event(3, -100, 1), event(1, 100, 1), event(2, 30, 2), event(4, 10, 1)]
    assert measure.peak_of(events) == 130


def test_what_lived_before_does_not_lower_the_peak():
    events = [event(1, -500, 1), event(2, 100, 2), event(3, 30, 1), event(4, -30, 1)]
    assert measure.peak_of(events) == 130
    kept = []
    measure.peak_bytes(lambda: kept.append(torch.zeros(50_000)))

    def task() -> None:
        kept.clear()  # an allocation of the call before
        torch.zeros(1000)

    assert measure.peak_bytes(task) == 4000


@pytest.mark.parametrize('parts', [method_parts.IMAGES.parts, method_parts.CROPS.parts])
def test_memory_at_paper_sizes_is_on_the_line_in_the_area(parts):
    constant, per_area = 7.0, 640.0
    small, large = (constant + per_area / part**2 for part in parts)
    assert step_time._extrapolated(small, large, parts) == pytest.approx(constant + per_area)


def test_parts_of_the_papers_sizes_are_whole_and_fit():
    for method in METHODS.values():
        for part in method.paper.parts:
            sides = [side / part for size in method.paper.sizes for side in size]
            assert all(side % method.divisor == 0 for side in sides)


def test_it_prints_a_table_and_writes_finite_figures(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    methods = ['--methods', 'adaptsegnet_multi']
    step_time.main([*methods, *QUICK, '--no-paper-sizes', '--json', str(out)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert [line.split('|')[1].strip() for line in lines[2:]] == ['adaptsegnet_multi']
    assert len({line.count('|') for line in lines}) == 1
    assert 'not run' in lines[-1]
    written = json.loads(out.read_text())
    assert {'command', 'cores', 'threads', 'seed', 'torch'} <= set(written['environment'])
    (row,) = written['rows']
    figures = {key: value for key, value in row.items() if not isinstance(value, str)}
    assert {'ratio', 'ratio_low', 'ratio_high', 'memory_ratio', 'plain_bytes'} <= set(figures)
    assert all(math.isfinite(value) and value >= 0 for value in figures.values())
    assert row['blocks'] == 2
    assert row['gap'] <= 1e-9
    assert row['ours_bytes'] > 100_000


def test_memory_at_paper_sizes_is_more(capsys):
    step_time.main(['--methods', 'source_only', '--segmentors', 'toy_pspnet', *QUICK[:4]])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if 'source_only |' in line]
    plain, ours, ratio = (float(each) for each in row.split('|')[-2].split(','))
    assert ours > 0.05
    assert ratio == pytest.approx(ours / plain, abs=0.1)


def test_sides_that_train_differently_are_refused(monkeypatch):
    wrong = dataclasses.replace(
        METHODS['adaptsegnet_single'], literal=METHODS['source_only'].literal
    )
    monkeypatch.setitem(METHODS, 'wrong', wrong)
    with pytest.raises(UserError, match='do not train alike'):
        step_time.main(['--methods', 'wrong', *QUICK])


def test_a_method_needs_its_heads():
    assert not can_run('adaptsegnet_multi', 'toy_segformer')
    assert all(can_run('source_only', each) for each in SEGMENTORS)
    with pytest.raises(UserError, match='auxiliary head'):
        step_time.main(['--methods', 'adaptsegnet_multi', '--segmentors', 'toy_segformer'])


@pytest.mark.parametrize('wrong', [['--methods', 'nothing'], ['--segmentors', 'nothing']])
def test_an_unknown_name_ends_with_code_2(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        step_time.main(wrong)
    assert ended.value.code == 2
    assert "'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize('size', ['128', '16x64', '0x0', '1e2x64'])
def test_a_wrong_size_is_told(size):
    with pytest.raises(UserError, match='--size'):
        step_time.main(['--size', size])


def test_generators_need_sizes_that_fit():
    with pytest.raises(UserError, match='--size 90x160: cycada_translate needs multiples of 4'):
        step_time.main(['--methods', 'source_only', 'cycada_translate', '--size', '90x160'])


def test_the_mean_of_one_image_cannot_be_normalised():
    with pytest.raises(UserError, match='--batch 1: pspnet'):
        step_time.main(['--methods', 'source_only', '--segmentors', 'pspnet', '--batch', '1'])
