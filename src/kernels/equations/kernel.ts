/** Nodes → a function over pixels and channels, as WebAssembly. */

import * as addresses from './addresses.js'
import {
  add,
  at,
  bitsOf,
  type Code,
  functionOf,
  get,
  i32,
  loop,
  op,
  set,
  splat,
  tee,
  unless,
  V128,
  vector,
  Wasm,
} from './code.js'
import { Level, type Node, reachable } from './graph.js'

/** What is written at the end of a turn's computation. */
export type Output =
  | { readonly kind: 'store'; readonly to: addresses.Place; readonly node: Node }
  /** A bit for each step of up to eight, in a byte of each neuron; sums over steps up to each. */
  | {
      readonly kind: 'masks'
      readonly to: addresses.Place
      readonly masks: readonly Node[]
      readonly sums: readonly (readonly Node[])[]
    }
  /** For how many neurons and steps conditions hold: four sums at the start of scratch. */
  | { readonly kind: 'count'; readonly masks: readonly Node[] }

/** So many turns of a loop over some steps each. */
export interface Section {
  readonly times: number
  /** Steps of a turn, and the first step of the first turn. */
  readonly steps: number
  readonly from: number
  /** From the last turn to the first. */
  readonly backwards?: boolean
  readonly outputs: readonly Output[]
  /** Leaves, and what they are in the next turn. */
  readonly carry: readonly (readonly [leaf: Node, next: Node])[]
}

export interface KernelSpec {
  /** Vectors at once: 2 where channels are a multiple of 8, which V8 can join. */
  readonly width: 1 | 2
  /** Words that all kernels read. */
  readonly words: addresses.SizeWords
  /** Some channels are padding: masks and what is stored of them are 0. */
  readonly padded?: boolean
  /** Where leaves are; those of `carry` are in locals. */
  readonly places: ReadonlyMap<string, addresses.Place>
  readonly lower: (node: Node) => Node
  /**
   * Leaves that are the same for all neurons, what they are at the first step, and what they become
   * from one to the next: they have gone through t steps.
   */
  readonly common?: readonly (readonly [leaf: Node, first: Node, next: Node])[]
  /** Leaves of `carry`, and what they begin with. */
  readonly start?: readonly (readonly [leaf: Node, first: Node])[]
  readonly sections: readonly Section[]
  /** Spikes of each neuron, a byte; `adds`: to what is there, where t > 0. */
  readonly counts?: { readonly tensor: addresses.Tensor; readonly adds: boolean }
}

/** Spikes that a byte counts. */
const MOST_IN_BYTE = 255

/** Steps of all sections. */
const stepsOf = ({ sections }: KernelSpec): number =>
  sections.reduce((sum, { times, steps }) => sum + times * steps, 0)

/** Operations without arguments that are no constants. */
const READ = new Set<string | number>(['leaf', 'bit', 'later', 'word', 'step', 'neuron', 'within'])

class Emitter extends addresses.Addresses {
  /** What runs once, before the first pixel. */
  private readonly once: Code[] = []
  private readonly shared = new Map<Node, readonly number[]>()
  private readonly total: number
  private readonly counts: number
  private readonly counted: number
  private locals = new Map<Node, readonly number[]>()
  private uses = new Map<Node, number>()

  constructor(private readonly spec: KernelSpec) {
    super(spec.width, spec.words)
    this.total = this.local(V128)
    this.counts = this.local(V128)
    this.counted = this.local(V128)
  }

  private leaf(node: Node, lane: number): Code {
    if (node.op === 'const') return this.constant(bitsOf(node.value))
    if (node.op === 'truth') return this.constant(node.value ? -1 : 0)
    if (node.op === 'i32') return i32(node.value)
    if (node.op === 'i32x4') return this.constant(node.value)
    if (node.op === 'later') return this.later()
    if (node.op === 'word') return op(Wasm.i32x4Splat, at(Wasm.i32Load, [i32(node.value)]))
    if (node.op === 'step') return this.step(node)
    if (node.op === 'within') return this.within(node)
    if (node.op === 'neuron') return this.neuron(node, lane)
    const place = this.spec.places.get(node.name)
    if (!place) throw new Error(`nothing says where ${node.name} is`)
    if (node.level <= Level.Layer)
      return at(Wasm.v128Load32Splat, [this.word(place.tensor.word)], 4 * (place.row ?? 0))
    if (node.op === 'bit') return this.bitAt(place, lane)
    const [address, offset] = this.rowAt(place, lane)
    return at(Wasm.v128Load, [address], offset)
  }

  /** Whether steps of an earlier call came before. */
  private later(): Code {
    return op(Wasm.i32x4Splat, op(Wasm.i32Sub, i32(0), op(Wasm.i32GtS, get(addresses.T), i32(0))))
  }

  /** Which of four channels are no padding. */
  private real(lane: number): Code {
    const before = op(Wasm.i32ShrU, get(this.channel), i32(2))
    const left = op(Wasm.i32Sub, this.word(this.spec.words.realChannels), before)
    const lanes = vector([0, 1, 2, 3].map((i) => i + 4 * lane))
    return op(Wasm.i32x4GtS, op(Wasm.i32x4Splat, left), lanes)
  }

  /** Whether the bit of a step is set in the bytes of four neurons. */
  private bitAt(place: addresses.Place, lane: number): Code {
    const bytes = at(Wasm.v128Load32Zero, [this.pointer(place.tensor, place.step & ~7)], 4 * lane)
    const words = op(Wasm.i32x4ExtendLowI16x8U, op(Wasm.i16x8ExtendLowI8x16U, bytes))
    const wanted = this.constant(1 << (place.step & 7))
    return op(Wasm.i32x4Eq, op(Wasm.v128And, words, wanted), wanted)
  }

  /** A node for one of the vectors; what it takes has been computed where it must. */
  private tree(node: Node, lane: number): Code {
    const local = this.locals.get(node) ?? this.shared.get(node)
    if (local) return get(local[lane])
    if (node.args.length === 0) return this.leaf(node, lane)
    return op(node.op as Wasm, ...node.args.map((arg) => this.tree(arg, lane)))
  }

  /** Computes what is used twice into locals, and what is the same for all neurons once. */
  private prepare(node: Node, force = false): void {
    if (this.locals.has(node) || this.shared.has(node)) return
    if (node.args.length === 0 && !READ.has(node.op)) return
    for (const arg of node.args) this.prepare(arg)
    if (node.level <= Level.Layer) {
      const local = this.local(V128)
      this.once.push(set(local, this.tree(node, 0)))
      this.shared.set(node, Array<number>(this.spec.width).fill(local))
      return
    }
    if (!force && (this.uses.get(node) ?? 0) < 2) return
    const own = this.vectors()
    for (const [lane, local] of own.entries()) this.body.push(set(local, this.tree(node, lane)))
    this.locals.set(node, own)
  }

  /** Leaves of what a turn computes. */
  private leaves: readonly Node[] = []

  private store(to: addresses.Place, node: Node): void {
    // What lies there is read before it is written over.
    for (const leaf of this.leaves) {
      const from = this.spec.places.get(leaf.name)
      if (from?.tensor === to.tensor && from.step === to.step) this.prepare(leaf, true)
    }
    this.prepare(node)
    for (let lane = 0; lane < this.spec.width; lane++) {
      const found = this.tree(node, lane)
      const masked = this.spec.padded && !to.tensor.kept
      const value = masked ? op(Wasm.v128And, this.real(lane), found) : found
      const [address, offset] = this.rowAt(to, lane)
      this.body.push(at(Wasm.v128Store, [address, value], offset))
    }
  }

  /** Low bytes of the words of both vectors. */
  private packed([low, high = low]: readonly number[]): Code {
    const words = op(Wasm.i16x8NarrowI32x4S, get(low), get(high))
    return op(Wasm.i8x16NarrowI16x8U, words, words)
  }

  private storeBytes(address: Code, bytes: Code): Code {
    const store = this.width === 2 ? Wasm.v128Store64Lane : Wasm.v128Store32Lane
    return `${at(store, [address, bytes])}\0`
  }

  private masks({ to, masks, sums }: Extract<Output, { kind: 'masks' }>): void {
    const found = this.vectors()
    for (const [bit, mask] of masks.entries()) {
      this.prepare(mask, true)
      for (const [lane, local] of found.entries()) {
        // Where it is −1: + 2^bit.
        const before = bit ? get(local) : splat(0)
        const one = op(Wasm.i32x4Shl, this.tree(mask, lane), i32(bit))
        this.body.push(set(local, op(Wasm.i32x4Sub, before, one)))
      }
      this.complete(found)
      for (const sum of sums[bit].map(this.spec.lower)) {
        this.prepare(sum, true)
        if (bit === 3) this.complete(this.locals.get(sum) ?? [])
      }
    }
    if (this.spec.padded)
      for (const [lane, local] of found.entries())
        this.body.push(set(local, op(Wasm.v128And, this.real(lane), get(local))))
    const all = get(found[0])
    this.body.push(
      set(found[0], this.packed(found)),
      this.storeBytes(this.pointer(to.tensor, to.step), all),
      this.isLong
        ? this.addTotal(op(Wasm.i8x16Popcnt, all))
        : set(this.counts, op(Wasm.i8x16Add, get(this.counts), op(Wasm.i8x16Popcnt, all))),
    )
  }

  private count(masks: readonly Node[]): void {
    for (const mask of masks) {
      this.prepare(mask)
      for (let lane = 0; lane < this.spec.width; lane++) {
        const found = this.tree(mask, lane)
        const holds = this.spec.padded ? op(Wasm.v128And, this.real(lane), found) : found
        const sum = op(Wasm.i32x4Sub, get(this.counted), holds)
        this.body.push(set(this.counted, sum))
      }
    }
  }

  private compute({ outputs, carry }: Pick<Section, 'outputs' | 'carry'>): Code[] {
    this.body = []
    this.locals = new Map()
    this.pointers = new Map()
    this.uses = new Map()
    const { lower } = this.spec
    const stored = outputs.map((output) =>
      output.kind === 'store'
        ? { ...output, node: lower(output.node) }
        : { ...output, masks: output.masks.map(lower) },
    )
    const nexts = carry.map(([, next]) => lower(next))
    const roots = [
      ...stored.flatMap((output) => (output.kind === 'store' ? [output.node] : output.masks)),
      ...nexts,
    ]
    const nodes = reachable(roots)
    this.leaves = nodes.filter(({ op }) => op === 'leaf')
    for (const node of [...nodes.flatMap(({ args }) => args), ...roots])
      this.uses.set(node, (this.uses.get(node) ?? 0) + 1)
    for (const output of stored)
      if (output.kind === 'masks') this.masks(output)
      else if (output.kind === 'count') this.count(output.masks)
      else this.store(output.to, output.node)
    this.carryOn(
      carry.map(([leaf]) => leaf),
      nexts,
    )
    return this.body
  }

  /** All next values are there before the first leaf changes. */
  private carryOn(leaves: readonly Node[], nexts: readonly Node[]): void {
    for (const next of nexts) this.prepare(next, true)
    const moves: Code[] = []
    for (const [i, leaf] of leaves.entries()) {
      const own = this.shared.get(leaf) ?? this.vectors()
      this.shared.set(leaf, own)
      for (const [lane, local] of own.entries()) {
        const value = this.tree(nexts[i], lane)
        // A leaf that another one becomes must be read before it is written.
        const copy = this.local(V128)
        this.body.push(set(copy, value))
        moves.push(set(local, get(copy)))
      }
    }
    this.body.push(...moves)
  }

  private section(section: Section): Code[] {
    const { times, steps, from, backwards } = section
    if (times === 1) {
      this.turn = { from: i32(from), index: i32(Math.floor(from / 8)) }
      return this.compute(section)
    }
    const [index, done] = [this.int(), this.int()]
    const begin = Math.floor(from / 8)
    this.turn = { from: op(Wasm.i32Mul, get(index), i32(steps)), index: get(index) }
    const body = this.compute(section)
    const move = set(index, add(get(index), i32(backwards ? -1 : 1)))
    const left = tee(done, op(Wasm.i32Sub, get(done), i32(1)))
    const first = i32(backwards ? begin + times - 1 : begin)
    return [set(index, first), set(done, i32(times)), loop([...body, move], left)]
  }

  /** Whether bytes cannot count a neuron's spikes: they are added up at once. */
  private get isLong(): boolean {
    return stepsOf(this.spec) > MOST_IN_BYTE
  }

  /** Adds sums of bytes, which are there twice, or four times. */
  private addTotal(count: Code): Code {
    const sums = op(Wasm.i32x4ExtaddPairwiseI16x8U, op(Wasm.i16x8ExtaddPairwiseI8x16U, count))
    return set(this.total, op(Wasm.i32x4Add, get(this.total), sums))
  }

  private storeCounts(): Code[] {
    const { counts, width } = this.spec
    const count = get(this.counts)
    const out: Code[] = []
    if (!this.isLong) out.push(this.addTotal(count))
    if (counts) {
      this.pointers = new Map()
      this.body = out
      const to = this.pointer(counts.tensor, 0)
      const before = at(width === 2 ? Wasm.v128Load64Zero : Wasm.v128Load32Zero, [to])
      const value = counts.adds
        ? op(Wasm.i8x16Add, count, op(Wasm.v128And, before, this.later()))
        : count
      out.push(this.storeBytes(to, value))
    }
    return out
  }

  /** Runs what is the same for all neurons up to step t. */
  private commonSteps(): void {
    const { common = [], lower } = this.spec
    if (common.length === 0) return
    const left = this.int()
    for (const [leaf, first] of common) {
      const local = this.local(V128)
      this.shared.set(leaf, Array<number>(this.spec.width).fill(local))
      this.once.push(set(local, this.tree(lower(first), 0)))
    }
    const before = this.once.splice(0)
    const nexts = common.map(([, , next]) => lower(next))
    // What one step computes stays within the loop, and is computed again for the steps at hand.
    const outside = new Map(this.shared)
    for (const next of nexts) this.prepare(next)
    const copies = nexts.map((next) => {
      const copy = this.local(V128)
      this.once.push(set(copy, this.tree(next, 0)))
      return copy
    })
    for (const [i, [leaf]] of common.entries())
      this.once.push(set((this.shared.get(leaf) as number[])[0], get(copies[i])))
    const step = this.once.splice(0)
    this.shared.clear()
    for (const [node, own] of outside) this.shared.set(node, own)
    const again = tee(left, op(Wasm.i32Sub, get(left), i32(1)))
    const steps = unless(op(Wasm.i32LeS, get(addresses.T), i32(0)), loop(step, again))
    this.once.push(...before, set(left, get(addresses.T)), steps)
  }

  build(): Code {
    const { spec } = this
    const { start: carry = [] } = spec
    this.commonSteps()
    for (const [leaf] of carry) this.shared.set(leaf, this.vectors())
    this.turn = { from: i32(0), index: i32(0) }
    const start = this.compute({ outputs: [], carry })
    const body = spec.sections.flatMap((section) => this.section(section))
    const has = (kind: Output['kind']): boolean =>
      spec.sections.some(({ outputs }) => outputs.some((output) => output.kind === kind))
    const fires = has('masks')
    const end = fires ? this.storeCounts() : []
    const { pixel } = this
    const { heads, begin, moves } = this.walks(pixel, stepsOf(spec))
    const channel = tee(this.channel, add(get(this.channel), i32(16 * spec.width)))
    const inRow = op(Wasm.i32LtU, channel, this.rowBytes)
    const channels = loop([set(this.counts, splat(0)), ...start, ...body, ...end], inRow)
    const inUnit = op(Wasm.i32LtU, tee(pixel, add(get(pixel), i32(1))), get(addresses.END))
    const pixels = loop([...begin, set(this.channel, i32(0)), channels, ...moves], inUnit)
    const sums = at(Wasm.v128Store, [get(addresses.SCRATCH), get(this.counted)], 0)
    const run = [set(pixel, get(addresses.FIRST)), pixels, ...(has('count') ? [sums] : [])]
    const all = [...this.wordLoads, ...this.once, ...heads, ...run, this.spikes(fires)]
    return functionOf(this.types, all.join(''))
  }

  /** Their sum, which each byte has taken part in twice or four times. */
  private spikes(counted: boolean): Code {
    if (!counted) return i32(0)
    const lane = (index: number): Code =>
      op(Wasm.i32x4ExtractLane, get(this.total)) + String.fromCharCode(index)
    const sum = add(add(lane(0), lane(1)), add(lane(2), lane(3)))
    return op(Wasm.i32ShrU, sum, i32(this.spec.width === 2 ? 1 : 2))
  }
}

/**
 * @returns function (record, first, end, t, scratch) → spikes: runs the pixels first … end − 1, of
 *   which there is one at least
 */
export const kernel = (spec: KernelSpec): Code => new Emitter(spec).build()
