/**
 * Where the workers meet behind each record.
 */

import { Control, Counter, Fault } from '../opcodes'

/**
 * Waits until all workers have arrived. The last one resets the counters while nobody reads them,
 * then opens the barrier by moving the epoch, whose sequentially consistent store makes all work
 * before it visible. A poison word ends the wait with an error, and so does the time-out.
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
      // Short waits, so that a poison word written without a notification is seen too.
      atomic.wait<i32>(Control.Epoch, epoch, 100_000_000)
      waited += 100
    }
  }
  return atomic.load<i32>(Control.Poison) != Fault.None ? Fault.Aborted : Fault.None
}
