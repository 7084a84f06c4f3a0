/** Planned ops run where each mistake of a kernel in memory shows. */
import { Control } from '../../assembly/opcodes.js'
import { accesses } from '../../src/kernels/records/schema.js'
import type { Buffer, Words } from '../../src/kernels/records/words.js'
import type { PlanInfo, TensorInfo, Values } from '../../src/ops/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { type Budgets, withBudgets } from './budgets.js'
import { type Words as EngineWords, f32, TestEngine, type Variant } from './engine.js'
import { expectSameBits, type RandomShapes } from './ops.js'
import { expectKernels, runWith } from './ops-convolution.js'
import { small } from './small-budgets.js'

const engines = new Map<Variant, TestEngine>()
function emptyEngine(variant: Variant): TestEngine {
  const engine = engines.get(variant) ?? new TestEngine(variant)
  engines.set(variant, engine)
  engine.reset()
  return engine
}

function shuffled(units: number, r: RandomShapes): number[] {
  const order = Array.from({ length: units }, (_, i) => i)
  for (let i = units - 1; i > 0; i--) {
    const j = r.int(0, i)
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}

/** The memory of an op as it was, laid out anew in an engine: each buffer between guards. */
class Replay {
  private readonly places = new Map<Buffer, number>()

  constructor(
    private readonly engine: TestEngine,
    private readonly before: Uint8Array,
    tensors: readonly Values[],
  ) {
    engine.bytes(0, Control.Bytes).set(before.subarray(0, Control.Bytes))
    // A model's input is found by the address in the control block.
    const [input] = engine.ints(Control.Input, 1)
    const own = tensors.find(({ byteOffset }) => byteOffset === input)
    if (own && input > 0)
      engine.ints(Control.Input, 1)[0] = engine.putBytes(
        before.subarray(input, input + own.byteLength),
      )
  }

  /** @param isWritten the record writes all of it: it holds garbage until then */
  placeOf(buffer: Buffer, isWritten = false): number {
    const { address, bytes } = buffer
    if (address < Control.Bytes) return address
    const known = this.places.get(buffer)
    if (known !== undefined) return known
    const place = this.engine.alloc(bytes)
    if (!isWritten)
      this.engine.bytes(place, bytes).set(this.before.subarray(address, address + bytes))
    this.places.set(buffer, place)
    return place
  }

  words(words: Words): EngineWords {
    const resolved: EngineWords = {}
    for (const [word, value] of Object.entries(words)) {
      if (value === undefined) continue
      resolved[Number(word)] =
        typeof value === 'number' || 'f32' in value
          ? value
          : 'buffer' in value
            ? this.placeOf(value.buffer) + value.offset
            : 'data' in value
              ? this.engine.putBytes(value.data)
              : this.table(value.table, value.entryBytes)
    }
    return resolved
  }

  private table(entries: readonly Words[], bytes: number): number {
    const address = this.engine.alloc(entries.length * bytes, 0)
    for (const [i, entry] of entries.entries())
      this.engine.writeWords(address + i * bytes, this.words(entry))
    return address
  }

  /** Bytes of what lies at an address of the op; undefined: no record has it. */
  read(address: number, bytes: number): Uint8Array | undefined {
    for (const [buffer, place] of this.places)
      if (buffer.address === address && buffer.persistent) return this.engine.bytes(place, bytes)
    return undefined
  }
}

const isMasks = ({ order }: TensorInfo): boolean => order.includes('bit t mod 8')

/** Masks of spikes have bits of steps that do not exist: no convolution may read them. */
function setUnusedBits(info: TensorInfo, own: Values, before: Uint8Array): void {
  if (!isMasks(info)) return
  const { shape } = info
  const steps = shape.length % 2 === 1 ? shape[1] % 8 : 1
  const end = own.byteOffset + own.byteLength
  const planes = shape.length % 2 === 1 ? Math.ceil(shape[1] / 8) : 1
  for (let at = end - own.byteLength / planes; steps > 0 && at < end; at++)
    before[at] |= (0xff << steps) & 0xff
}

/** What lies behind the channels and rows of a weight or a gradient stays 0. */
function expectZeros(op: OpPlan, { name }: TensorInfo, own: Values): void {
  const nonzeros = (values: Values): number =>
    (values as Float32Array).reduce((count, v) => count + (v === 0 ? 0 : 1), 0)
  const [all, read] = [nonzeros(own), nonzeros(op.read(name))]
  if (all !== read) throw new Error(`${name}: ${all - read} numbers behind it are not 0`)
}

/**
 * Runs the records of an op again: each buffer has the planned size, and guard bytes on both sides;
 * what a record writes is garbage before; units run in a random order, by two workers in turn,
 * whose scratch has the planned size (in the wide engine twice that) and holds garbage. The op's tensors must have the same bits, and
 * zeros where they have no numbers.
 *
 * @param patch other values of records' fields, with which the bits are the same; with another scale
 *   all that is written is times it
 * @param replayed what is given to the records then
 */
export function expectStrict(
  plan: object,
  given: readonly unknown[],
  r: RandomShapes,
  patch: Readonly<Record<string, number>> = {},
  replayed = given,
): void {
  const op = plan as OpPlan & Record<string, Values>
  const names = Object.keys(op.tensors)
  const write = (arrays: readonly unknown[]): void => {
    for (const [i, values] of arrays.entries()) op.write(names[i], values as Values)
  }
  write(replayed)
  const { memory, records } = OpPlan.insides(op)
  const variant = (['engine', 'engine-debug', 'engine-wide'] as const)[r.seed % 3]
  const engine = emptyEngine(variant)
  const tensors = names.map((name) => op[name])
  const before = new Uint8Array(memory.buffer).slice()
  if (/^(conv2d|linear)/.test(op.opName))
    for (const info of Object.values(op.tensors)) setUnusedBits(info, op[info.name], before)
  const replay = new Replay(engine, before, tensors)
  if (replayed !== given) write(given)
  op.run()
  const written = new Set<number>()
  for (const { schema, fields, words, units, scratch, condition, ...kind } of records) {
    for (const { buffer, use } of accesses(schema, fields)) {
      if (use !== 'reads') written.add(buffer.address)
      replay.placeOf(buffer, use === 'writes' || (use === 'carries' && !buffer.persistent))
    }
    const record = engine.record({ schema, ...kind }, units, {})
    engine.writeWords(record, replay.words(words))
    for (const [name, value] of Object.entries(patch))
      if (name in schema)
        engine.writeFields(record, schema, { [name]: name === 'scale' ? f32(value) : value })
    if (typeof condition === 'object') {
      const at = replay.placeOf(condition.buffer) + condition.offset
      if (engine.ints(at, 1)[0] === 0) continue
    }
    const times = variant === 'engine-wide' ? 2 : 1
    const workers = [0, 1].map(() => engine.alloc(times * scratch, 0xff))
    for (const [i, unit] of shuffled(units, r).entries())
      engine.exports.execute(record, unit, 0, workers[i % 2])
  }
  engine.checkGuards(op.kernels.join(' '))
  for (const [i, tensor] of tensors.entries()) {
    const { byteOffset, byteLength } = tensor
    const info = op.tensors[names[i]]
    const found = replay.read(byteOffset, byteLength)
    const isInput = !written.has(byteOffset)
    if (!found || (isInput && (isMasks(info) || replayed !== given))) continue
    const { scale = 1 } = isInput ? {} : patch
    const own = scale === 1 ? tensor.slice() : tensor.map((v) => v * scale)
    const bytes = new Uint8Array(own.buffer)
    expectSameBits(`${names[i]}, in any order of units`, found.slice(), bytes)
    if (info.type === 'float32') expectZeros(op, info, tensor)
  }
}

/** Small budgets without which others leave no strategy, or a list no room for a factor. */
const always = ['leastMomentPixels', 'leastForwardUnits']
const counters = ['byteCount', 'wordCounts', 'wordSum']

/** Budgets by which shapes of ops run in several passes. */
const parts: Partial<Budgets> = {
  kernelBytes: 0,
  listBytes: 4000,
  patternListBytes: 12_000,
  patternSumBytes: 7600,
  patternGridBytes: 20_000,
  rateGridBytes: 12_000,
}

/** Budgets some of which are small: a few rows, tiles or floats. */
function someBudgets(r: RandomShapes): Partial<Budgets> {
  const counts = r.chance(0.5)
  const isSmall = (name: string): boolean =>
    always.includes(name) || (counters.includes(name) ? counts : r.chance(0.5))
  return Object.fromEntries(
    Object.entries({ ...small, ...parts }).filter(([name]) => isSmall(name)),
  )
}

/** Plans an op by the package's budgets, or by small ones. */
const bySomeBudgets = <P>(r: RandomShapes, make: () => P): P =>
  r.chance(0.4) ? withBudgets(someBudgets(r), make) : make()

/**
 * Plans an op by the package's budgets, where it must call these kernels, or by small ones; runs
 * it, and runs it strictly.
 */
export function runStrictly<Result = Float32Array>(
  r: RandomShapes,
  make: () => PlanInfo,
  given: readonly unknown[],
  kernels?: string,
): Result {
  if (kernels && r.seed % 2) expectKernels(make(), kernels)
  const plan = bySomeBudgets(r, make)
  const result = runWith<Result>(plan, given)
  expectStrict(plan, given, r)
  return result
}
