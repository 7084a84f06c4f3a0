/** `fitRounds`: trains a model in rounds of replicas. */

import { describe, fail } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { alone } from '../../engine/threads/calls.js'
import type { Model } from '../../model/model.js'
import { fit } from '../../train/fit.js'
import type { InRounds } from '../../train/loop.js'
import { type FitOptions, ownFitOptions } from '../../train/options.js'
import type { History } from '../../train/records.js'
import { type RoundInfo, RoundsLoop } from './loop.js'
import { type Rounds, type RoundsSetting, refuseOfFit, roundsSetting } from './options.js'
import { batchesOf, type Crew, type CrewFor, keptOf, localCrew, stepsOf } from './replica.js'

/** Options of `fitRounds`: those of `fit`, and how it is divided into rounds. */
export interface FitRoundsOptions extends FitOptions {
  /** How many replicas there are, and how often they are averaged. */
  rounds: Rounds
  /** Called after each round; awaited. */
  onRound?: (info: RoundInfo) => unknown
}

/** Makes who does the work. */
export type CrewMaker = (of: CrewFor) => Crew

/**
 * Trains a model as `fit` does, by data-parallel local SGD (DiLoCo, arXiv 2311.08105): K replicas
 * train H steps each on their own batches, then an outer step with Nesterov momentum takes their
 * mean change, and the next round begins with the new weights. All replicas run in this process,
 * one after the other. Batch s·K + k of the epoch's order is that of replica k in step s, so an
 * epoch has `floor(batches / K)` steps, and H = 1 with `sgd`, `outerLr` 1 and `outerMomentum` 0 is
 * a training with batches of K·B samples.
 *
 * Each replica keeps its own optimizer state. Running statistics become the replicas' mean; a
 * batch's own statistics are those of one replica. Schedules count the steps of a replica.
 * `onStep` is called once a round, and `numWorkers` counts for tests alone. A `checkpoint` of
 * `callbacks` keeps all that `resume` needs.
 * @param data at least one batch for each replica
 * @throws SpikewasmError for data or options that don't match, and as `fit` does
 */
export const fitRounds = (
  model: Model,
  data: Dataset,
  options: FitRoundsOptions,
): Promise<History> => fitWith(model, data, options, localCrew)

/** The same with others who do the work. */
export async function fitWith(
  model: Model,
  data: Dataset,
  options: FitRoundsOptions,
  crewOf: CrewMaker,
): Promise<History> {
  if (typeof options !== 'object' || options === null)
    fail(`fitRounds: options must be an object with rounds, got ${describe(options)}`)
  const { rounds: asked, onRound, ...rest } = ownFitOptions(options) as FitRoundsOptions
  const rounds = roundsSetting(asked ?? {}, 'rounds')
  refuseOfFit(rest)
  const { kept, callback } = keptOf(rounds)
  const { callbacks = [] } = rest
  const { session } = model
  let crew: Crew | undefined
  const inRounds: InRounds = {
    setting: rounds,
    feed: (session, data) => feedOf(session, data, rounds),
    loop(parts, data, setting) {
      crew = crewOf({ session, data, rounds, setting })
      return new RoundsLoop(parts, { rounds, kept, crew, onRound })
    },
  }
  const all = { ...rest, callbacks: [callback, ...callbacks] }
  return alone(
    session,
    [],
    async () => {
      try {
        return await fit(session, data, all, inRounds)
      } finally {
        await crew?.close()
      }
    },
    false,
  )
}

/** @throws SpikewasmError for data of fewer batches than there are replicas */
function feedOf(session: CrewFor['session'], data: Dataset, { replicas }: RoundsSetting) {
  const { batchSize } = session
  const batches = data.length < batchSize ? 0 : batchesOf(session, data).length
  const length = stepsOf(batches, replicas)
  if (length === 0)
    fail(
      `rounds: the data ${data.name} must have a batch of ${batchSize} samples for each of the ` +
        `${replicas} replicas, got ${data.length} samples; make the batch smaller, or take fewer ` +
        'replicas',
    )
  return {
    length,
    full: replicas * batchSize,
    startEpoch() {},
    fill(): Promise<number> {
      throw new Error('replicas fetch their own batches')
    },
  }
}
