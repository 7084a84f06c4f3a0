/**
 * When images run one by one instead of as a padded batch. The rule is one of shapes, never of
 * timing, so that results repeat.
 */

import { sizeOf } from '../nn/value.js'
import { roundUp } from '../round-up.js'
import type { Parameter, PlanOptions } from './context.js'
import type { PlannedProgram } from './program.js'
import { workersOf } from './work.js'

/** Rows that the dense kernels compute together: for fewer they take as long. */
const TILE_ROWS = 5
/** Standardised weights are made anew in each run, in about the time of so many rows. */
const STANDARDISE_ROWS = 4
/**
 * `most`: up to so many images of a batch that is not full run one by one; 0 where none do.
 *
 * @param passImages images of a run of the program `evaluate`
 * @param programs of the plan; without one for one image, runs of `evaluate` may have one image
 */
export function singlesOf(
  { graph, batchSize }: PlanOptions,
  parameters: readonly Parameter[],
  passImages: number,
  programs: readonly Pick<PlannedProgram, 'name' | 'sections'>[],
  workers: number,
) {
  const named = (name: string) => programs.find((program) => program.name === name)
  const [evaluate, single] = [named('evaluate'), named('single')]
  if (batchSize === 1) return { most: 0 }
  if (passImages === 1 && evaluate) return { most: batchSize - 1 }
  if (!single) return { most: 0 }
  const weights = parameters.filter(({ layout }) => layout.shape.length > 1)
  /** Products of each image in runs of so many. */
  const productsIn = (images: number): number =>
    weights.reduce((sum, { node, layout }) => {
      const { shape, layer } = graph.nodes[node]
      const standardised = layer && 'standardise' in layer && layer.standardise
      const pixels = roundUp(images * shape[1] * shape[2], TILE_ROWS)
      const rows = pixels + (standardised ? STANDARDISE_ROWS : 0)
      return sum + (sizeOf(layout.shape) * rows) / images
    }, 0)
  // A batch takes as long as so many single images, if as many workers run it.
  const worth = (batchSize * productsIn(passImages)) / productsIn(1)
  const fewer = workersOf(single, workers) / (evaluate ? workersOf(evaluate, workers) : 1)
  return { most: Math.max(1, Math.min(batchSize - 1, Math.floor(worth * fewer))) }
}
