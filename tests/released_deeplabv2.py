"""The DeepLabV2 of AdaptSegNet and ADVENT in plain PyTorch, under the names of its weights."""

import torch.nn.functional as F
from torch import Tensor, nn

RESNET50 = ((3, 1, 1), (4, 2, 1), (6, 1, 2), (3, 1, 4))  # blocks, stride and dilation by stage


class ReleasedDeepLabV2(nn.Module):
    """A small DeepLabV2 as AdaptSegNet and ADVENT name it (Chen et al., 2017), on ResNet-50.

    Args:
        base: Width of the stem; the stages have 4, 8, 16 and 32 times that.
        classes: Number of classes.
        classifiers: Of ``layer5`` (third stage) and ``layer6`` (fourth) or, single, ``layer5``.
        summed: How many of the four branches the forward sums.
    """

    def __init__(self, base, classes, classifiers=('layer5', 'layer6'), summed=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        before = base
        for i, (number, stride, dilation) in enumerate(RESNET50):
            inner = base * 2**i
            blocks = [_Bottleneck(before, inner, stride, dilation)]
            blocks += [_Bottleneck(4 * inner, inner, 1, dilation) for _ in range(number - 1)]
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
            before = 4 * inner
        widths = dict(layer5=before // 2, layer6=before)
        if len(classifiers) == 1:
            widths = {classifiers[0]: before}
        for name in classifiers:
            self.add_module(name, nn.Module())
            getattr(self, name).conv2d_list = nn.ModuleList(
                nn.Conv2d(widths[name], classes, 3, padding=rate, dilation=rate)
                for rate in (6, 12, 18, 24)
            )
        self.classifiers, self.summed = classifiers, summed

    def forward(self, images: Tensor) -> list[Tensor]:
        """Logits of the classifiers, the one of the last stage last."""
        x = F.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1, ceil_mode=True)
        feats = []
        for i in range(1, 5):
            x = getattr(self, f'layer{i}')(x)
            feats.append(x)
        used = feats[-len(self.classifiers) :]
        return [
            sum(conv(each) for conv in getattr(self, name).conv2d_list[: self.summed])
            for name, each in zip(self.classifiers, used, strict=True)
        ]


class _Bottleneck(nn.Module):
    """Of Caffe: the stride is in the first convolution."""

    def __init__(self, before, inner, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv2d(before, inner, 1, stride, bias=False)
        self.conv2 = nn.Conv2d(inner, inner, 3, 1, dilation, dilation, bias=False)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        for i, width in ((1, inner), (2, inner), (3, 4 * inner)):
            self.add_module(f'bn{i}', nn.BatchNorm2d(width))
        self.downsample = None
        if before != 4 * inner:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner)
            )

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn3(self.conv3(self.bn2(self.conv2(y)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()
