/** The barrier at which workers meet after each record. */

import { Control, Counter, Fault } from '../opcodes'

/**
 * Waits until all workers have arrived, and returns a `Fault`.
 *
 * The last worker to arrive resets the counters, which no one reads at that time. Then it opens
 * the barrier by moving the epoch. That store is sequentially consistent, so all work before it is
 * visible to all. A poison word ends the wait with an error, and so does the timeout
 * (milliseconds).
 */
export function barrier(counters: usize, workers: i32, spins: i32, timeout: i32): i32 {
  const epoch = atomic.load<i32>(Control.Epoch)
  if (atomic.add<i32>(Control.Arrived, 1) == workers - 1) {
    for (let i = 0; i < workers; i++) store<i32>(counters + <usize>i * Counter.Bytes, 0)
    atomic.store<i32>(Control.Arrived, 0)
    atomic.store<i32>(Control.Epoch, epoch + 1)
    atomic.notify(Control.Epoch, -1)
  } else {
    let left = spins
    while (left > 0 && atomic.load<i32>(Control.Epoch) == epoch) left--
    let waited = 0
    while (atomic.load<i32>(Control.Epoch) == epoch) {
      if (atomic.load<i32>(Control.Poison) != Fault.None) return Fault.Aborted
      if (waited >= timeout) {
        atomic.store<i32>(Control.Poison, Fault.TimedOut)
        atomic.notify(Control.Epoch, -1)
        return Fault.TimedOut
      }
      // Short waits, to see a poison word that was written without a notification.
      atomic.wait<i32>(Control.Epoch, epoch, 100_000_000)
      waited += 100
    }
  }
  return atomic.load<i32>(Control.Poison) != Fault.None ? Fault.Aborted : Fault.None
}
