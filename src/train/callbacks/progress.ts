/** Shows how a training goes on. */

import { complete, optional, such } from '../../base/rules.js'
import { durationText } from '../../watch/pages/run.js'
import { type Callback, exclusive, insideOf } from '../callback.js'
import { nameOf } from '../callback-state.js'
import { bestSoFar, type StepInfo } from '../records.js'
import { extras } from '../registered.js'
import { decimal, epochLine, inkFor, percent, rateText, short, timeLeft } from './epoch-line.js'

/** Options of `progress`; each has a default. */
export interface ProgressOptions {
  /** Where it writes; default standard error, in a page its console. */
  stream?: ProgressStream
  /** Its name, which no other callback may have; default 'progress'. */
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
 * Writes a line for each epoch, and shows a bar where the stream is a terminal. The line marks the
 * best epoch so far, and shows the rates of many layers as bars. Colours are for terminals alone;
 * `NO_COLOR` and `FORCE_COLOR` are heeded. For Node.
 *
 * @throws SpikewasmError for wrong options
 */
export function progress(options: ProgressOptions = {}, ...more: []): Callback {
  const isStream = (stream: ProgressStream): boolean => typeof stream?.write === 'function'
  const rules = {
    stream: optional(such('a stream to write to', isStream)),
    name: nameOf('progress'),
  }
  const { name } = complete('progress', rules, options, more)
  return exclusive({
    name,
    steps: true,
    async begin({ epochs }, training) {
      const stream = options.stream ?? extras().standardError?.() ?? console_
      const ink = inkFor(stream)
      const isBest = bestSoFar(undefined, insideOf(training)?.records)
      const Single = stream.isTTY && ((await extras().progressBar?.()) as BarMaker | undefined)
      const bar = Single ? stepBar(Single, stream, () => training.firingRates()) : undefined
      return {
        onStep: (info) => bar?.step(info),
        onEpoch(record) {
          bar?.stop()
          stream.write(`${epochLine(record, epochs, { best: isBest(record), ink })}\n`)
        },
        onFitEnd: () => bar?.stop(),
      }
    },
  })
}

/** The console of a page. */
const console_: ProgressStream = { write: (text) => console.info(text.trimEnd()) }

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
) {
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
  const clock = timeLeft()
  let drawn = Number.NEGATIVE_INFINITY
  /** Means are of the steps since it was drawn: a step that is drawn is more often a long one. */
  let [took, taken] = [0, 0]
  return {
    step(info: StepInfo): void {
      const { epoch, epochs, step, steps, meanLoss, meanAccuracy, learningRate } = info
      took += info.milliseconds
      taken++
      const left = clock(info)
      const now = performance.now()
      if (now - drawn < REDRAW_MS) return
      drawn = now
      const payload = {
        epoch: `${epoch + 1}/${epochs}`,
        left: durationText(left),
        loss: decimal(meanLoss),
        accuracy: meanAccuracy === undefined ? '' : `  accuracy ${percent(meanAccuracy)}`,
        lr: short(learningRate),
        ms: (took / taken).toFixed(1),
        rates: rateText(rates()),
      }
      ;[took, taken] = [0, 0]
      if (bar.isActive) bar.update(step + 1, payload)
      else bar.start(steps, step + 1, payload)
    },
    /** Removes it, so that other text can be written. */
    stop: () => bar.stop(),
  }
}
