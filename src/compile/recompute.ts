/**
 * Activations that are not kept for the backward pass (`gradientCheckpoint`): where it reads one,
 * the records that made it are emitted once more, into memory of its own. What neurons fired is
 * kept, a bit for each step, so that every layer of neurons is a checkpoint. The largest ones are
 * made for a part of the images at a time.
 *
 * Layers say how they make a tensor (`Pass.make`) and read it backward as if it were still there.
 */

import type { Access } from '../kernels/records/schema.js'
import { type Buffer, type Reference, ref } from '../kernels/records/words.js'
import type { ProgramBuilder } from './program.js'

/** Layers of weights that may run again for one tensor. What needs more is kept. */
const MOST_LAYERS = 2
/** Tensors without such layers that may be made one of the other: each waits for those before. */
const LONGEST_CHAIN = 100
/** Parts of a batch. */
const PARTS = 8
/** Share of the memory at the busiest moment that may be filled: full memory leaves gaps. */
const FILLED = 0.95

/** How a tensor is made. */
export interface Making {
  /** Layers of weights that run for it. */
  readonly layers: 0 | 1
  /** Whether it can be made for a part of the images: `Pass.images`, from `Part.first` on. */
  readonly byImages: boolean
}

/** Some of the images. */
export interface Part {
  readonly first: number
  readonly images: number
}

/**
 * What saves time and takes memory that is free anyway. A first plan without any of it tells how
 * much is free at each record; the first that fit are chosen. `kept`: tensors that are kept;
 * `whole`: those that are made for all images at once; `gradients`: gradients that are.
 */
export type Choices = Readonly<Record<'kept' | 'whole' | 'gradients', ReadonlySet<number>>>

/** Least memory. */
export const noChoices: Choices = { kept: new Set(), whole: new Set(), gradients: new Set() }

/** Records from one to another. */
interface Span {
  first: number
  last: number
}

interface Recipe {
  readonly buffer: Buffer
  /** Its place among all tensors that were made; the same in each lowering of a graph. */
  readonly ordinal: number
  /** Layers of weights that run for it, those of its sources included. */
  readonly layers: number
  /** Tensors that are made one of the other before it is there. */
  readonly chain: number
  readonly byImages: boolean
  emit(): void
  /** Where the backward pass has it: all of it, or a part. */
  again?: Buffer
  part?: { readonly of: Part; readonly buffer: Buffer }
  /** When the backward pass reads it. */
  span?: Span
}

/** A gradient that is written in parts. */
export interface PartedGradient {
  readonly ordinal: number
  readonly bytes: number
  readonly span: Span
}

export class Remade {
  private readonly recipes = new Map<Buffer, Recipe>()
  private readonly gradients: PartedGradient[] = []
  /** Bytes of an image, of what has images. */
  private readonly imageBytes = new Map<Buffer, number>()
  private made = 0
  private askedGradients = 0
  /** What the records emitted now read of what can be made again. */
  private sources = new Set<Recipe>()
  /** The images that records are emitted for, where it is not all. */
  part: Part | undefined

  constructor(
    private readonly b: ProgramBuilder,
    private readonly choices: Choices,
  ) {
    b.placeOf = (place, use) => this.placeOf(place, use)
  }

  /** Says that a buffer holds images one behind the other (in each plane, if it has such). */
  holdsImages(buffer: Buffer, imageBytes: number): void {
    // What a part of the images makes is its own.
    if (!this.part) this.imageBytes.set(buffer, imageBytes)
  }

  /** Bytes of an image in a buffer, where it holds such. */
  bytesOf(buffer: Buffer): number | undefined {
    return this.imageBytes.get(buffer)
  }

  /**
   * Emits what writes a tensor, and remembers it for the backward pass. It must depend on nothing
   * that the forward pass changes later.
   */
  make<T>(buffer: Buffer, making: Making, emit: (again: boolean) => T): T {
    const { b, choices } = this
    const before = this.sources
    this.sources = new Set()
    const result = emit(false)
    let [layers, chain]: number[] = [making.layers, 1]
    for (const source of this.sources) {
      layers += source.layers
      chain = Math.max(chain, source.chain + 1)
    }
    this.sources = before
    const ordinal = this.made++
    const isNear = layers <= MOST_LAYERS && chain <= LONGEST_CHAIN
    if (isNear && !choices.kept.has(ordinal)) {
      const again = b.later(() => void emit(true))
      const byImages = making.byImages && !choices.whole.has(ordinal)
      this.recipes.set(buffer, { buffer, ordinal, layers, chain, byImages, emit: again })
    }
    return result
  }

  /** Emits for each part of the images if tensors among those that it reads are made so. */
  byImages(
    images: number,
    reads: readonly (Buffer | undefined)[],
    emit: (first: number) => void,
  ): void {
    const parted = reads.some((buffer) => {
      const recipe = buffer && this.recipes.get(buffer)
      return recipe?.byImages && !recipe.again
    })
    if (parted) this.inParts(images, emit)
    else emit(0)
  }

  /**
   * Emits for each part of the images. A gradient that is written so need not have a buffer of its
   * own beside what it is made from.
   */
  inParts(images: number, emit: (first: number) => void): void {
    const most = partImages(images)
    for (let first = 0; first < images; first += most)
      this.inPart({ first, images: Math.min(most, images - first) }, () => emit(first))
  }

  /** Emits for some of the images; undefined: for all. */
  inPart<T>(part: Part | undefined, emit: () => T): T {
    const before = this.part
    this.part = part
    const result = emit()
    this.part = before
    return result
  }

  /** Has a gradient written in parts by `write`, if that is there and it is to be. */
  partGradient(bytes: number, images: number, write?: () => void): PartedGradient | undefined {
    const ordinal = this.askedGradients++
    if (!write || images === 1 || this.choices.gradients.has(ordinal)) return undefined
    const first = this.b.now
    write()
    const gradient = { ordinal, bytes, span: { first, last: this.b.now - 1 } }
    this.gradients.push(gradient)
    return gradient
  }

  /** The memory that a record means by a place. */
  private placeOf(place: Reference, use: Access['use']): Reference {
    const recipe = this.recipes.get(place.buffer)
    if (!recipe) return this.ofPart(place)
    if (this.b.phase === 'forward') {
      if (use === 'reads') this.sources.add(recipe)
      return place
    }
    recipe.span ??= { first: this.b.now, last: this.b.now }
    const again = this.part && recipe.byImages ? this.partOf(recipe, this.part) : undefined
    const made = again ? { ...place, buffer: again } : this.ofPart(this.wholeOf(recipe, place))
    recipe.span.last = this.b.now
    return made
  }

  /** The same place of the images of now. */
  private ofPart({ buffer, offset }: Reference): Reference {
    const bytes = this.part && this.imageBytes.get(buffer)
    return bytes ? ref(buffer, offset + bytes * (this.part as Part).first) : { buffer, offset }
  }

  /** A part, unless all of it is there. */
  private partOf(recipe: Recipe, part: Part): Buffer | undefined {
    if (recipe.again) return undefined
    if (recipe.part?.of === part) return recipe.part.buffer
    const { name } = recipe.buffer
    const bytes = (this.imageBytes.get(recipe.buffer) as number) * part.images
    const buffer = this.b.buffer(`${name} again, from image ${part.first}`, bytes)
    recipe.part = { of: part, buffer }
    recipe.emit()
    return buffer
  }

  private wholeOf(recipe: Recipe, { offset }: Reference): Reference {
    if (!recipe.again) {
      const { name, bytes } = recipe.buffer
      const again = this.b.buffer(`${name} again`, bytes)
      recipe.again = again
      this.inPart(undefined, () => {
        this.holdsImages(again, this.imageBytes.get(recipe.buffer) as number)
        recipe.emit()
      })
    }
    return ref(recipe.again, offset)
  }

  /**
   * What could take more memory without taking more at the busiest moment: mostly in the last
   * layers, which are smaller and which the backward pass reads first.
   */
  choicesThatFit(images: number): Choices {
    const { buffers, now } = this.b
    const alive = new Float64Array(now)
    for (const { first, last, bytes, persistent } of buffers)
      if (!persistent) for (let t = first; t <= last; t++) alive[t] += bytes
    const most = FILLED * alive.reduce((a, b) => Math.max(a, b), 0)
    const takes = (first: number, last: number, bytes: number): boolean => {
      const during = alive.subarray(first, last + 1)
      if (during.some((others) => others + bytes > most)) return false
      for (let t = 0; t < during.length; t++) during[t] += bytes
      return true
    }
    const rest = (bytes: number): number => bytes * (1 - partImages(images) / images)
    const kept = new Set<number>()
    const whole = new Set<number>()
    const read = [...this.recipes.values()].filter((recipe) => recipe.span).reverse()
    for (const { buffer, ordinal, byImages, span } of read) {
      const { first, last } = span as Span
      const more = byImages ? rest(buffer.bytes) : 0
      if (takes(buffer.last + 1, byImages ? last : first - 1, buffer.bytes)) kept.add(ordinal)
      else if (byImages && takes(first, last, more)) whole.add(ordinal)
    }
    const fitting = this.gradients.filter(({ bytes, span }) =>
      takes(span.first, span.last, rest(bytes)),
    )
    return { kept, whole, gradients: new Set(fitting.map(({ ordinal }) => ordinal)) }
  }
}

/** Images of a part of so many. */
export const partImages = (images: number): number => Math.ceil(images / PARTS)
