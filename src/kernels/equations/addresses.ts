/** Where a kernel finds its tensors: addresses that move on from pixel to pixel. */

import {
  add,
  at,
  type Code,
  drop,
  get,
  I32,
  i32,
  loop,
  op,
  set,
  splat,
  tee,
  V128,
  vector,
  Wasm,
} from './code.js'
import type { Node } from './graph.js'

/** A number of bytes: so many rows of float32 channels, or what a word of the record says. */
export type Amount = { readonly rows: number } | { readonly word: number }

/**
 * Floats or bytes [pixels][…][C] whose address is in a word of the record. Without `pixel` all
 * pixels read the same, without `step` all steps do.
 */
export interface Tensor {
  readonly word: number
  readonly pixel?: Amount
  readonly step?: Amount
  /** One byte for each channel, and one plane for eight steps. */
  readonly bytes?: boolean
  /** Behind so many tensors of one row a pixel. */
  readonly plane?: number
  /** Bytes before it, behind the address. */
  readonly offset?: number
  /** All images have the same. */
  readonly image?: boolean
  /** Steps are those of all calls: so many as t says came before. */
  readonly whole?: boolean
  /** In the worker's scratch: one vector for each row and turn, for the channels at hand. */
  readonly kept?: boolean
}

/** A row of a tensor at a step of a turn. */
export interface Place {
  readonly tensor: Tensor
  readonly step: number
  readonly row?: number
}

/** Sizes that all kernels read. */
export interface SizeWords {
  readonly pixels: number
  readonly channels: number
  readonly realChannels: number
  readonly imagePixels: number
}

/** The function's parameters are its first locals. */
export const [REC, FIRST, END, T, SCRATCH] = [0, 1, 2, 3, 4]
const PARAMETERS = 5

export class Addresses {
  /** Types of locals. */
  protected types = ''
  private readonly loaded = new Map<number, number>()
  protected readonly wordLoads: Code[] = []
  private readonly constants = new Map<number, number>()
  private readonly bases = new Map<Tensor, number>()
  protected readonly channel: number
  protected readonly pixel: number
  protected body: Code[] = []
  protected pointers = new Map<Tensor, Map<number, number>>()
  protected turn: { from: Code; index: Code } = { from: i32(0), index: i32(0) }

  /** @param width vectors at once */
  constructor(
    protected readonly width: number,
    protected readonly words: SizeWords,
  ) {
    this.channel = this.int()
    this.pixel = this.int()
  }

  protected local(type: string): number {
    this.types += type
    return PARAMETERS + this.types.length - 1
  }

  protected int(): number {
    return this.local(I32)
  }

  protected vectors(): number[] {
    return Array.from({ length: this.width }, () => this.local(V128))
  }

  /** The local of a key, which `begin` fills where it is new. */
  private localOf<K>(
    known: Map<K, number>,
    key: K,
    type: string,
    begin: (local: number) => void = () => {},
  ): Code {
    const found = known.get(key)
    if (found !== undefined) return get(found)
    const local = this.local(type)
    known.set(key, local)
    begin(local)
    return get(local)
  }

  /** A word of the record, which is loaded once. */
  protected word(index: number): Code {
    return this.localOf(this.loaded, index, I32, (local) =>
      this.wordLoads.push(set(local, at(Wasm.i32Load, [get(REC)], index * 4))),
    )
  }

  /** The same in each lane. V8 of Node 24 makes a constant where it is written: in no loop. */
  protected constant(value: number): Code {
    if (value === 0 || value === -1) return splat(value)
    return this.localOf(this.constants, value, V128, (local) =>
      this.wordLoads.push(set(local, splat(value))),
    )
  }

  /** Bytes of a row of float32. */
  protected get rowBytes(): Code {
    return op(Wasm.i32Shl, this.word(this.words.channels), i32(2))
  }

  protected bytes(amount: Amount): Code {
    return 'word' in amount
      ? this.word(amount.word)
      : op(Wasm.i32Mul, this.rowBytes, i32(amount.rows))
  }

  /** Where a tensor's pixel begins, which moves on from pixel to pixel. */
  private base(tensor: Tensor): Code {
    return this.localOf(this.bases, tensor, I32)
  }

  private planeOf({ word, plane = 0, offset = 0 }: Tensor): Code {
    const address = offset ? add(this.word(word), i32(offset)) : this.word(word)
    if (plane === 0) return address
    const bytes = op(Wasm.i32Mul, this.word(this.words.pixels), this.rowBytes)
    return add(address, op(Wasm.i32Mul, bytes, i32(plane)))
  }

  /** Bytes from a pixel to the next. */
  private pixelBytes({ bytes, pixel }: Tensor): Code | undefined {
    if (bytes) return this.word(this.words.channels)
    return pixel && this.bytes(pixel)
  }

  /** Number of a step of the turn; with `down` t is how many steps come behind. */
  protected step({ value, name }: Node): Code {
    const now = add(this.turn.from, i32(value))
    return op(Wasm.i32x4Splat, name === 'down' ? op(Wasm.i32Sub, now, get(T)) : add(now, get(T)))
  }

  /** Whether a step of the turn is not the first one of a segment. */
  protected within({ value, name: segment }: Node): Code {
    const step = add(this.turn.from, i32(value))
    const isWithin = op(Wasm.i32GtS, op(Wasm.i32RemU, step, i32(Number(segment))), i32(0))
    return op(Wasm.i32x4Splat, op(Wasm.i32Sub, i32(0), isWithin))
  }

  /** Numbers of four neurons in their batch, or in their image: pixel · channels + channel. */
  protected neuron({ name }: Node, lane: number): Code {
    const { imagePixels, channels } = this.words
    const pixel = get(this.pixel)
    const own = name === 'image' ? op(Wasm.i32RemU, pixel, this.word(imagePixels)) : pixel
    const channel = op(Wasm.i32ShrU, get(this.channel), i32(2))
    const first = add(op(Wasm.i32Mul, own, this.word(channels)), channel)
    const lanes = vector([0, 1, 2, 3].map((i) => i + 4 * lane))
    return op(Wasm.i32x4Add, op(Wasm.i32x4Splat, first), lanes)
  }

  /** Address of a tensor's channels at a step of the turn. */
  protected pointer(tensor: Tensor, step: number): Code {
    const own = this.pointers.get(tensor) ?? new Map<number, number>()
    this.pointers.set(tensor, own)
    return this.localOf(own, step, I32, (local) =>
      this.body.push(set(local, this.addressOf(tensor, step))),
    )
  }

  private addressOf(tensor: Tensor, step: number): Code {
    const { from, index } = this.turn
    if (tensor.kept) {
      const { rows } = tensor.pixel as { rows: number }
      return add(get(SCRATCH), op(Wasm.i32Mul, index, i32(rows * 16 * this.width)))
    }
    const channel = get(this.channel)
    const here = add(this.base(tensor), tensor.bytes ? op(Wasm.i32ShrU, channel, i32(2)) : channel)
    if (!tensor.step) return here
    const before = step > 0 ? this.pointers.get(tensor)?.get(step - 1) : undefined
    if (before !== undefined) return add(get(before), this.bytes(tensor.step))
    const ofCall = add(from, i32(step))
    const steps = tensor.whole ? add(ofCall, get(T)) : ofCall
    const rows = tensor.bytes ? op(Wasm.i32ShrU, steps, i32(3)) : steps
    return add(here, op(Wasm.i32Mul, rows, this.bytes(tensor.step)))
  }

  private offset({ tensor, row = 0 }: Place, lane: number): number {
    return (tensor.kept ? row * this.width + lane : lane) * 16
  }

  /** Address and offset of a row. */
  protected rowAt(place: Place, lane: number): [Code, number] {
    const { tensor, step, row = 0 } = place
    const pointer = this.pointer(tensor, step)
    const offset = this.offset(place, lane)
    if (row === 0 || tensor.kept) return [pointer, offset]
    return [add(pointer, op(Wasm.i32Mul, this.rowBytes, i32(row))), offset]
  }

  /**
   * Where V8 has the choice, operations of which little follows come last: sums over steps behind
   * all steps, in whose vectors registers run out. What is stored comes before the next access to
   * memory. Nobody reads it.
   */
  protected complete(locals: readonly number[]): void {
    for (const local of locals) this.body.push(at(Wasm.v128Store, [get(SCRATCH), get(local)]))
  }

  /**
   * Reads a line of all that a pixel has of a tensor: in order it comes faster than step by step.
   */
  private touch({ bytes, kept, whole, pixel, step }: Tensor, base: number): Code[] {
    if (bytes || kept || whole || !pixel || !step) return []
    const here = this.int()
    const end = this.int()
    const line = drop(at(Wasm.i32Load, [get(here)]))
    const next = tee(here, add(get(here), i32(64)))
    return [
      set(here, get(base)),
      set(end, add(get(base), this.bytes(pixel))),
      loop([line], op(Wasm.i32LtU, next, get(end))),
    ]
  }

  /** Where tensors begin before the first of the pixels; of each pixel; and on to the next. */
  protected walks(pixel: number, steps: number) {
    const [heads, begin, moves]: Code[][] = [[], [], []]
    for (const [tensor, local] of this.bases) {
      if (tensor.image) {
        const within = op(Wasm.i32RemU, get(pixel), this.word(this.words.imagePixels))
        const offset = op(Wasm.i32Mul, within, this.rowBytes)
        begin.push(set(local, add(this.planeOf(tensor), offset)))
        continue
      }
      const bytes = this.pixelBytes(tensor)
      const address = this.planeOf(tensor)
      const first = bytes && op(Wasm.i32Mul, get(FIRST), bytes)
      heads.push(set(local, first ? add(address, first) : address))
      if (bytes) moves.push(set(local, add(get(local), bytes)))
    }
    // Where a step is all there is, only its lines are read.
    if (steps > 1)
      for (const [tensor, local] of this.bases) begin.push(...this.touch(tensor, local))
    return { heads, begin, moves }
  }
}
