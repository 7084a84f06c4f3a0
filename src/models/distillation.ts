/**
 * Networks of enhanced self-distillation (Intelli-Chip-Lab, 2025), with the parameter names of its
 * authors' code: branches of ordinary layers read the firing rates of a ResNet's stages.
 */

import { type Block, block, sequential } from '../containers.js'
import { checkArguments } from '../errors.js'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  linear,
  relu,
  timeMean,
} from '../layers/index.js'
import { checkNetwork, type NetworkOptions } from './options.js'
import { resnetStages } from './resnet.js'

/**
 * Two depthwise separable convolutions and a shortcut of 1×1, with `relu`: `DeepConv` of the
 * authors' code, [from, H, W] → [to, H / stride, W / stride].
 */
export function deepConv(from: number, to: number, stride = 2): Block {
  const depthwise = (step: number) =>
    conv2d(from, from, 3, { stride: step, padding: 1, groups: from, bias: false })
  const children = {
    op: sequential(
      depthwise(stride),
      conv2d(from, from, 1, { bias: false }),
      batchNorm2d(from),
      relu(),
      depthwise(1),
      conv2d(from, to, 1, { bias: false }),
      batchNorm2d(to),
      relu(),
    ),
    residual: conv2d(from, to, 1, { stride, bias: false }),
    res_bn: batchNorm2d(to),
    act: relu(),
  }
  return block(children, (m, x, { add }) => m.act(add(m.res_bn(m.residual(x)), m.op(x))))
}

/**
 * ResNet-18 with three branches for the loss `selfDistillation`, [inChannels, 32, 32] → [classes]:
 * outputs `exit1`, `exit2`, `exit3` of the rates of its first three stages, and `output`, which
 * predicts. Prediction, evaluation and exported files compute `output` alone.
 * @throws SpikewasmError when an option is wrong
 */
export function esdResnet18(options: NetworkOptions = {}, ...more: []): Block {
  checkArguments('esdResnet18', more)
  checkNetwork('esdResnet18', options)
  const { inChannels = 3, classes = 10, neuron } = options
  const widths = [64, 128, 256, 512]
  const branch = (stage: number): Block =>
    sequential(
      ...widths.slice(stage, -1).map((from, i) => deepConv(from, widths[stage + i + 1])),
      avgPool2d(4),
    )
  const children = {
    ...resnetStages<1 | 2 | 3 | 4>(inChannels, widths, [2, 2, 2, 2], neuron),
    avg_pool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    classifier: sequential(linear(512, classes)),
    rates: timeMean(),
    scala1: branch(0),
    scala2: branch(1),
    scala3: branch(2),
    fc1: linear(512, classes),
    fc2: linear(512, classes),
    fc3: linear(512, classes),
  }
  return block(children, (m, x) => {
    const first = m.layer1(m.conv0(x))
    const second = m.layer2(first)
    const third = m.layer3(second)
    return {
      exit1: m.fc1(m.flatten(m.scala1(m.rates(first)))),
      exit2: m.fc2(m.flatten(m.scala2(m.rates(second)))),
      exit3: m.fc3(m.flatten(m.scala3(m.rates(third)))),
      output: m.classifier(m.flatten(m.avg_pool(m.layer4(third)))),
    }
  })
}
