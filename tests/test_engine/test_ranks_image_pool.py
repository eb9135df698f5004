"""Two processes share one pool of images: each gets its share of what one process would."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, start_rank
from torch import nn

from mmseg_da.engine import PhasedDDP
from mmseg_da.engine.wrappers import share_buffers
from mmseg_da.models import ImagePool


def batches():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(12, 4, 3, 2, 4, generator=rng)


def work(rank, port, out):
    start_rank(rank, port)
    pool, returned = ImagePool(5), []
    # As before a training, when there are no pixels.
    PhasedDDP(nn.ModuleDict(dict(conv=nn.Conv2d(1, 1, 1), pool=pool)))
    share_buffers(pool)
    torch.manual_seed(17 + rank)  # the draws of the first are all that counts
    for images in batches():
        returned.append(pool.query(images[2 * rank : 2 * rank + 2]))
    torch.save((torch.stack(returned), pool.state_dict()), f'{out}{rank}')
    dist.destroy_process_group()


@pytest.mark.stack
def test_two_processes_equal_one(tmp_path):
    out = str(tmp_path / 'rank')
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    (first, ours), (second, theirs) = (
        torch.load(f'{out}{rank}', weights_only=True) for rank in range(2)
    )
    torch.manual_seed(17)
    one = ImagePool(5)
    expected = torch.stack([one.query(images) for images in batches()])
    assert torch.equal(torch.cat([first, second], dim=1), expected)
    assert not torch.equal(expected, batches())
    for state in (ours, theirs):
        assert torch.equal(state['images'], one.images)
        assert state['count'] == 5
