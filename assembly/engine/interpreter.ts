/**
 * The interpreter. Every worker runs the same program at the same time. At each record a worker
 * takes its own units, then units that others have left, and then meets the others at a barrier.
 *
 *   program   u32 sections | u32 address of the counters, one for each worker | u32 0 | u32 0
 *             then for each section
 *             u32 address of the first record | u32 records | u32 repeats | u32 index of the first
 *
 * A section runs its records `repeats` times with t = 0, 1, … (the loop over T of step mode s).
 */

import { Control, Counter, Fault, Rec } from '../opcodes'
import { barrier } from './barrier'
import { execute } from './execute'

/**
 * Runs a program and returns a `Fault`, None when all went well. Control.Progress is the index of
 * the current record.
 *
 * scratch: this worker's scratch. spins: how often to look at the epoch before sleeping. timeout:
 * how many milliseconds a barrier waits at most.
 */
export function run(
  program: usize,
  worker: i32,
  workers: i32,
  scratch: usize,
  spins: i32,
  timeout: i32,
): i32 {
  const sections = load<i32>(program)
  const counters = <usize>load<u32>(program, 4)
  let section = program + 16
  for (let s = 0; s < sections; s++) {
    const records = load<i32>(section, 4)
    const repeats = load<i32>(section, 8)
    const index = load<i32>(section, 12)
    const from = load<i32>(Control.FirstStep)
    for (let t = from; t < from + repeats; t++) {
      let rec = <usize>load<u32>(section)
      for (let i = 0; i < records; i++) {
        if (isWanted(load<u32>(rec, Rec.Condition << 2), t)) {
          // Every worker is at the same record, so they all write the same.
          store<i32>(Control.Progress, index + i)
          const fault = runRecord(rec, t, counters, worker, workers, scratch, spins, timeout)
          if (fault != Fault.None) return fault
        }
        rec += Rec.Bytes
      }
    }
    section += 16
  }
  return Fault.None
}

/**
 * Does a record with this `Rec.Condition` run at step t? All workers read the same answer, because
 * the flags were written before the last barrier.
 */
// @ts-ignore: decorator
@inline
function isWanted(condition: u32, t: i32): bool {
  if (condition == 0) return true
  if (condition == 1) return ((load<u32>(Control.StepMask) >> t) & 1) != 0
  return load<u32>(<usize>condition) != 0
}

/** The first unit of a worker. */
// @ts-ignore: decorator
@inline
function share(units: i32, worker: i32, workers: i32): i32 {
  return <i32>((<i64>units * worker) / workers)
}

/**
 * Runs the units of a record. Each worker has an equal share, in one piece of each group of units.
 * In most records the first worker then has the first images, and finds what it wrote in its own
 * cache. A worker that is done with its share takes units from the next worker's.
 */
function runRecord(
  rec: usize,
  t: i32,
  counters: usize,
  worker: i32,
  workers: i32,
  scratch: usize,
  spins: i32,
  timeout: i32,
): i32 {
  const units = load<i32>(rec, Rec.Units << 2)
  if (workers == 1) {
    for (let unit = 0; unit < units; unit++) execute(rec, unit, t, scratch)
    return Fault.None
  }
  if (ASC_FEATURE_THREADS) {
    const groups = <i32>load<u16>(rec, 2)
    const inGroup = units / groups
    let owner = worker
    for (let left = workers; left; left--) {
      const first = share(inGroup, owner, workers)
      const count = share(inGroup, owner + 1, workers) - first
      const counter = counters + <usize>owner * Counter.Bytes
      for (;;) {
        const taken = atomic.add<i32>(counter, 1)
        if (taken >= count * groups) break
        const group = taken / count
        execute(rec, group * inGroup + first + taken - group * count, t, scratch)
      }
      if (++owner == workers) owner = 0
    }
    return barrier(counters, workers, spins, timeout)
  }
  unreachable()
  return Fault.Trapped
}
