/** Where a program's time goes: its records run one by one on this thread, each timed. */

import { Control, Op, ProgramWord, Rec, SectionWord, When } from '../../assembly/opcodes.js'
import { describe, expect } from '../errors.js'
import { median } from '../median.js'
import type { Phase } from '../plan/program.js'
import { programOf } from './arena.js'
import { instantiateEngine } from './load.js'
import { layerName } from './non-finite.js'
import type { Session } from './session.js'

/** How long an operation of a training step takes, as `Model.profile` finds it. */
export interface OperationTime {
  /** Operation of the engine. */
  readonly op: string
  /** Name of the layer. */
  readonly layer: string
  /** Part of the training step. */
  readonly phase: Phase
  /** On how many threads the program runs that it is part of. */
  readonly workers: number
  /** Median over the runs. A run in which another kernel was chosen in its place counts as 0 ms. */
  readonly milliseconds: number
}

/** One run of one record. */
export interface RecordTime {
  readonly op: string
  /** Index of the layer in the graph. */
  readonly layer: number
  /** Index in the program. */
  readonly record: number
  /** How many records stand before it, repetitions and skipped records included. */
  readonly place: number
  readonly milliseconds: number
}

/** Runs a whole program once. Results are the same as those of an ordinary run. */
export function profileProgram(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  program: number,
  scratch: number,
): RecordTime[] {
  const { execute } = instantiateEngine(module, memory)
  const words = new DataView(memory.buffer)
  const word = (address: number): number => words.getUint32(address, true)
  const isWanted = (condition: number, t: number, steps: number): boolean => {
    if (condition === When.Always) return true
    if (condition === When.StepMask)
      return ((word(Control.StepMask) >>> t) & (0xffffffff >>> (32 - steps))) !== 0
    if (condition === When.Later) return t > 0
    return word(condition) !== 0
  }
  const times: RecordTime[] = []
  const sections = word(program + ProgramWord.Sections * 4)
  let place = -1
  for (let s = 0; s < sections; s++) {
    const section = program + ProgramWord.Bytes + s * SectionWord.Bytes
    const of = (index: SectionWord): number => word(section + index * 4)
    const steps = of(SectionWord.Steps)
    for (let call = 0; call < of(SectionWord.Repeats); call++) {
      const t = of(SectionWord.From) + call * steps
      for (let i = 0; i < of(SectionWord.Count); i++) {
        place++
        const record = of(SectionWord.Records) + i * Rec.Bytes
        if (!isWanted(word(record + Rec.Condition * 4), t, steps)) continue
        const start = performance.now()
        for (let unit = 0; unit < word(record + Rec.Units * 4); unit++)
          execute(record, unit, t, scratch)
        times.push({
          op: Op[word(record + Rec.Op * 4) & Rec.OpMask],
          layer: word(record + Rec.Layer * 4),
          record: of(SectionWord.Index) + i,
          place,
          milliseconds: performance.now() - start,
        })
      }
    }
  }
  return times
}

/**
 * The median over several runs of each record that ran in any of them, in the order of the program.
 * A run that skipped a record counts as 0 ms: kernels are chosen by the number of spikes, which may
 * change from run to run, and the sum over all records should be that of one step.
 */
export function medianTimes(runs: readonly (readonly RecordTime[])[]): RecordTime[] {
  const byPlace = new Map<number, { time: RecordTime; milliseconds: number[] }>()
  runs.forEach((run, i) => {
    for (const time of run) {
      const entry = byPlace.get(time.place) ?? { time, milliseconds: runs.map(() => 0) }
      entry.milliseconds[i] = time.milliseconds
      byPlace.set(time.place, entry)
    }
  })
  return [...byPlace.values()]
    .map(({ time, milliseconds }) => ({ ...time, milliseconds: median(milliseconds) }))
    .sort((a, b) => a.place - b.place)
}

/** The times of all runs are kept until their medians are taken. */
const MOST_REPEATS = 10_000

/** `Model.profile`. The caller must hold the model's lock. */
export async function profileStep(session: Session, repeats: number): Promise<OperationTime[]> {
  expect(
    Number.isInteger(repeats) && repeats >= 1,
    () => `profile.repeats must be an integer ≥ 1, got ${describe(repeats)}`,
  )
  expect(repeats <= MOST_REPEATS, () => `profile.repeats must be ≤ ${MOST_REPEATS}, got ${repeats}`)
  const { address, records } = programOf(session, 'train')
  expect(
    session.trained,
    () =>
      'profile times a training step, but the model has run none with its method yet; ' +
      'call trainStep or fit before it',
  )
  const module = await session.engine
  const { plan } = session
  const memory = session.memory as WebAssembly.Memory
  const runs = Array.from({ length: repeats }, () =>
    profileProgram(module, memory, address, plan.workerScratchAt),
  )
  const workers = session.workersOf('train')
  return medianTimes(runs).map(({ op, layer, record, milliseconds }) => ({
    op,
    layer: layerName(session, layer),
    phase: records[record].phase,
    workers,
    milliseconds,
  }))
}
