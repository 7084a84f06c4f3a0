/** Accuracy of an exported network on a data set: the very file, sample by sample. */

import { checkSignal, describe, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { aFunction, by, complete, integer, optional, type Rules } from '../base/rules.js'
import { type Dataset, expectDataset } from '../data/datasets/dataset.js'
import { breathe } from '../engine/threads/breathe.js'
import { checkInputShape, imageShape } from '../network/value.js'
import * as abi from './abi.js'
import type { Net } from './net.js'

/** Options of `evaluateNet`; each has a default. */
export interface EvaluateNetOptions {
  /** Only the first samples, an integer ≥ 1. Default: all. */
  limit?: number
  /** Ends the evaluation; it then rejects with the signal's reason. */
  signal?: host.AbortSignal
  /** Called several times a second with the share that is done, 0 … 1. */
  onProgress?: (done: number) => void
}

/** What `evaluateNet` returns. */
export interface NetEvaluation {
  /** Share of right answers, 0 … 1. */
  readonly accuracy: number
  /** Number of right answers. */
  readonly correct: number
  /** Number of samples. */
  readonly count: number
}

/** Time between two looks at the signal, in milliseconds. */
const PAUSE_MS = 100

/**
 * Share of the samples whose largest output is that of their label. A file of mode step sees each
 * image for T steps from rest; one of frames sees it in each of the T frames. Files that take bytes
 * get the data set's own bytes, as 0 … 255; without such, the file's mean and deviation put the
 * numbers back into bytes.
 *
 * @throws SpikewasmError when shape or classes do not match the file's, an option is wrong, a
 *   number is not finite, or an answer is outside its range; the signal's reason when it aborts
 */
export async function evaluateNet(
  net: Net,
  data: Dataset,
  options: EvaluateNetOptions = {},
): Promise<NetEvaluation> {
  checkData(net, data, 'or steps')
  const rules: Rules<EvaluateNetOptions> = {
    limit: optional(integer(1)),
    signal: optional(by(checkSignal)),
    onProgress: aFunction(),
  }
  const { limit = data.length, signal, onProgress } = complete('evaluateNet', rules, options)
  const count = Math.min(limit, data.length)
  const take = sampleReader(abi.shownAs(net.info, data), data)
  const [call] = abi.callsOf(net.info)
  let correct = 0
  let paused = Number.NEGATIVE_INFINITY
  for (let index = 0; index < count; index++) {
    if (performance.now() - paused >= PAUSE_MS) {
      onProgress?.(index / count)
      await breathe()
      signal?.throwIfAborted()
      paused = performance.now()
    }
    const preparing = data.prepare?.([index])
    if (preparing) await preparing
    const { bytes, labels } = take(index, 1)
    showSample(net, call, bytes)
    const predicted = net.predictedClass()
    expectAnswer(net.output, predicted)
    if (predicted === labels[0]) correct++
  }
  onProgress?.(1)
  return { accuracy: correct / count, correct, count }
}

/** @throws SpikewasmError when shape or classes do not match the file's */
export function checkData(net: Pick<Net, 'info'>, data: Dataset, stepwise?: 'or steps'): void {
  if (typeof net?.info !== 'object')
    fail(
      `the network must be what openNet gives, got ${describe(net)}; open the file first: ` +
        'await openNet(bytes)',
    )
  const { info } = net
  expectDataset('the data', data)
  const shape = imageShape(checkInputShape(`the data ${data.name}: shape`, data.shape))
  if (!shape.every((n, i) => n === info.input[i]))
    fail(
      `the data ${data.name} must have samples of [${info.input.join(', ')}], as the exported ` +
        `network takes, got [${data.shape.join(', ')}]; choose the data set that it was trained on`,
    )
  const named = ({ inputs = [] }: typeof info) => inputs.map(({ name }) => name).join(', ')
  const own = Object.keys(data.inputs ?? {}).join(', ')
  if (own !== named(info))
    fail(
      `the data ${data.name} must have the exported network's inputs, ${named(info) || 'one'}, ` +
        `got ${own || 'one'}; choose the data set that it was trained on`,
    )
  if (data.classes !== info.classes)
    fail(
      `the data ${data.name} must have ${info.classes} classes, as the exported network gives, ` +
        `got ${data.classes}; choose the data set that it was trained on`,
    )
  const { timeSteps } = data
  const inSteps = stepwise !== undefined && info.mode === 'step'
  if (timeSteps !== undefined && !((info.frames || inSteps) && info.timeSteps === timeSteps))
    fail(
      `the data ${data.name} gives ${timeSteps} frames a sample, the exported network takes ` +
        `${info.frames || inSteps ? `${info.timeSteps} frames` : 'one image'}; export the model ` +
        'that was trained on frames, or choose other data',
    )
  if (data.length === 0) fail(`the data ${data.name} must have samples, got none`)
}

/** Puts a sample through a network: a frame for each step, or one for all of them. */
export function showSample(net: Net, call: abi.Call, sample: Uint8Array): void {
  const { info, input } = net
  const size = abi.frameBytesOf(info, call)
  const view = new Uint8Array(input.buffer, input.byteOffset, size)
  if (call === 'step') net.reset()
  for (let t = 0; t < (call === 'step' ? info.timeSteps : 1); t++) {
    // The input need not survive a step.
    const begin = (t * size) % sample.length
    view.set(sample.subarray(begin, begin + size))
    if (call === 'step') net.step()
    else net.infer()
  }
}

/**
 * Reads samples in a row, as bytes as they go into the input, one after the other.
 *
 * @throws SpikewasmError for a number that is not finite, or that is no byte where bytes go in
 */
export function sampleReader(info: abi.NetInfo, data: Dataset) {
  const isBytes = info.inputType === 'u8'
  const [channels, height, width] = info.input
  const [frame, frames, given] = [abi.sizeOf(info), abi.frameCount(info), data.timeSteps ?? 1]
  const pixels = isBytes ? data.pixels : undefined
  const sample = pixels ? new Uint8Array(given * frame) : new Float32Array(given * frame)
  const toByte = byteOf(info.mean, info.std)
  /** What goes in for a number of sample `index`. */
  const change = (value: number, i: number, index: number): number => {
    if (pixels) return Math.round(value * (255 / pixels.normalization.scale))
    if (!Number.isFinite(value))
      fail(
        `the data ${data.name} must hold finite numbers, got ${value} in sample ${index}; ` +
          'repair or leave out that sample',
      )
    const channel = Math.floor(i / (height * width)) % channels
    return isBytes ? toByte(value, channel, data.name) : value
  }
  return (first: number, count: number) => {
    const all = new (isBytes ? Uint8Array : Float32Array)(count * frames * frame)
    const labels = Array.from({ length: count }, (_, i) => {
      const [index, at] = [first + i, i * frames * frame]
      const label = pixels
        ? pixels.read(index, sample as Uint8Array)
        : data.read(index, sample as Float32Array)
      for (let k = 0; k < sample.length; k++) all[at + k] = change(sample[k], k, index)
      for (let t = given; t < frames; t++) all.copyWithin(at + t * frame, at, at + frame)
      return label
    })
    return { bytes: new Uint8Array(all.buffer), labels }
  }
}

/** The byte that a normalised number came from, by a mean and deviation for each channel. */
export function byteOf(
  mean: readonly number[] | undefined,
  std: readonly number[] | undefined,
): (value: number, channel: number, name: string) => number {
  return (value, channel, name) => {
    const byte = Math.round(255 * (value * (std?.[channel] ?? 1) + (mean?.[channel] ?? 0)))
    if (!(byte >= 0 && byte <= 255))
      fail(
        `the data ${name} must be numbers that mean and deviation of the exported network turn ` +
          `into bytes from 0 to 255, got ${byte}; give the data set as bytes, by fromBytes`,
      )
    return byte
  }
}

/** The first of equals. */
export const indexOfLargest = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best] ? i : best), 0)

/**
 * @param predicted what `predicted_class` gives
 * @throws SpikewasmError when an output is no number, or `predicted` not the largest one's index
 */
export function expectAnswer(output: Float32Array, predicted: number): void {
  if (!output.every(Number.isFinite))
    fail(
      `the exported network must give finite outputs, got ${output.subarray(0, 10).join(', ')}; ` +
        'the file is damaged, or its weights were not finite: export it again',
    )
  const largest = indexOfLargest(output)
  if (predicted !== largest)
    fail(
      `the exported network must predict the class of its largest output, ${largest}, got ` +
        `${predicted}; the file is damaged: export it again`,
    )
}
