/**
 * When images run one by one instead of as a padded batch, and on how many threads. The rule is one
 * of shapes, never of timing, so that results repeat.
 */

import { roundUp } from '../round-up.js'
import type { Parameter, PlanOptions } from './context.js'
import type { PlannedProgram } from './program.js'

export interface Singles {
  /** Up to so many images of a batch that is not full run one by one; 0 where none do. */
  readonly most: number
  /**
   * Whether one thread runs them while the others sleep: where little is computed, workers would
   * wait for each other for longer.
   */
  readonly alone: boolean
}

/** Rows that the dense kernels compute together: for fewer they take as long. */
const TILE_ROWS = 5
/** Standardised weights are made anew in each run, in about the time of so many rows. */
const STANDARDISE_ROWS = 4
/**
 * Products of an image over all steps, were all neurons to fire, up to which one thread is faster:
 * `cnn` on 28×28 has 10⁷ and takes a third of the time of two threads, `vgg11` on 32×32 has 6·10⁸
 * and takes 1.7 times as long.
 */
const ALONE_PRODUCTS = 2 ** 26

/**
 * @param passImages images of a run of the program `evaluate`
 * @param programs of the plan; without one for one image, runs of `evaluate` may have one image
 */
export function singlesOf(
  { graph, timeSteps, batchSize }: PlanOptions,
  parameters: readonly Parameter[],
  passImages: number,
  programs: readonly Pick<PlannedProgram, 'name'>[],
  workers: number,
): Singles {
  const has = (name: string): boolean => programs.some((program) => program.name === name)
  const onePass = passImages === 1 && has('evaluate')
  if (batchSize === 1 || !(onePass || has('single'))) return { most: 0, alone: false }
  const weights = parameters.filter(({ layout }) => layout.shape.length > 1)
  /** Products of each image in runs of so many. */
  const productsIn = (images: number): number =>
    weights.reduce((sum, { node, layout }) => {
      const { shape, layer } = graph.nodes[node]
      const standardised = layer && 'standardise' in layer && layer.standardise
      const rows =
        roundUp(images * shape[1] * shape[2], TILE_ROWS) + (standardised ? STANDARDISE_ROWS : 0)
      return sum + (layout.shape.reduce((a, b) => a * b, 1) * rows) / images
    }, 0)
  const alone = workers === 1 || productsIn(passImages) * timeSteps <= ALONE_PRODUCTS
  if (onePass) return { most: batchSize - 1, alone }
  // A batch takes as long as so many single images.
  const worth = (batchSize * productsIn(passImages)) / productsIn(1) / (alone ? workers : 1)
  return { most: Math.max(1, Math.min(batchSize - 1, Math.floor(worth))), alone }
}
