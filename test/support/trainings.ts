/** Trainings of tests: stopped where it is asked for, kept as checkpoints, broken by their data. */

import { serializeCheckpoint } from '../../src/files/checkpoint.js'
import type { Callback, Dataset, StateDict, StepInfo } from '../../src/index.js'

/** Ends a training behind a step: by its number, from 0 on through all epochs, or what is told. */
export function stopAt(where: number | ((info: StepInfo) => boolean)): {
  signal: AbortSignal
  onStep: (info: StepInfo) => void
} {
  const controller = new AbortController()
  let steps = 0
  return {
    signal: controller.signal,
    onStep: (info) => {
      if (typeof where === 'number' ? steps++ === where : where(info)) controller.abort()
    },
  }
}

/** Checkpoints behind each epoch, or behind each step as well. */
export function collect(each: 'epoch' | 'step' = 'epoch'): {
  callback: Callback
  files: (() => Promise<Uint8Array>)[]
} {
  const files: (() => Promise<Uint8Array>)[] = []
  const keep: Callback['onEpoch'] = (_, training) => {
    const snapshot = training.snapshot()
    files.push(() => serializeCheckpoint(snapshot))
  }
  const hooks = each === 'step' ? { onStep: keep as never, onEpoch: keep } : { onEpoch: keep }
  return { files, callback: { name: 'collect', last: true, ...hooks } }
}

/** What ends a training by an error: always, or when it is called so many times. */
export const fails =
  (message: string, count = 1) =>
  (): void => {
    if (--count <= 0) throw new Error(message)
  }

/** Data whose reads are watched. */
export const watched = (data: Dataset, onRead: (index: number) => void): Dataset => ({
  ...data,
  read(index, out, context) {
    onRead(index)
    return data.read(index, out, context)
  },
})

/** Warnings that come while something runs: their codes and texts. */
export async function warningsOf(run: () => Promise<unknown>): Promise<string[]> {
  const warnings: string[] = []
  const listen = ({ message, ...of }: Error & { code?: string }): void =>
    void warnings.push(`${of.code}: ${message}`)
  process.on('warning', listen)
  await run()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  return warnings
}

/** The place of the smallest. */
export const leastOf = (values: readonly (number | undefined)[]): number =>
  values.indexOf(Math.min(...(values as number[])))

/** Without what only moves with the data. */
export const parametersOf = (state: StateDict): StateDict =>
  Object.fromEntries(Object.entries(state).filter(([name]) => !name.includes('running')))
