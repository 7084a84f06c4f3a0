/** Programs as the engine reads them: bytes in memory. */

import { Counter, ProgramWord, Rec, SectionWord, When } from '../../../assembly/opcodes.js'
import { fail } from '../../base/errors.js'
import { roundUp } from '../../base/numbers.js'
import { trace, traceGradient } from '../../kernels/records/gradient.js'
import {
  type Buffer,
  isReference,
  type Reference,
  type Words,
  type WordValue,
} from '../../kernels/records/words.js'
import { labelOf } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { inUnits } from '../budgets.js'
import { pixelsOf } from '../convolution/geometry.js'
import { emitWeightGradient } from '../convolution/index.js'
import type { WeightGradient } from '../convolution/strategy.js'
import type { Cut } from '../cuts.js'
import { quoteMethodsWith } from '../methods.js'
import type { Pass } from '../pass.js'
import type { PlannedProgram, PlannedRecord, Section } from '../program.js'
import { type Expression, rowsOf } from '../tensors.js'

/**
 * Programs, the workers' counters, and the constants (tables, data) of all records, each aligned to
 * 64 bytes.
 */
export interface Encoded {
  /** Bytes to write at the base address. */
  readonly bytes: Uint8Array
  /** Address of each program, in the order of the plan. */
  readonly programs: number[]
  /** Those of its cuts. */
  readonly cuts: readonly (readonly number[])[]
}

const whenWord = { always: When.Always, stepMask: When.StepMask, later: When.Later }

/** Bytes from a base address on, whose words may name buffers that have no address yet. */
class Image {
  size = 0
  private readonly chunks: { at: number; bytes: Uint8Array }[] = []
  /** Constants that several records read are there once. */
  private readonly constants = new Map<Uint8Array, number>()
  /** Addresses that words are to hold. */
  private readonly pending: { view: DataView; offset: number; to: Reference }[] = []

  constructor(private readonly base: number) {}

  /** The address that bytes will have; they may still change. */
  reserve(bytes: Uint8Array): number {
    const at = this.size
    this.chunks.push({ at, bytes })
    this.size += roundUp(bytes.length, 64)
    return this.base + at
  }

  private constant(bytes: Uint8Array): number {
    const at = this.constants.get(bytes) ?? this.reserve(bytes)
    this.constants.set(bytes, at)
    return at
  }

  write(view: DataView, offset: number, value: WordValue): void {
    if (typeof value === 'number') view.setUint32(offset, value >>> 0, true)
    else if ('f32' in value) view.setFloat32(offset, value.f32, true)
    else if (isReference(value)) this.pending.push({ view, offset, to: value })
    else if ('data' in value) view.setUint32(offset, this.constant(value.data), true)
    else {
      const { table, entryBytes } = value
      const bytes = new Uint8Array(table.length * entryBytes)
      const tableView = new DataView(bytes.buffer)
      table.forEach((entry, i) => void this.writeAll(tableView, i * entryBytes, entryBytes, entry))
      view.setUint32(offset, this.reserve(bytes), true)
    }
  }

  // By index: what gives keys gives them as texts.
  writeAll(view: DataView, at: number, bytes: number, words: Words): void {
    for (let word = 0; word < bytes / 4; word++) {
      const value = words[word]
      if (value !== undefined) this.write(view, at + word * 4, value)
    }
  }

  /** @throws where a buffer has no address */
  finish(): Uint8Array {
    for (const { view, offset, to } of this.pending) {
      if (to.buffer.address === 0) throw new Error(`buffer ${to.buffer.name} has no address`)
      view.setUint32(offset, to.buffer.address + to.offset, true)
    }
    const bytes = new Uint8Array(this.size)
    for (const chunk of this.chunks) bytes.set(chunk.bytes, chunk.at)
    return bytes
  }
}

/**
 * Lays out programs with their cuts, their counters and constants for a base address.
 *
 * @returns how many bytes they take, and what gives these once every buffer has its address
 */
export function layOut(
  programs: readonly (PlannedProgram & { readonly cuts?: readonly Cut[] })[],
  workers: number,
  base: number,
) {
  const image = new Image(base)
  /** Where records lie that cuts have too. */
  const placed = new Map<PlannedRecord, number>()
  const place = (records: readonly PlannedRecord[], isCut: boolean): number => {
    if (isCut) return placed.get(records[0]) as number
    const address = image.reserve(bytesOf(records, image))
    for (const [i, record] of records.entries()) placed.set(record, address + i * Rec.Bytes)
    return address
  }
  const layProgram = (sections: readonly Section[], shared?: number) => {
    const header = new Uint8Array(ProgramWord.Bytes + SectionWord.Bytes * sections.length)
    const view = new DataView(header.buffer)
    const address = image.reserve(header)
    const counters = shared ?? image.reserve(new Uint8Array(workers * Counter.Bytes))
    image.writeAll(view, 0, ProgramWord.Bytes, {
      [ProgramWord.Sections]: sections.length,
      [ProgramWord.Counters]: counters,
    })
    let before = 0
    for (const [i, { records, repeats, from, steps, index = before }] of sections.entries()) {
      image.writeAll(view, ProgramWord.Bytes + i * SectionWord.Bytes, SectionWord.Bytes, {
        [SectionWord.Records]: place(records, shared !== undefined),
        [SectionWord.Count]: records.length,
        [SectionWord.Repeats]: repeats,
        [SectionWord.Index]: index,
        [SectionWord.From]: from,
        [SectionWord.Steps]: steps,
      })
      before += records.length
    }
    return { address, counters }
  }
  const laid = programs.map(({ sections, cuts = [] }) => {
    const { address, counters } = layProgram(sections)
    return { address, cuts: cuts.map((cut) => layProgram(cut.sections, counters).address) }
  })
  const addresses = { programs: laid.map((of) => of.address), cuts: laid.map((of) => of.cuts) }
  const encode = (): Encoded => ({ bytes: image.finish(), ...addresses })
  return { size: image.size, encode }
}

function bytesOf(records: readonly PlannedRecord[], image: Image): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, records.length) * Rec.Bytes)
  const view = new DataView(bytes.buffer)
  for (const [i, { op, groups, units, condition, layer, words }] of records.entries()) {
    image.writeAll(view, i * Rec.Bytes, Rec.Bytes, words)
    image.writeAll(view, i * Rec.Bytes, Rec.Bytes, {
      [Rec.Op]: op | (groups << Rec.GroupShift),
      [Rec.Units]: units,
      [Rec.Condition]: typeof condition === 'object' ? condition : whenWord[condition],
      [Rec.Layer]: layer,
    })
  }
  return bytes
}

// The presynaptic traces of a layer's input (OTTT), and the weight's gradient from them.

export interface Trace {
  /** Leak of the neurons whose spikes are traced. */
  readonly lambda: number
  /**
   * What calls carry on, [P][inC]: the trace before this call; where a call is one step, at this
   * step. None where one call makes all steps.
   */
  readonly carried?: Buffer
  /** Channels of the input as stored. */
  readonly inC: number
}

/**
 * The trace of a layer's input; none for the first layer, which reads the raw frame. Where a call
 * is one step of several it is updated here.
 *
 * @param inC channels of the input as stored.
 */
export function traceOf(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  inC: number,
): Trace | undefined {
  const { images, options, context, callSteps } = pass
  const without = (): string => quoteMethodsWith(({ presynaptic }) => presynaptic === 'steps')
  const where = `${node.name} (${labelOf(node)}): method '${options.method}'`
  const [, h, w] = input.shape
  const spikes = input.terms.flatMap(({ tensor }) => (tensor.kind === 'spikes' ? [tensor] : []))
  if (input.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return undefined
  if (spikes.length !== input.terms.length)
    fail(
      `${where} traces the spikes that a layer reads, this one reads currents; put a neuron ` +
        `layer before it or use ${without()}`,
    )
  const [{ lambda }] = spikes
  for (const tensor of spikes)
    if (Number.isNaN(tensor.lambda))
      fail(
        `${where} needs one leak for all neurons whose spikes a layer reads, the same at every ` +
          `step, and those of ${tensor.name} have no such one; use ${without()}`,
      )
  if (!spikes.every((tensor) => tensor.lambda === lambda))
    fail(
      `${where} needs one tau for all neurons whose spikes a layer adds up; give them the same ` +
        `tau or use ${without()}`,
    )
  if (!context.outer) return { lambda, inC }
  const carried = pass.carried(`${node.name} trace`, images * h * w * inC * 4, 'kept')
  if (callSteps === 1) update(pass, node, input, { lambda, carried, inC })
  return { lambda, carried, inC }
}

/** Emits out = λ·out + input for each step of the call. */
function update(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  { lambda, carried, inC }: Trace & { readonly carried: Buffer },
): void {
  const { b, images, callSteps: steps } = pass
  const [, h, w] = input.shape
  const pixels = images * h * w
  const now = b.buffer(`${node.name} presynaptic spikes`, pixels * steps * inC * 4)
  pass.write(input, steps, false, now, inC)
  const { units, pixelsPerUnit } = inUnits(pixels, inC * steps)
  const sizes = { pixels, channels: inC, pixelsPerUnit }
  b.emit(trace, units, { in: now, out: carried, ...sizes, lambda, steps })
}

/**
 * Σ_t δ_t ⊗ trace_t over the steps of a call: by the spikes of the call (assembly/pool/trace.ts
 * says how), and from the second call on by the trace from before it.
 *
 * @param byStep emits Σ_t δ_t ⊗ input_t for a δ
 * @param product emits δ ⊗ input
 */
export function emitTraceGradient(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  job: Omit<WeightGradient, 'input'>,
  { lambda, carried, inC }: Trace,
  byStep: (delta: Buffer) => void,
  product = emitWeightGradient,
): void {
  const { b } = pass
  const { name, g, steps } = job
  if (steps === 1) {
    if (carried) product(b, { ...job, input: rowsOf(carried, inC) })
    else byStep(job.delta)
    return
  }
  const pixels = pixelsOf(g)
  const delta = b.buffer(`${name} gradient of spikes`, pixels * steps * g.outC * 4)
  const before = carried && b.buffer(`${name} gradient of the trace`, pixels * g.outC * 4)
  const { units, pixelsPerUnit } = inUnits(pixels, g.outC * steps)
  const sizes = { pixels, channels: g.outC, pixelsPerUnit, lambda, steps }
  b.emit(traceGradient, units, { delta: job.delta, out: delta, before, ...sizes })
  byStep(delta)
  if (!carried || !before) return
  const earlier = { ...job, name: `${name} trace`, steps: 1, delta: before, accumulate: true }
  b.when('later', () => product(b, { ...earlier, input: rowsOf(carried, inC) }))
  update(pass, node, input, { lambda, carried, inC })
}
