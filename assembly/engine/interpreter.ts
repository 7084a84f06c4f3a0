/**
 * The interpreter. Every worker runs the same program at the same time. At each record a worker
 * takes its own units, then units that others have left, and then meets the others at a barrier.
 *
 * A program is a header (`ProgramWord`), and behind it its sections (`SectionWord`). A section runs
 * its records again and again: each time is a call of so many steps, and t its first step (the loop
 * over T of step mode s).
 */

import { address, word } from '../base/record'
import { stepBits } from '../base/step-bits'
import { execute } from '../generated/kernels'
import { Control, Counter, Fault, ProgramWord, Rec, SectionWord, When } from '../opcodes'
import { barrier } from './barrier'

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
  const sections = word(program, ProgramWord.Sections)
  const counters = address(program, ProgramWord.Counters)
  let section = program + ProgramWord.Bytes
  for (let s = 0; s < sections; s++) {
    const records = word(section, SectionWord.Count)
    const repeats = word(section, SectionWord.Repeats)
    const index = word(section, SectionWord.Index)
    const steps = word(section, SectionWord.Steps)
    let t = load<i32>(Control.FirstStep) + word(section, SectionWord.From)
    for (let call = 0; call < repeats; call++) {
      let rec = address(section, SectionWord.Records)
      for (let i = 0; i < records; i++) {
        if (isWanted(word(rec, Rec.Condition), t, steps)) {
          // Every worker is at the same record, so they all write the same.
          store<i32>(Control.Progress, index + i)
          const fault = runRecord(rec, t, counters, worker, workers, scratch, spins, timeout)
          if (fault != Fault.None) return fault
        }
        rec += Rec.Bytes
      }
      t += steps
    }
    section += SectionWord.Bytes
  }
  return Fault.None
}

/**
 * Does a record with this `Rec.Condition` run in the call of so many steps from t on? All workers
 * read the same answer, because the flags were written before the last barrier.
 */
// @ts-ignore: decorator
@inline
function isWanted(condition: u32, t: i32, steps: i32): bool {
  if (condition == When.Always) return true
  if (condition == When.StepMask) return (stepBits(t) & (<u32>0xffffffff >> (32 - steps))) != 0
  if (condition == When.Later) return t > 0
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
  const units = word(rec, Rec.Units)
  if (workers == 1) {
    for (let unit = 0; unit < units; unit++) execute(rec, unit, t, scratch)
    return Fault.None
  }
  if (ASC_FEATURE_THREADS) {
    const groups = <i32>(load<u32>(rec, Rec.Op << 2) >> Rec.GroupShift)
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
