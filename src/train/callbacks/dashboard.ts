/** Shows a training live, in a browser of this machine (Node). */

import { checkArguments, fail, SpikewasmError } from '../../base/errors.js'
import { mean } from '../../base/numbers.js'
import { aFunction, complete, integer } from '../../base/rules.js'
import type { Thread } from '../../engine/node/thread.js'
import type { RunStart } from '../../watch/dashboard/server.js'
import type { DashboardCalls } from '../../watch/dashboard/worker.js'
import { optionRows } from '../../watch/pages/frame.js'
import type { RunStatus, StepPoint } from '../../watch/pages/run.js'
import type { Callback } from '../callback.js'
import { nameOf } from '../callback-state.js'
import type { History, StepInfo } from '../records.js'
import { snapshotOf } from '../snapshot.js'
import { exclusive, isFinished } from './early-stopping.js'
import { timeLeft } from './epoch-line.js'

/** Options of `dashboard`; each has a default. */
export interface DashboardOptions {
  /** The port of 127.0.0.1, 0…65535; default 0: one that is free. */
  port?: number
  /** Called with the address when the server listens; default: it is written to standard error. */
  onListen?: (url: string) => unknown
  /** Tells it from another one; default 'dashboard'. */
  name?: string
}

/** What the command line knows better than the training. */
interface Told {
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
export function dashboardOf(options: DashboardOptions, told: Told): Callback {
  const rules = { port: integer(0, 65535, 0), onListen: aFunction(), name: nameOf('dashboard') }
  const { name, port } = complete('dashboard', rules, options)
  let thread: Thread<DashboardCalls> | undefined
  // Later faults end no training: who only watches must not.
  const tell = (told: Promise<unknown> | undefined): void => void told?.catch(() => undefined)
  let status: RunStatus = { epoch: 0, epochs: 1, step: 0, steps: 1 }
  let clock: (info: StepInfo) => number | undefined = () => undefined
  let waiting: StepInfo[] = []
  let posted = Number.NEGATIVE_INFINITY
  return exclusive({
    name,
    async onFitStart(start, training) {
      const { epoch, epochs, step, steps } = start
      status = { epoch, epochs, step, steps }
      waiting = []
      posted = Number.NEGATIVE_INFINITY
      clock = timeLeft()
      const { records, setting } = snapshotOf(training).about
      const { name: data } = setting.data as { name?: string }
      const opened = await open(
        {
          title: told.title ?? `Training on ${data}`,
          status,
          records,
          options: optionRows(told.options ?? setting),
        },
        port,
      )
      thread = opened.thread
      await (options.onListen ?? say)(opened.url)
    },
    onStep(info, training) {
      waiting.push(info)
      const left = clock(info)
      const { epoch, epochs, step, steps } = info
      status = { epoch, epochs, step, steps, ...(left === undefined ? {} : { leftMs: left }) }
      const now = performance.now()
      if (now - posted < POINT_MS) return
      posted = now
      const rates = training.firingRates()
      const layers = Object.keys(rates)
      const point = pointOf(waiting, Object.values(rates))
      tell(thread?.call('step', { status, layers, point }))
      waiting = []
    },
    onEpoch(record) {
      if (!record.partial) tell(thread?.call('epoch', { record, status }))
    },
    async onFitEnd(history) {
      const open = thread
      thread = undefined
      if (!open) return
      const late = setTimeout(() => void open.kill(), CLOSE_MS)
      const ended = { ...status, leftMs: undefined, ended: endOf(history, status) }
      await open.call('close', ended).catch(() => undefined)
      clearTimeout(late)
      await open.kill()
    },
  })
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
  const thread = await Thread.start<DashboardCalls>(
    new URL('../../watch/dashboard/worker.js', import.meta.url),
  )
  try {
    return { url: await thread.call('open', { start, port }), thread }
  } catch (error) {
    await thread.kill()
    if (error instanceof SpikewasmError) throw error
    fail(`the dashboard could not start: ${(error as Error).message}`)
  }
}
