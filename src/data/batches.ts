/** Batches of a data set, gathered into arrays of the caller. */
import { checkInteger, describe, fail } from '../base/errors.js'
import { isThenable } from '../base/objects.js'
import { permutation } from '../base/random.js'
import { complete, integer, type Rules, truth } from '../base/rules.js'
import { eachPart, layDown, type SampleParts } from '../engine/run/run-words.js'
import { checkInputShape, imageShape } from '../network/value.js'
import {
  type Dataset,
  expectDataset,
  MOST_CLASSES,
  type ReadContext,
  sampleFloats,
  type TargetSource,
} from './datasets/dataset.js'

/** Options of `Batches`. */
export interface BatchesOptions {
  /** B, samples of a batch, an integer ≥ 1. */
  readonly batchSize: number
  /**
   * True: a new random order in each epoch, and the data set augments if it can. False, the
   * default: the order of the data set, without augmentation.
   */
  readonly training?: boolean
  /** Integer from 0 to 2³² − 1; default 0. With the epoch it decides order and augmentation. */
  readonly seed?: number
  /** Leaves out the last batch of an epoch if it is not full; default false. */
  readonly dropLast?: boolean
}

/**
 * The batches of one epoch after another. `fill` depends on the epoch and the batch index alone, so
 * a training loop may fill one batch ahead, skip batches, or resume anywhere.
 *
 * ```ts
 * const batches = new Batches(train, { batchSize: 64, training: true, seed: 0 })
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   batches.startEpoch(epoch)
 *   for (let batch = 0; batch < batches.length; batch++) {
 *     const count = batches.fill(batch, images, labels)
 *   }
 * }
 * ```
 */
export class Batches {
  /** Number of batches of an epoch. */
  readonly length: number
  /** B, samples of a batch. */
  readonly batchSize: number
  private readonly sampleSize: number
  private readonly asked: Required<BatchesOptions>
  private readonly sample: Float32Array
  private readonly target: Float32Array
  /** Order of the epoch; made when a batch of it is needed. */
  private order: Uint32Array | undefined
  private context: ReadContext | undefined
  /** Parts of a sample that is to lie as in a model's slots. */
  private readonly parts: SampleParts | undefined

  /** Starts at epoch 0. @throws SpikewasmError when an option is wrong or leaves no batch */
  constructor(
    /** Where the samples come from. */
    readonly dataset: Dataset,
    options: BatchesOptions,
    /** @internal How a sample lies in `images`: as it is read, or as a model's slots have it. */
    layout: 'samples' | 'slots' = 'samples',
  ) {
    const rules: Rules<Required<BatchesOptions>> = {
      batchSize: integer(1),
      training: truth(false),
      seed: integer(0, 2 ** 32 - 1, 0),
      dropLast: truth(false),
    }
    this.asked = complete('batches', rules, options)
    const { batchSize, dropLast } = this.asked
    expectDataset('the data', dataset)
    const least = dataset.targets ? 0 : 1
    checkInteger(`the data ${dataset.name}: classes`, dataset.classes, least, MOST_CLASSES)
    this.batchSize = batchSize
    const shape = checkInputShape(`the data ${dataset.name}: shape`, dataset.shape)
    const { timeSteps = 1 } = dataset
    this.sampleSize = sampleFloats(dataset)
    const parts = Object.values(dataset.inputs ?? { shape }).map((of): SampleParts[number] => {
      const [channels, height, width] = imageShape(of)
      return [timeSteps * channels, height * width]
    })
    const isPlain = parts.length === 1 && parts[0][0] === 1
    this.parts = layout === 'slots' && !isPlain ? parts : undefined
    this.sample = new Float32Array(this.sampleSize)
    this.target = new Float32Array(dataset.targets?.size ?? 0)
    this.length = dropLast
      ? Math.floor(dataset.length / batchSize)
      : Math.ceil(dataset.length / batchSize)
    if (this.length === 0) {
      const got = `${batchSize} for the ${dataset.length} samples of "${dataset.name}"`
      fail(
        `batches.batchSize must leave at least one batch, got ${got}; make it ` +
          `smaller${dropLast ? ' or set dropLast to false' : ''}`,
      )
    }
    this.startEpoch(0)
  }

  /**
   * Goes to the order of an epoch.
   * @param epoch integer ≥ 0
   * @throws SpikewasmError when it is out of range
   */
  startEpoch(epoch: number): void {
    checkInteger('batches.startEpoch: epoch', epoch, 0)
    const { training, seed } = this.asked
    if (!training || epoch === this.context?.epoch) return
    this.order = undefined
    this.context = { seed, epoch }
  }

  /**
   * For data sets with a `prepare`: gets the samples of a batch, before `fill`. Others have none.
   * @throws SpikewasmError when `batchIndex` is out of range
   */
  prepare(batchIndex: number): Promise<void> | undefined {
    const { dataset, context } = this
    if (!dataset.prepare) return undefined
    const [begin, count] = this.rangeOf('prepare', batchIndex)
    const order = this.orderOf()
    const all = Array.from({ length: count }, (_, i) => order?.[begin + i] ?? begin + i)
    return dataset.prepare(all, context)
  }

  /** The first place of a batch in the order of the epoch, and its samples. */
  private rangeOf(method: string, batchIndex: number): [number, number] {
    checkInteger(`batches.${method}: batchIndex`, batchIndex, 0, this.length - 1)
    const begin = batchIndex * this.batchSize
    return [begin, Math.min(this.batchSize, this.dataset.length - begin)]
  }

  private orderOf(): Uint32Array | undefined {
    const { context, dataset } = this
    if (context) this.order ??= permutation(dataset.length, context.seed, context.epoch)
    return this.order
  }

  /**
   * Gathers batch `batchIndex` of the epoch.
   *
   * @param images [B][C][H][W], of frames [B][T][C][H][W], normalised: as `trainStep` takes them;
   *   places behind the last sample of the data set become 0
   * @param labels [B]; places behind the last sample become 0
   * @param targets [B][numbers of a sample], likewise; left out where they are not needed
   * @param weights [B], of samples; 1 where the data have none; likewise
   * @returns the number of samples: B, or less for the last batch
   * @throws SpikewasmError when `batchIndex` is out of range, or the data set gives a label that is
   *   not an integer in 0 … classes − 1; RangeError when an array is too short
   */
  fill(
    batchIndex: number,
    images: Float32Array,
    labels: Int32Array,
    targets?: Float32Array,
    weights?: Float32Array,
  ): number {
    const { batchSize, sampleSize, sample, context, dataset } = this
    const [begin, count] = this.rangeOf('fill', batchIndex)
    if (images.length < batchSize * sampleSize || labels.length < batchSize) {
      const needed = `${batchSize * sampleSize} values and ${batchSize} labels`
      throw new RangeError(
        `batches.fill: images and labels must have room for ${needed}, got ` +
          `${images.length} and ${labels.length}`,
      )
    }
    const source = targets && this.targetsFor(targets)
    const order = this.orderOf()
    for (let i = 0; i < count; i++) {
      // Read into an array of one sample, then copied: a view into `images` would be a new object
      // for each sample.
      const index = order ? order[begin + i] : begin + i
      const label = dataset.read(index, sample, context)
      // Checked here: an array of integers would cut 2.5 to 2.
      const isFree = dataset.targets !== undefined && dataset.classes === 0
      if (!isFree && !(Number.isInteger(label) && label >= 0 && label < dataset.classes)) {
        expectNoPromise(dataset, label)
        const range = `labels must be integers from 0 to ${dataset.classes - 1}`
        fail(`the data ${dataset.name}: ${range}, got ${describe(label)} at index ${index}`)
      }
      labels[i] = isFree ? 0 : label
      if (this.parts) layDown(images, batchSize, i, sample, 0, this.parts)
      else images.set(sample, i * sampleSize)
      if (targets && source) {
        source.read(index, this.target)
        targets.set(this.target, i * source.size)
      }
      if (weights) weights[i] = dataset.weightOf?.(index) ?? 1
    }
    if (targets && source) targets.fill(0, count * source.size)
    eachPart(this.parts ?? [[1, sampleSize]], (at, size) => {
      images.fill(0, at * batchSize + count * size, (at + size) * batchSize)
    })
    labels.fill(0, count, batchSize)
    weights?.fill(0, count, batchSize)
    return count
  }

  /** The targets of the data set, for an array of a batch. */
  private targetsFor(targets: Float32Array): TargetSource {
    const { dataset, batchSize } = this
    const source = dataset.targets
    if (source === undefined) fail(`the data ${dataset.name} has no targets; fromArrays takes them`)
    if (targets.length < batchSize * source.size)
      throw new RangeError(
        `batches.fill: targets must have room for ${batchSize * source.size} values, got ` +
          targets.length,
      )
    return source
  }
}

/** @throws SpikewasmError for what an async `read` gives */
function expectNoPromise({ name }: Dataset, label: unknown): void {
  if (!isThenable(label)) return
  // It may fail later, when nobody listens.
  Promise.resolve(label).catch(() => undefined)
  fail(
    `the data ${name}: read must give a label, got a promise; get samples in ` +
      'prepare(indices), which is awaited before a batch is read, and take them from there in read',
  )
}
