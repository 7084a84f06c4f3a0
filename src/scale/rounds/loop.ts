/** The loop of `fit` whose steps are rounds of replicas. */

import { fail } from '../../base/errors.js'
import type { StepResult } from '../../engine/compile-options.js'
import { addSums, type EpochSums, noSums } from '../../engine/run/progress.js'
import { type Advance, Loop, type LoopParts, type Times } from '../../train/loop.js'
import type { RoundsSetting } from './options.js'
import type { Crew, Kept, ReplicaResult } from './replica.js'
import { outerStep, sizesOf, takeWeights, weightsOf } from './vectors.js'

interface RoundsParts {
  readonly rounds: RoundsSetting
  readonly kept: Kept
  readonly crew: Crew
  readonly onRound?: (info: RoundInfo) => unknown
}

/** What is told when a round has ended. */
export interface RoundInfo {
  /** Counted from 0. */
  readonly round: number
  /** Epoch that the round is in, from 0. */
  readonly epoch: number
  /** Steps of each replica so far in the epoch. */
  readonly step: number
  /** Steps of each replica in this round. */
  readonly steps: number
  /** Milliseconds from its beginning to the new weights. */
  readonly milliseconds: number
}

export class RoundsLoop extends Loop {
  constructor(
    parts: LoopParts,
    private readonly own: RoundsParts,
  ) {
    super(parts)
  }

  /** Replicas fetch their batches themselves. */
  protected override async ready(): Promise<void> {}

  /** A round: all replicas' steps, then the outer step. */
  protected override async advance(times: Times): Promise<Advance | undefined> {
    const { session, feed, options } = this.parts
    const { rounds, kept, crew, onRound } = this.own
    const { epoch, step: first } = this.progress
    const began = performance.now()
    const steps = Math.min(rounds.syncEvery, feed.length - first)
    const rates = Array.from({ length: steps }, (_, i) => this.rates.at(epoch, first + i))
    const weights = weightsOf(session)
    const sizes = sizesOf(session)
    for (const array of [kept.momentum, ...kept.states.map(({ residual }) => residual)])
      if (array !== undefined && array.length !== sizes.parameters)
        fail(
          `fit.resume: the checkpoint must hold ${sizes.parameters} numbers of rounds, got ` +
            `${array?.length}`,
        )
    const before = session.steps
    const { clipNorm, signal } = options
    const shard = { epoch, first, rates, steps: before, clipNorm }
    const work = { number: kept.done, weights, states: kept.states, shard, signal }
    // Whatever ends a round, the model is as it was before it.
    let next = { weights, momentum: kept.momentum }
    let results: readonly ReplicaResult[] | undefined
    let after = before
    try {
      results = await crew.round(work)
      if (results) {
        const sent = results.map((result) => result.sent)
        const stepped = outerStep(rounds, sizes, weights, kept.momentum, sent)
        next = { momentum: undefined, ...stepped }
        after = before + steps * rounds.replicas
      }
    } finally {
      takeWeights(session, next.weights)
      session.resetOptimizer()
      session.steps = after
    }
    if (!results) return undefined
    kept.momentum = next.momentum
    kept.states = results.map(({ state }) => state)
    kept.done++
    const found = together(results.map(({ sums }) => sums))
    times.seen += found.seen
    addSums(this.progress.sums, found)
    this.progress.step += steps
    const milliseconds = performance.now() - began
    const info = { round: kept.done - 1, epoch, step: first + steps, steps, milliseconds }
    await session.lock.ask(() => onRound?.(info))
    const result: StepResult = {
      loss: found.loss / steps,
      penalty: 0,
      correct: found.correct,
      answers: found.answers ?? found.seen,
      weight: found.seen,
      count: found.seen,
    }
    return { result, rate: rates[steps - 1] }
  }
}

/** Sums of replicas as those of one machine: of each step's samples together. */
function together(of: readonly EpochSums[]): EpochSums {
  const [{ steps }] = of
  const all = noSums()
  for (const sums of of) {
    if (sums.steps !== steps)
      fail(`replicas of a round must do ${steps} steps each, one has done ${sums.steps}`)
    addSums(all, sums, of.length)
  }
  return { ...all, steps }
}
