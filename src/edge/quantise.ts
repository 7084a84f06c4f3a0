/** Weights as whole numbers, made by the engine as it makes those of a model. */

import { Control } from '../../assembly/opcodes.js'
import type * as host from '../base/host.js'
import { layOut } from '../compile/emit/encode.js'
import { emitQuantise } from '../compile/emit/integer-weights.js'
import { type ParameterLayout, pack, unpackIntegers, weightLayout } from '../compile/layout.js'
import { assignAddresses } from '../compile/memory.js'
import type { IntegerWeight } from '../compile/plan.js'
import { ProgramBuilder } from '../compile/program.js'
import { instantiateEngine } from '../engine/load.js'
import type { QuantisedWeight } from '../engine/run/quantised.js'
import { type Buffer, ref } from '../kernels/records/words.js'
import { largestOf } from '../network/weights.js'

export { dequantise, type QuantisedWeight } from '../engine/run/quantised.js'

/**
 * The whole numbers of a weight.
 *
 * @param most the largest of them
 * @param standard where they are of the standardised weight: its gain
 */
export function quantised(
  engine: host.WasmModule,
  { layout, most }: { readonly layout: ParameterLayout; readonly most: number },
  data: Float32Array,
  standard?: { readonly gain: Float32Array },
): QuantisedWeight {
  const b = new ProgramBuilder()
  b.program('quantise')
  const buffer = (name: string, floats: number): Buffer => b.buffer(name, floats * 4, 'parameters')
  const [outputs] = layout.shape
  const [from, gain] = [buffer('floats', layout.stored), buffer('gain', outputs)]
  const [weight, scale] = [buffer('bytes', layout.stored), buffer('scale', layout.stored)]
  const of: IntegerWeight = { name: 'weight', node: 0, layout, most, weight, scale }
  emitQuantise(b, of, ref(from), standard && { gain: ref(gain) })
  const at = assignAddresses(b.buffers, Control.Bytes + 64) + 64
  const laid = layOut(b.programs, 1, at)
  const pages = Math.ceil((at + laid.size + 64) / 65536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { bytes, programs } = laid.encode()
  new Uint8Array(memory.buffer).set(bytes, at)
  pack(layout, data, new Float32Array(memory.buffer, from.address, layout.stored))
  if (standard) new Float32Array(memory.buffer, gain.address, outputs).set(standard.gain)
  instantiateEngine(engine, memory).run(programs[0], 0, 1, at + laid.size, 0, 0)
  const stored = new Int8Array(memory.buffer, weight.address, layout.stored)
  const scales = new Float32Array(memory.buffer, scale.address, outputs).slice()
  return { shape: layout.shape, values: unpackIntegers(layout, stored, most), scales }
}

/** The same of a weight [out, …] however it is stored, as bytes. */
export function quantisedRows(
  engine: host.WasmModule,
  data: Float32Array,
  out: number,
): QuantisedWeight {
  const inputs = data.length / out
  const layout = weightLayout([out, inputs], out, inputs, 1, inputs)
  return quantised(engine, { layout, most: largestOf.int8 }, data)
}
