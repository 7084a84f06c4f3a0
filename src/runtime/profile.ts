/** Where a program's time goes: its records run one by one on this thread, each timed. */

import { Control, Op, Rec } from '../../assembly/opcodes.js'
import { instantiateEngine } from './load.js'

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
  const { execute } = instantiateEngine(module, memory)
  const words = new DataView(memory.buffer)
  const word = (address: number): number => words.getUint32(address, true)
  const times: RecordTime[] = []
  for (let s = 0; s < word(program); s++) {
    const section = program + 16 + 16 * s
    for (let t = 0; t < word(section + 8); t++)
      for (let i = 0; i < word(section + 4); i++) {
        const record = word(section) + i * Rec.Bytes
        const condition = word(record + Rec.Condition * 4)
        if (condition === 1 && ((word(Control.StepMask) >>> t) & 1) === 0) continue
        if (condition > 1 && word(condition) === 0) continue
        const start = performance.now()
        for (let unit = 0; unit < word(record + Rec.Units * 4); unit++)
          execute(record, unit, t, scratch)
        times.push({
          op: Op[word(record) & 0xffff],
          layer: word(record + Rec.Layer * 4),
          record: word(section + 12) + i,
          milliseconds: performance.now() - start,
        })
      }
  }
  return times
}
