/**
 * The interpreter: every worker runs the same program at the same time, takes its units of each
 * record and then some of the others', and meets them at a barrier behind each record.
 *
 * A program is a header (`ProgramWord`), and behind it its sections (`SectionWord`). A section runs
 * its records again and again with t = 0, 1, … (the loop over T of step mode s).
 */

import { address, word } from '../base/record'
import { Control, Counter, Fault, ProgramWord, Rec, SectionWord, When } from '../opcodes'
import { barrier } from './barrier'
import { execute } from './execute'

/**
 * Runs a program. Returns a `Fault` (None when all went well). Control.Progress tells the record
 * they are at. scratch: this worker's scratch. spins: how often to look at the epoch before
 * sleeping. timeout: milliseconds that a barrier waits at most.
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
    const from = load<i32>(Control.FirstStep)
    for (let t = from; t < from + repeats; t++) {
      let rec = address(section, SectionWord.Records)
      for (let i = 0; i < records; i++) {
        if (isWanted(word(rec, Rec.Condition), t)) {
          // Every worker is at the same record, so they all write the same.
          store<i32>(Control.Progress, index + i)
          const fault = runRecord(rec, t, counters, worker, workers, scratch, spins, timeout)
          if (fault != Fault.None) return fault
        }
        rec += Rec.Bytes
      }
    }
    section += SectionWord.Bytes
  }
  return Fault.None
}

/**
 * What `Rec.Condition` says at step t. Every worker reads the same, since the flags were written
 * before the last barrier.
 */
// @ts-ignore: decorator
@inline
function isWanted(condition: u32, t: i32): bool {
  if (condition == When.Always) return true
  if (condition == When.StepMask) return ((load<u32>(Control.StepMask) >> t) & 1) != 0
  return load<u32>(<usize>condition) != 0
}

/** Where the units of a worker begin. */
// @ts-ignore: decorator
@inline
function share(units: i32, worker: i32, workers: i32): i32 {
  return <i32>((<i64>units * worker) / workers)
}

/**
 * Units are the workers' in equal shares, each in one piece (of each group of units): the first
 * worker has the first images in most records, and finds what it wrote in its own cache. Who is
 * done with its own takes from the next one's.
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
