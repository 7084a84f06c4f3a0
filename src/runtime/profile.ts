/** Where a program's time goes: its records run one by one on this thread, each timed. */

import { Control, Op, ProgramWord, Rec, SectionWord, When } from '../../assembly/opcodes.js'

export interface RecordTime {
  readonly op: string
  /** Index of the layer in the graph. */
  readonly layer: number
  /** Index in the program. */
  readonly record: number
  readonly milliseconds: number
}

/** Runs a whole program once. Results are the same as those of an ordinary run. */
export function profileProgram(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  program: number,
  scratch: number,
): RecordTime[] {
  const execute = new WebAssembly.Instance(module, { env: { memory } }).exports.execute as (
    record: number,
    unit: number,
    t: number,
    scratch: number,
  ) => void
  const words = new DataView(memory.buffer)
  const word = (address: number): number => words.getUint32(address, true)
  const isWanted = (condition: number, t: number): boolean => {
    if (condition === When.Always) return true
    if (condition === When.StepMask) return ((word(Control.StepMask) >>> t) & 1) !== 0
    return word(condition) !== 0
  }
  const times: RecordTime[] = []
  const sections = word(program + ProgramWord.Sections * 4)
  for (let s = 0; s < sections; s++) {
    const section = program + ProgramWord.Bytes + s * SectionWord.Bytes
    const of = (index: SectionWord): number => word(section + index * 4)
    for (let t = 0; t < of(SectionWord.Repeats); t++)
      for (let i = 0; i < of(SectionWord.Count); i++) {
        const record = of(SectionWord.Records) + i * Rec.Bytes
        if (!isWanted(word(record + Rec.Condition * 4), t)) continue
        const start = performance.now()
        for (let unit = 0; unit < word(record + Rec.Units * 4); unit++)
          execute(record, unit, t, scratch)
        times.push({
          op: Op[word(record + Rec.Op * 4) & Rec.OpMask],
          layer: word(record + Rec.Layer * 4),
          record: of(SectionWord.Index) + i,
          milliseconds: performance.now() - start,
        })
      }
  }
  return times
}
