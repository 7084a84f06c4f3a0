/**
 * Activations that are not kept for the backward pass (`gradientCheckpoint`): where it reads one,
 * the records that made it are emitted once more, into memory of its own. What neurons fired is
 * kept, a bit for each step, so that every layer of neurons is a checkpoint.
 *
 * Layers say how they make a tensor (`Pass.made`) and read it backward as if it were still there.
 */

import type { ProgramBuilder } from './program.js'
import type { Access } from './records/schema.js'
import type { Buffer } from './words.js'

/** Layers of weights that may run again for one tensor. What needs more is kept. */
const MOST_LAYERS = 2

interface Recipe {
  readonly buffer: Buffer
  /** Its place among all tensors that were made; the same in each lowering of a graph. */
  readonly ordinal: number
  /** Layers of weights that run for it, those of its sources included. */
  readonly layers: number
  emit(): void
  /** Where the backward pass has it. */
  again?: Buffer
}

export class Remade {
  private readonly recipes = new Map<Buffer, Recipe>()
  private made = 0
  /** What the records emitted now read of what can be made again. */
  private sources = new Set<Recipe>()

  /** @param kept ordinals of tensors that are kept all the same */
  constructor(
    private readonly b: ProgramBuilder,
    private readonly kept: ReadonlySet<number>,
  ) {
    b.placeOf = (buffer, use) => this.placeOf(buffer, use)
  }

  /**
   * Emits what writes a tensor, and remembers it for the backward pass. It must depend on nothing
   * that the forward pass changes later.
   *
   * @param layers of weights that it runs
   */
  make<T>(buffer: Buffer, layers: number, emit: (again: boolean) => T): T {
    const { b } = this
    const before = this.sources
    this.sources = new Set()
    const result = emit(false)
    const all = [...this.sources].reduce((sum, source) => sum + source.layers, layers)
    this.sources = before
    const ordinal = this.made++
    if (all <= MOST_LAYERS && !this.kept.has(ordinal)) {
      const again = b.later(() => void emit(true))
      this.recipes.set(buffer, { buffer, ordinal, layers: all, emit: again })
    }
    return result
  }

  /** The memory that a record means by a buffer. */
  private placeOf(buffer: Buffer, use: Access['use']): Buffer {
    const recipe = this.recipes.get(buffer)
    if (!recipe) return buffer
    if (this.b.phase === 'forward') {
      if (use === 'reads') this.sources.add(recipe)
      return buffer
    }
    if (!recipe.again) {
      recipe.again = this.b.buffer(`${buffer.name} again`, buffer.bytes)
      recipe.emit()
    }
    return recipe.again
  }

  /**
   * Ordinals of the tensors that could have been kept without more memory at the busiest moment:
   * mostly those of the last layers, which the backward pass reads first. Nothing need run again
   * for them.
   */
  freeToKeep(): ReadonlySet<number> {
    const { buffers, now } = this.b
    const alive = new Float64Array(now)
    for (const { first, last, bytes, persistent } of buffers)
      if (!persistent) for (let t = first; t <= last; t++) alive[t] += bytes
    const most = alive.reduce((a, b) => Math.max(a, b), 0)
    const free = new Set<number>()
    for (const { buffer, again, ordinal } of [...this.recipes.values()].reverse()) {
      if (!again) continue
      const between = alive.subarray(buffer.last + 1, again.first)
      if (between.some((bytes) => bytes + buffer.bytes > most)) continue
      for (let t = 0; t < between.length; t++) between[t] += buffer.bytes
      free.add(ordinal)
    }
    return free
  }
}
