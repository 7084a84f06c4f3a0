/** Shows a training live, in a browser of this machine (Node). */

import { checkArguments, fail, SpikewasmError } from '../../base/errors.js'
import { mean } from '../../base/numbers.js'
import { aFunction, complete, integer } from '../../base/rules.js'
import type { Thread } from '../../engine/node/thread.js'
import { codeFile } from '../../package-files.js'
import type { RunStart } from '../../watch/dashboard/server.js'
import type { DashboardCalls } from '../../watch/dashboard/worker.js'
import { optionRows } from '../../watch/pages/frame.js'
import type { RunStatus, StepPoint } from '../../watch/pages/run.js'
import {
  type Callback,
  exclusive,
  type FitHooks,
  type FitStart,
  type Training,
} from '../callback.js'
import { nameOf } from '../callback-state.js'
import { type EpochRecord, type History, isFinished, type StepInfo } from '../records.js'
import { snapshotOf } from '../snapshot.js'
import { timeLeft } from './epoch-line.js'

/** Options of `dashboard`; each has a default. */
export interface DashboardOptions {
  /** The port of 127.0.0.1, 0…65535; default 0: one that is free. */
  port?: number
  /** Called with the address when the server listens; default: it is written to standard error. */
  onListen?: (url: string) => unknown
  /** Its name, which no other callback may have; default 'dashboard'. */
  name?: string
}

/** What the command line knows better than the training. */
interface RunTexts {
  readonly title?: string
  readonly options?: unknown
}

/** More points a second than this are put together: who watches sees no difference. */
const POINT_MS = 100
/** A thread that does not end by then is ended. */
const CLOSE_MS = 2000

/**
 * Serves a page with live charts of the training that goes on: loss, accuracy, learning rate,
 * speed, firing rate of each layer, options. The server listens on the loopback address alone, and
 * only who knows the random token of the address gets an answer. It closes with the training. A
 * thread of its own serves, so that steps do not wait. Numbers of the training do not change.
 * For Node.
 *
 * @throws SpikewasmError for wrong options; when training starts, for a port that is taken
 */
export function dashboard(options: DashboardOptions = {}, ...more: []): Callback {
  checkArguments('dashboard', more)
  return dashboardOf(options, {})
}

/** The callback behind `dashboard`. */
export function dashboardOf(options: DashboardOptions, texts: RunTexts): Callback {
  const rules = { port: integer(0, 65535, 0), onListen: aFunction(), name: nameOf('dashboard') }
  const { name, port } = complete('dashboard', rules, options)
  return exclusive({
    name,
    steps: true,
    begin: (start) => new Dashboard(start, options.onListen ?? say, port, texts),
  })
}

/** The dashboard of one training. */
class Dashboard implements FitHooks {
  private readonly clock = timeLeft()
  private status: RunStatus
  private thread: Thread<DashboardCalls> | undefined
  private waiting: StepInfo[] = []
  private posted = Number.NEGATIVE_INFINITY

  constructor(
    { epoch, epochs, step, steps }: RunStatus,
    private readonly onListen: (url: string) => unknown,
    private readonly port: number,
    private readonly texts: RunTexts,
  ) {
    this.status = { epoch, epochs, step, steps }
  }

  async onFitStart(_: FitStart, training: Training): Promise<void> {
    const { status, texts } = this
    const { records, setting } = snapshotOf(training).about
    const { name: data } = setting.data as { name?: string }
    const opened = await open(
      {
        title: texts.title ?? `Training on ${data}`,
        status,
        records,
        options: optionRows(texts.options ?? setting),
      },
      this.port,
    )
    this.thread = opened.thread
    await this.onListen(opened.url)
  }

  onStep(info: StepInfo, training: Training): void {
    this.waiting.push(info)
    const left = this.clock(info)
    const { epoch, epochs, step, steps } = info
    this.status = { epoch, epochs, step, steps, ...(left === undefined ? {} : { leftMs: left }) }
    const now = performance.now()
    if (now - this.posted < POINT_MS) return
    this.posted = now
    const rates = training.firingRates()
    const point = pointOf(this.waiting.splice(0), Object.values(rates))
    this.show('step', { status: this.status, layers: Object.keys(rates), point })
  }

  onEpoch(record: EpochRecord): void {
    if (!record.partial) this.show('epoch', { record, status: this.status })
  }

  async onFitEnd(history: History | undefined): Promise<void> {
    const { thread, status } = this
    this.thread = undefined
    if (!thread) return
    const timer = setTimeout(() => void thread.kill(), CLOSE_MS)
    const ended = { ...status, leftMs: undefined, ended: endOf(history, status) }
    await thread.call('close', ended).catch(() => undefined)
    clearTimeout(timer)
    await thread.kill()
  }

  /** Later faults end no training: who only watches must not. */
  private show(...call: Parameters<Thread<DashboardCalls>['call']>): void {
    this.thread?.call(...call).catch(() => undefined)
  }
}

function say(url: string): void {
  if (typeof process !== 'undefined') process.stderr.write(`dashboard: ${url}\n`)
}

function endOf(history: History | undefined, { epochs }: RunStatus): string {
  if (!history) return 'stopped by an error'
  if (history.stopped !== undefined) return history.stopped
  return history.aborted && !isFinished(history, epochs) ? 'stopped' : 'finished'
}

/** Steps since the last point, put together. */
function pointOf(steps: readonly StepInfo[], rates: readonly number[]): StepPoint {
  const last = steps[steps.length - 1]
  return {
    at: last.epoch + (last.step + 1) / last.steps,
    loss: mean(steps.map(({ loss }) => loss)),
    accuracy: last.meanAccuracy ?? null,
    learningRate: last.learningRate,
    stepMs: mean(steps.map(({ milliseconds }) => milliseconds)),
    rates,
  }
}

/** Starts the thread, and gives its address. */
async function open(
  start: RunStart,
  port: number,
): Promise<{ url: string; thread: Thread<DashboardCalls> }> {
  const { Thread } = await import('../../engine/node/thread.js')
  const thread = await Thread.start<DashboardCalls>(codeFile('watch/dashboard/worker.js'))
  try {
    return { url: await thread.call('open', { start, port }), thread }
  } catch (error) {
    await thread.kill()
    if (error instanceof SpikewasmError) throw error
    fail(`the dashboard could not start: ${(error as Error).message}`)
  }
}
