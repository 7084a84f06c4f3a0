/** Who a call comes from: code that an operation waits for must not wait for that operation. */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Callers } from '../platform.js'

interface Frame {
  readonly of: object
  readonly outer: Frame | undefined
}

const frames = new AsyncLocalStorage<Frame>()

export const callers: Callers = {
  run: (of, body) => frames.run({ of, outer: frames.getStore() }, body),
  isWithin(of) {
    for (let frame = frames.getStore(); frame; frame = frame.outer) if (frame.of === of) return true
    return false
  },
}
