/** Callbacks that keep something from hook to hook serve one training at a time. */

import { fail } from '../../errors.js'
import type { Callback, Training } from '../callback.js'

/**
 * The same callback, but one `fit` after the other: a second one at the same time is refused before
 * it begins, and touches nothing of the first.
 */
export function exclusive(callback: Callback): Callback {
  const { onFitStart, onFitEnd, restore } = callback
  let user: Training | undefined
  const expectFree = (): void => {
    if (user !== undefined)
      fail(
        `the callback ${JSON.stringify(callback.name)} is in use by a fit that runs; make one ` +
          'for each fit, or wait until the other has ended',
      )
  }
  return {
    ...callback,
    async onFitStart(start, training) {
      expectFree()
      user = training
      await onFitStart?.(start, training)
    },
    async onFitEnd(history, training) {
      // It also ends a fit that was refused.
      if (training !== user) return
      try {
        await onFitEnd?.(history, training)
      } finally {
        user = undefined
      }
    },
    ...(restore && {
      restore(state, tensors) {
        expectFree()
        restore(state, tensors)
      },
    }),
  }
}
