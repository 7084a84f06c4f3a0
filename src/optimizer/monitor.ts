/** Figures of an epoch by which a training is judged. */

import { describe, expect, SpikewasmError } from '../errors.js'

/** What an epoch is judged by. */
export type Monitor = 'testAccuracy' | 'testLoss' | 'trainAccuracy' | 'trainLoss'

/** What can be judged by. */
export const monitors: readonly Monitor[] = [
  'testAccuracy',
  'testLoss',
  'trainAccuracy',
  'trainLoss',
]

/** @throws SpikewasmError unless it names a figure of an epoch */
export function checkMonitor(name: string, monitor: Monitor): void {
  expect(
    monitors.includes(monitor),
    () => `${name} must be one of ${monitors.join(', ')}, got ${describe(monitor)}`,
  )
}

/** Whether small is good: losses are better when they are lower. */
export const modeOf = (monitor: Monitor): 'min' | 'max' =>
  monitor.endsWith('Loss') ? 'min' : 'max'

/**
 * A figure of an epoch's record.
 * @throws SpikewasmError where the record has none
 */
export function monitored(name: string, monitor: Monitor, record: object): number {
  const value = (record as Readonly<Record<string, unknown>>)[monitor]
  if (typeof value !== 'number')
    throw new SpikewasmError(
      `${name} must be a figure that epochs have, got ${monitor}, which needs validation data; ` +
        `give fit validation data, or use ${monitor.replace('test', 'train')}`,
    )
  return value
}
