"""The networks of the optimizer and loss-curve goldens, with weights drawn by the project's generator."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import counter
from .counter import SEED


class SmallNet(nn.Module):
    """conv-bn-relu-conv-bn-relu-gap-linear over [N, 3, H, W]."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        return self.fc(x.mean(dim=(2, 3)))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """6n + 2 layers; ResNet-32 of the sparse-training papers has n = 5 and widths 32, 64, 128."""

    def __init__(self, blocks=5, widths=(32, 64, 128), classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for stage, width in enumerate(widths, 1):
            strides = [1 if stage == 1 else 2] + [1] * (blocks - 1)
            layers = []
            for stride in strides:
                layers.append(Block(inputs, width, stride))
                inputs = width
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu_(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean(dim=(2, 3)))


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride ("v1.5"), 1x1 to four times the width; torchvision's names."""

    def __init__(self, inputs, width, stride, widening=1):
        super().__init__()
        outputs = 4 * width
        width *= widening
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        return F.relu_(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """For ImageNet: 7x7 stem with a max pool, stages of 3, 4, 6 and 3 bottlenecks, with inner channels times `widening`."""

    def __init__(self, classes=1000, widening=1):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, blocks in enumerate((3, 4, 6, 3)):
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(inputs, 64 << stage, 2 if stage and not block else 1, widening))
                inputs = 4 * 64 << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu_(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))


class Vgg19(nn.Module):
    """Sixteen 3x3 convolutions with batch norm, 2x2 pools between the stages, one linear layer (32 x 32 images)."""

    def __init__(self, classes=10):
        super().__init__()
        layers, inputs = [], 3
        for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for _ in range(depth):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                inputs = width
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.classifier(self.feature(x).mean(dim=(2, 3)))


class PreActivationBlock(nn.Module):
    """Batch norm and ReLU before each convolution; a 1x1 projection of the activated input where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        active = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return y + (x if self.convShortcut is None else self.convShortcut(active))


class Blocks(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    """WRN-depth-width for 32 x 32 images (Zagoruyko & Komodakis 2016)."""

    def __init__(self, depth, width, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        inputs = 16
        for stage in (1, 2, 3):
            outputs, blocks = 8 * width << stage, []
            for block in range((depth - 4) // 6):
                blocks.append(PreActivationBlock(inputs, outputs, 2 if stage > 1 and not block else 1))
                inputs = outputs
            setattr(self, f"block{stage}", Blocks(blocks))
        self.bn1 = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean(dim=(2, 3)))


class VggImagenet(nn.Module):
    """VGG-16 with batch norm for 224 x 224 images: biases in convolutions, three linear layers; torchvision's names."""

    def __init__(self, divisor=1, hidden=4096, classes=1000):
        super().__init__()
        layers, inputs = [], 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                outputs = width // divisor
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(49 * inputs, hidden), nn.ReLU(inplace=True), nn.Dropout(0),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(0),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def initialise(model, seed=SEED):
    """conv ~ N(0, sqrt(2 / fan_out)), fc.weight ~ N(0, 0.01), fc.bias 0, batch norm 1 and 0; keyed by parameter name."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            shape = tuple(parameter.shape)
            std = math.sqrt(2 / (shape[0] * shape[2] * shape[3])) if parameter.dim() == 4 else 0.01
            parameter.copy_(torch.from_numpy(counter.normal(counter.stream_key(seed, f"init/{name}"), shape, 0, std)))
    return model


def draw_masks(model, densities, seed=SEED):
    """{parameter name: mask}, exactly round(density * size) ones, keyed by parameter name."""
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return {
        name: torch.from_numpy(
            counter.random_mask(
                counter.stream_key(seed, f"mask/{name}"), shapes[name], round(density * math.prod(shapes[name]))
            )
        )
        for name, density in densities.items()
    }
