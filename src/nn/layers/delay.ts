/** Delays by whole time steps. */

import { checkArguments, checkOptions, describe, expect } from '../../errors.js'
import { show } from '../value.js'
import type { LayerKind } from './kind.js'

/** What `delay` makes. */
export interface Delay {
  /** Tells this layer from others. */
  readonly kind: 'delay'
  /** Time steps by which the signal comes later: one number, or one for each channel. */
  readonly steps: number | readonly number[]
}

/** More than any model has steps. */
const MOST_STEPS = 4096

const isDelay = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_STEPS

/**
 * Delays a signal by whole time steps, any shape: y_t = x_{t − steps}, zeros before. Spikes stay
 * spikes. A stream keeps the last steps from call to call.
 *
 * Method bptt takes the exact gradient. In method rate, whose gradients are means over the T steps,
 * the gradient is multiplied by (T − steps)/T: so many of the steps arrive. Methods ottt and sltt
 * learn at each step from that step alone and cannot train through a delay.
 * @param steps an integer 0 … 4096, or one for each channel
 * @throws SpikewasmError for other numbers, and when the network is compiled for an array of
 *   another length than the channels
 */
export function delay(steps: number | readonly number[], ...more: []): Delay {
  checkArguments('delay', more)
  const rule = (): string =>
    `delay.steps must be an integer from 0 to ${MOST_STEPS}, or a list of one for each ` +
    'channel, got '
  if (!Array.isArray(steps)) {
    expect(isDelay(steps), () => rule() + describe(steps))
    return { kind: 'delay', steps }
  }
  const wrong = steps.findIndex((value) => !isDelay(value))
  expect(steps.length > 0, () => `${rule()}an empty list`)
  expect(wrong < 0, () => `${rule()}${describe(steps[wrong])} at index ${wrong}`)
  return { kind: 'delay', steps: [...steps] }
}

export const delayKind: LayerKind<Delay> = {
  again({ steps, ...rest }) {
    checkOptions('delay', rest, [])
    return delay(steps)
  },
  output({ steps }, x, where) {
    const [c, h, w] = x.shape
    expect(
      typeof steps === 'number' || (steps.length === c && !(x.flat && h * w > 1)),
      () =>
        `${where}: has ${(steps as readonly number[]).length} delays, its input ${show(x)} ` +
        (x.flat && h * w > 1 ? 'is flattened: put it before flatten()' : `needs ${c}`),
    )
    return [x.shape, x.flat]
  },
}
