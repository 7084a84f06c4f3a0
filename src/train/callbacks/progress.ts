/** Shows how a training goes on. */

import { checkOptions, describe, expect } from '../../errors.js'
import type { Callback } from '../callback.js'
import { checkName } from '../callback-state.js'
import { extras } from '../extras.js'
import type { EpochRecord, StepInfo } from '../records.js'
import { exclusive } from './exclusive.js'

/** Options of `progress`; each has a default. */
export interface ProgressOptions {
  /** Where it writes; default standard error, in a page its console. */
  stream?: ProgressStream
  /** Tells it from another one; default 'progress'. */
  name?: string
}

/** What `progress` writes to, such as `process.stderr`. */
export interface ProgressStream {
  /** Shows a text. */
  write(text: string): unknown
  /** Whether it is a terminal, which shows a bar. */
  readonly isTTY?: boolean
}

/**
 * Writes a line for each epoch, and shows a bar where the stream is a terminal (Node).
 *
 * @throws SpikewasmError for wrong options
 */
export function progress(options: ProgressOptions = {}): Callback {
  checkOptions('progress', options, ['stream', 'name'])
  const name = checkName('progress', options.name)
  expect(
    options.stream === undefined || typeof options.stream?.write === 'function',
    () => `progress.stream must be a stream to write to, got ${describe(options.stream)}`,
  )
  let stream: ProgressStream
  let bar: Bar | undefined
  let epochs = 1
  return exclusive({
    name,
    async onFitStart(start, training) {
      epochs = start.epochs
      stream = options.stream ?? extras().standardError?.() ?? console_
      const Single = stream.isTTY ? await extras().progressBar?.() : undefined
      bar =
        Single === undefined
          ? undefined
          : stepBar(Single as BarMaker, stream, () => training.firingRates())
    },
    onStep: (info) => bar?.step(info),
    onEpoch(record) {
      bar?.stop()
      stream.write(`${epochLine(record, epochs)}\n`)
    },
    onFitEnd() {
      bar?.stop()
      bar = undefined
    },
  })
}

/** Of a page. */
const console_: ProgressStream = { write: (text) => console.info(text.trimEnd()) }

/** A bar of steps. */
export interface Bar {
  step(info: StepInfo): void
  /** Removes it, so that other text can be written. */
  stop(): void
}

/** What of cli-progress is used: its types are not there where the package is installed. */
type BarMaker = new (
  options: object,
) => {
  readonly isActive: boolean
  start(total: number, value: number, payload: object): void
  update(value: number, payload: object): void
  stop(): void
}

/** Drawing more often than this would only cost time. */
const REDRAW_MS = 100

/**
 * @param Single of cli-progress, which only Node has
 * @param rates firing rates of the last step by layer
 */
export function stepBar(
  Single: BarMaker,
  stream: ProgressStream,
  rates: () => Record<string, number>,
): Bar {
  const bar = new Single({
    format:
      'epoch {epoch} [{bar}] {percentage} %  {left} left  loss {loss}' +
      '{accuracy}  lr {lr}  {ms} ms/step  rates {rates}',
    barsize: 20,
    clearOnComplete: true,
    hideCursor: true,
    // Ctrl-C is handled by the caller, which lets the step finish first.
    gracefulExit: false,
    stream,
  })
  const began = performance.now()
  let drawn = Number.NEGATIVE_INFINITY
  let before = 0
  let counted = false
  return {
    step({ epoch, epochs, step, steps, meanLoss, meanAccuracy, learningRate, milliseconds }) {
      // Steps from before a resume took none of this time.
      if (!counted) [before, counted] = [epoch * steps + step, true]
      const now = performance.now()
      if (now - drawn < REDRAW_MS) return
      drawn = now
      // The time so far includes loading and validation, so the estimate does too.
      const at = epoch * steps + step + 1
      const payload = {
        epoch: `${epoch + 1}/${epochs}`,
        left: duration(((now - began) / (at - before)) * (epochs * steps - at)),
        loss: decimal(meanLoss),
        accuracy: meanAccuracy === undefined ? '' : `  accuracy ${percent(meanAccuracy)}`,
        lr: short(learningRate),
        ms: milliseconds.toFixed(1),
        rates: rateList(rates()),
      }
      if (bar.isActive) bar.update(step + 1, payload)
      else bar.start(steps, step + 1, payload)
    },
    stop: () => bar.stop(),
  }
}

/** One epoch in one line. */
export function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, trainLoss, trainAccuracy, testAccuracy, testLoss } = record
  const { testMeanAbsoluteError: error, learningRate, samplesPerSecond, firingRates } = record
  return [
    `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
    `loss ${decimal(trainLoss)}`,
    ...(trainAccuracy === undefined ? [] : [`train ${percent(trainAccuracy)}`]),
    ...(testAccuracy === undefined ? [] : [`test ${percent(testAccuracy)}`]),
    ...(testLoss === undefined ? [] : [`test loss ${decimal(testLoss)}`]),
    ...(error === undefined ? [] : [`test error ${decimal(error)}`]),
    `lr ${short(learningRate)}`,
    `${Math.round(samplesPerSecond)} samples/s`,
    `rates ${rateList(firingRates)}`,
  ].join('  ')
}

/** 0.9746 → `97.46 %` */
export function percent(share: number | undefined): string {
  if (share === undefined) return 'none'
  return `${(100 * share).toFixed(2)} %`
}

/** Four places; diverged losses in scientific notation. */
export function decimal(value: number): string {
  return Math.abs(value) < 1e6 ? value.toFixed(4) : value.toExponential(3)
}

/** Three figures. */
const short = (value: number): string => String(Number(value.toPrecision(3)))

const rateList = (rates: Record<string, number>): string =>
  Object.values(rates)
    .map((rate) => rate.toFixed(2))
    .join(' ')

/** 83000 → `1:23`, 3723000 → `1:02:03` */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const two = (n: number): string => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}
