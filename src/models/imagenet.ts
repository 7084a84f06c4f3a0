/** What the two ImageNet networks have in common. */

import { type Block, sequential } from '../containers.js'
import { type Conv2d, conv2d } from '../layers/index.js'

/**
 * Convolution with a bias; weights start normal with variance 2 / fanOut (He et al. 2015), biases
 * as PyTorch's default.
 */
export function heConv(from: number, to: number, kernelSize: number, stride = 1): Conv2d {
  const normal = Math.sqrt(2 / (to * kernelSize * kernelSize))
  return conv2d(from, to, kernelSize, {
    stride,
    padding: kernelSize >> 1,
    init: { normal, bias: 'default' },
  })
}

type MakeBlock = (from: number, to: number, stride: number) => Block

/** The four stages of ResNet-34, [64, H, W] → [512, H/8, W/8]. */
export function resnet34Stages(
  makeBlock: MakeBlock,
): Record<'layer1' | 'layer2' | 'layer3' | 'layer4', Block> {
  const stage = (from: number, to: number, count: number): Block =>
    sequential(
      ...Array.from({ length: count }, (_, i) =>
        makeBlock(i === 0 ? from : to, to, i === 0 && from !== to ? 2 : 1),
      ),
    )
  return {
    layer1: stage(64, 64, 3),
    layer2: stage(64, 128, 4),
    layer3: stage(128, 256, 6),
    layer4: stage(256, 512, 3),
  }
}
