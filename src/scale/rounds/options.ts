/** Options of a training in rounds. */

import { describe, fail } from '../../base/errors.js'
import { complete, integer, oneOf, type Rules, range } from '../../base/rules.js'
import type { FitOptions } from '../../train/options.js'

/** How changes are sent: as float32, bfloat16, or int8 with what rounding lost kept for later. */
export type Compress = 'none' | 'bfloat16' | 'int8'
export const compressions: readonly Compress[] = ['none', 'bfloat16', 'int8']

/** What becomes of an inner optimizer's state between rounds. */
export type InnerState = 'keep' | 'reset'
export const innerStates: readonly InnerState[] = ['keep', 'reset']

/** How a training is divided into rounds (DiLoCo, arXiv 2311.08105). */
export interface Rounds {
  /** K, replicas that train side by side, an integer from 1 to 1,024. */
  readonly replicas: number
  /**
   * H, steps of each replica between two averages, an integer ≥ 1. The last round of an epoch may
   * have fewer.
   */
  readonly syncEvery: number
  /** Learning rate of the outer step, > 0; default 0.7. 1 with a momentum of 0 takes the mean. */
  readonly outerLr?: number
  /** Nesterov momentum of the outer step, 0…1 (1 excluded); default 0.9. */
  readonly outerMomentum?: number
  /** How a replica's change is sent; default 'none'. */
  readonly compress?: Compress
  /**
   * 'keep', the default: each replica goes on with the momentum (of adam: the moments) of its last
   * round, as in the paper. 'reset': each round begins without, so that no such state is sent.
   */
  readonly innerState?: InnerState
}

/** `Rounds` with all defaults. */
export type RoundsSetting = Required<Rounds>

/** Where rounds are handed over. */
export interface RoundsRedis {
  /**
   * `redis://host:port`, or `rediss://` for TLS. The password is in the environment, as
   * `SPIKEWASM_REDIS_PASSWORD`.
   */
  readonly url: string
  /** What all names in Redis begin with; one for each training. Default 'spikewasm'. */
  readonly namespace?: string
  /** A folder that all machines see, for weights; default: Redis takes them. */
  readonly shared?: string
  /** Told what is unusual, a line each. Default: warnings of the process. */
  readonly onNews?: (line: string) => void
}

/** More replicas than anybody has; their states lie in the memory of one process. */
export const MOST_REPLICAS = 1024

/** Default outer learning rate and momentum: those of the paper. */
export const OUTER_LR = 0.7
export const OUTER_MOMENTUM = 0.9

const rules: Rules<RoundsSetting> = {
  replicas: integer(1, MOST_REPLICAS),
  syncEvery: { ...integer(1), words: 'the steps between two averages, an integer ≥ 1' },
  outerLr: range('> 0', OUTER_LR),
  outerMomentum: range('0…1 (1 excluded)', OUTER_MOMENTUM),
  compress: oneOf(compressions, 'none'),
  innerState: oneOf(innerStates, 'keep'),
}

export const roundsKeys = Object.keys(rules) as (keyof Rounds)[]

/**
 * @param name what the options belong to, for messages
 * @param label of an option, for messages: `rounds.outerLr` or `--outer-lr`
 * @throws SpikewasmError for what is out of range
 */
export const roundsSetting = (
  options: Rounds,
  name = 'rounds',
  label?: (key: string) => string,
): RoundsSetting => complete(name, rules, options, [], label)

/**
 * What belongs to single steps of one machine.
 *
 * @throws SpikewasmError for an option of `fit` that rounds do not know
 */
export function refuseOfFit({ accumulate = 1, ema = 0, dropLast = true }: FitOptions): void {
  if (accumulate !== 1)
    fail(
      `fit.accumulate must be left out in rounds, got ${describe(accumulate)}; more replicas, or ` +
        'a larger batch, do the same',
    )
  if (ema !== 0)
    fail(
      `fit.ema must be left out in rounds, got ${describe(ema)}; the outer step averages already`,
    )
  if (dropLast !== true)
    fail(
      'fit.dropLast must be true in rounds, got false; each replica takes whole batches, and ' +
        'what is left of an epoch is left out',
    )
}
