"""Time sliding-window inference with windows together and one after the other, as mmseg does.

    python benchmarks/sliding_windows.py --image 96x192 --window 48x64 --stride 24x32

prints, for each number of windows that are seen together, the seconds per image of mmseg's way and
of ours, their ratio, and the largest difference of the scores. On a CPU only small windows gain,
where a forward's overhead counts; a GPU idles between windows that do not fill it.
"""

import argparse
from collections.abc import Callable

import torch
from measure import paired, summary, threads
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from mmseg_da.models import BatchedSlideEncoderDecoder
from mmseg_da.registry import MODELS
from mmseg_da.structures import heads_of

NETWORKS = dict(  # small enough for a CPU
    resnet18='configs/small/dacs_toy.py', hrda_resnet18='configs/small/hrda_toy.py'
)


def sides(text: str) -> tuple[int, int]:
    """Height and width of e.g. ``512x1024``."""
    height, width = text.split('x')
    return int(height), int(width)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--image', type=sides, default=(96, 192))
    parser.add_argument('--window', type=sides, default=(48, 64))
    parser.add_argument('--stride', type=sides, default=(24, 32))
    parser.add_argument('--together', type=int, nargs='+', default=[1, 4, 1000])
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument('--blocks', type=int, default=5)
    parser.add_argument('--device', default='cpu')
    return parser.parse_args()


def built(config: str, args: argparse.Namespace, together: int) -> BatchedSlideEncoderDecoder:
    """The config's segmentor with random weights, sliding."""
    cfg = Config.fromfile(config).model.segmentor
    if cfg.type == 'EncoderDecoder':
        cfg.type = 'BatchedSlideEncoderDecoder'
    cfg.test_cfg = dict(mode='slide', crop_size=args.window, stride=args.stride, batch=together)
    torch.manual_seed(0)
    return MODELS.build(cfg).to(args.device).eval()


def mmsegs(segmentor: BatchedSlideEncoderDecoder, images: Tensor, metas: list[dict]) -> Tensor:
    """What mmseg's segmentor gives of the same network."""
    return super(BatchedSlideEncoderDecoder, segmentor).slide_inference(images, metas)


def synchronised(task: Callable[[], object], device: str) -> Callable[[], object]:
    """The task, until the device has done it."""

    def run() -> object:
        done = task()
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        return done

    return run


def main() -> None:
    args = parse_args()
    images = torch.randn(1, 3, *args.image, device=args.device)
    metas = [dict(img_shape=args.image, ori_shape=args.image, pad_shape=args.image)]
    init_default_scope('mmseg')
    print(f'{"network":16}together  mmseg ms  ours ms  ratio  difference')
    with torch.no_grad(), threads(1):
        for name in args.networks:
            for together in args.together:
                segmentor = built(NETWORKS[name], args, together)
                assert list(heads_of(segmentor)) == ['decode']
                theirs = synchronised(
                    lambda net=segmentor: mmsegs(net, images, metas),
                    args.device,
                )
                ours = synchronised(
                    lambda net=segmentor: net.slide_inference(images, metas), args.device
                )
                gap = (theirs() - ours()).abs().max().item()
                times = summary(list(paired(theirs, ours, args.blocks)))
                print(
                    f'{name:16}{together:8}{times["plain_ms"]:10.1f}{times["ours_ms"]:9.1f}'
                    f'{times["ratio"]:7.2f}{gap:12.1e}'
                )


if __name__ == '__main__':
    main()
