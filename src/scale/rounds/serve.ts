/** Rounds of a program's own network, over a Redis. */

import { describe, fail } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import type { Model } from '../../model/model.js'
import { ownFitOptions } from '../../train/options.js'
import type { History } from '../../train/records.js'
import { startWorker } from '../worker.js'
import { type FitRoundsOptions, fitWith } from './fit.js'
import { type RoundsRedis, refuseOfFit, roundsSetting } from './options.js'
import { openAt, RedisCrew } from './queue.js'
import { openRunner, roundsKind } from './runner.js'
import { sizesOf } from './vectors.js'
import { startBytes, stateBytes } from './wire.js'

/** Options of `fitRoundsAt`. */
export interface FitRoundsAtOptions extends FitRoundsOptions {
  /** Where the workers are. */
  redis: RoundsRedis
  /**
   * Seconds after which a replica that has not ended is given to another worker as well, > 0.
   * Default: 4 times the longest round so far, at least 30; 600 for the first one.
   */
  replaceAfter?: number
}

/** A worker that does rounds of one training. */
export interface RoundsWorker {
  /** Replicas' rounds that it has done. */
  readonly done: number
  /** Gives back what it does, and ends. The model is the caller's. */
  close(): Promise<void>
}

/**
 * `fitRounds` whose replicas are done by workers at a Redis: programs that have called
 * `serveRounds` with an equal network, equal data and equal options. Whoever does what, and
 * whichever of them die, the bits are those of `fitRounds`.
 * @throws SpikewasmError as `fitRounds` does, and when there is no such Redis, or the packages
 *   bullmq and ioredis are not installed
 */
export async function fitRoundsAt(
  model: Model,
  data: Dataset,
  options: FitRoundsAtOptions,
): Promise<History> {
  const { redis, replaceAfter, ...fit } = ownFitOptions(options) as FitRoundsAtOptions
  if (replaceAfter !== undefined && (!Number.isFinite(replaceAfter) || replaceAfter <= 0))
    fail(`replaceAfter must be seconds, > 0, got ${describe(replaceAfter)}`)
  const { place, ...at } = await openAt(redis)
  try {
    return await fitWith(
      model,
      data,
      fit,
      (of) => new RedisCrew(place, of, { ...at, replaceAfter }),
    )
  } finally {
    await place.close()
  }
}

/**
 * Does rounds of a training at a Redis until it is closed. The model trains meanwhile, so it is
 * nobody else's; with `threads` of 2 or more this thread stays free.
 * @param options those of `fitRoundsAt`; what belongs to that process alone, such as callbacks,
 *   does nothing here
 * @throws SpikewasmError for data or options that don't match, and when there is no such Redis
 */
export async function serveRounds(
  model: Model,
  data: Dataset,
  options: FitRoundsAtOptions,
): Promise<RoundsWorker> {
  const { redis, rounds: asked, ...fit } = ownFitOptions(options) as FitRoundsAtOptions
  // These are the other process's.
  for (const key of ['replaceAfter', 'onRound', 'callbacks', 'resume'] as const) delete fit[key]
  const rounds = roundsSetting(asked)
  refuseOfFit(fit)
  const runner = await openRunner(model, data, fit, rounds)
  const { place, store, onNews } = await openAt(redis)
  const sizes = sizesOf(model.session)
  const kind = roundsKind({
    most: {
      bytes: startBytes(sizes) + stateBytes(rounds, sizes),
      of: 'as many as this network has',
    },
    run: (job, bytes, { signal }) => runner.run(job, bytes, signal),
    close: async () => undefined,
  })
  const limits = { memoryMB: Number.MAX_SAFE_INTEGER, seconds: Number.MAX_SAFE_INTEGER }
  try {
    const how = { kinds: [kind], concurrency: 1, limits, store, onAside: onNews }
    const worker = await startWorker(place, how)
    return {
      get done() {
        return worker.done
      },
      async close() {
        await worker.close()
        await place.close()
      },
    }
  } catch (error) {
    await place.close()
    throw error
  }
}
