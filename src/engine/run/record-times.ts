/** Runs the records of a program one by one and times each. Workers of pages hold this code too. */

import { Control, ProgramWord, Rec, SectionWord, When } from '../../../assembly/opcodes.js'
import type * as host from '../../base/host.js'

/** One run of one record. */
export interface RecordTime {
  /** Index in the program. */
  readonly record: number
  /** How many records stand before it, repetitions and skipped records included. */
  readonly place: number
  readonly milliseconds: number
}

/** Runs a whole program once. Results are the same as those of an ordinary run. */
export function timeRecords(
  execute: (record: number, unit: number, t: number, scratch: number) => void,
  { buffer }: host.WasmMemory,
  program: number,
  scratch: number,
): RecordTime[] {
  const words = new DataView(buffer)
  const word = (address: number): number => words.getUint32(address, true)
  const isWanted = (condition: number, t: number, steps: number): boolean => {
    if (condition === When.Always) return true
    if (condition === When.StepMask) {
      const bytes = word(Control.StepMasks)
      const bits = bytes ? word(bytes + (t >> 3)) >>> (t & 7) : word(Control.StepMask) >>> t
      return (bits & (0xffffffff >>> (32 - steps))) !== 0
    }
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
        const milliseconds = performance.now() - start
        times.push({ record: of(SectionWord.Index) + i, place, milliseconds })
      }
    }
  }
  return times
}
