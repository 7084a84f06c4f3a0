/**
 * A process that trains one run for a sweep or a worker. It says how far it is, and ends when who
 * has started it is gone.
 */

import '../../model/node.js'
import { Command } from 'commander'
import { fail, SpikewasmError } from '../../base/errors.js'
import { serveProcess } from '../../engine/node/child.js'
import { switchOnWideVectors } from '../../engine/revectorize.js'
import type { Ask } from '../../engine/threads/calls.js'
import type { EpochRecord, StepInfo } from '../../train/records.js'
import { trainCommand } from '../commands/train.js'
import type { TrainSummary } from '../commands/train-run.js'
import { ownProcess } from '../interrupt.js'
import { splitHash } from './spec.js'

/** What the process is told, once. */
export interface ChildOrder {
  /** The command line of `train`. */
  readonly args: readonly string[]
  readonly untilEpoch?: number
  /** Whether each step is told, however short. */
  readonly everyStep?: boolean
  /** What `splitHash` must give. */
  readonly data?: string
  /** SHA-256 that the file of --model must have. */
  readonly model?: string
}

/** Where a run is. */
export type StepNews = Pick<StepInfo, 'epoch' | 'epochs' | 'step' | 'steps'>

/** What it says meanwhile; `stepMs` is of the last step, `memoryMB` in MB of 2²⁰ bytes. */
export type ChildNews =
  | { readonly kind: 'data'; readonly training: number; readonly test: number }
  | ({ readonly kind: 'step'; readonly stepMs: number; readonly memoryMB: number } & StepNews)
  | { readonly kind: 'epoch'; readonly record: EpochRecord }

/** How often steps are told. */
const STEP_MS = 300

let isOver = false

const calls = {
  async train(
    { args, untilEpoch, everyStep, data, model }: ChildOrder,
    { say }: Ask<ChildNews>,
  ): Promise<TrainSummary | undefined> {
    let told = Number.NEGATIVE_INFINITY
    let summary: TrainSummary | undefined
    const command = trainCommand(new Command('train'), {
      goesOn: true,
      untilEpoch,
      onNetwork({ name, sha256 }) {
        if (model !== undefined && sha256 !== model)
          fail(
            `the file ${name} of the network must have the SHA-256 ${model}, got ${sha256}: it ` +
              'has changed; start what named it, the sweep or the worker, again',
          )
      },
      async onData(split) {
        const found = data === undefined ? data : await splitHash(split)
        if (found !== data)
          fail(
            `the data must be those that the sweep was made for, of hash ${data}, got ${found}; ` +
              'give --data the same files',
          )
        await say({ kind: 'data', training: split.train.length, test: split.test.length })
      },
      onStep({ epoch, epochs, step, steps, milliseconds }) {
        const now = performance.now()
        if (now - told < STEP_MS && !everyStep) return
        told = now
        const memoryMB = process.memoryUsage.rss() / 2 ** 20
        void say({ kind: 'step', epoch, epochs, step, steps, stepMs: milliseconds, memoryMB })
      },
      onEpoch: (record) => void say({ kind: 'epoch', record }),
      onEnd(found) {
        summary = found
      },
    })
    try {
      await switchOnWideVectors()
      await command.exitOverride().parseAsync([...args], { from: 'user' })
      return summary
    } catch (error) {
      process.exitCode = 1
      const { message, stack = message } = error as Error
      throw error instanceof SpikewasmError ? error : new Error(stack)
    } finally {
      isOver = true
    }
  },
}

export type TrainCalls = typeof calls

ownProcess()
serveProcess(calls, () => {
  // A worker that was killed cannot end its children: another one goes on with their runs.
  if (isOver) process.exit()
  else process.kill(process.pid, 'SIGKILL')
})
