/** The options of `train` that divide it into rounds of replicas, and hand them to workers. */

import { fail } from '../../base/errors.js'
import * as v from '../../engine/vendor/valibot/index.js'
import * as rounds from '../../scale/rounds/options.js'
import * as o from '../spec.js'

/** How a training is divided. */
const settingSpecs = {
  replicas: o.count(
    '<K>',
    'train K replicas in rounds (local SGD, DiLoCo), each on its own batches',
    { most: rounds.MOST_REPLICAS },
  ),
  syncEvery: o.count('<H>', 'steps of each between two averages', { needs: 'replicas' }),
  outerLr: o.number(
    '<rate>',
    'learning rate of the outer step; 1 with a momentum of 0 takes the mean',
    { usual: `${rounds.OUTER_LR}`, needs: 'replicas' },
  ),
  outerMomentum: o.number('<share>', 'Nesterov momentum of the outer step', {
    usual: `${rounds.OUTER_MOMENTUM}`,
    needs: 'replicas',
  }),
  compress: o.name('<kind>', "how a replica's change is sent", rounds.compressions, {
    usual: 'none',
    needs: 'replicas',
  }),
  innerState: o.name(
    '<what>',
    "keep each one's momentum from round to round, or reset it",
    rounds.innerStates,
    { usual: 'keep', needs: 'replicas' },
  ),
}

/** The same, and who trains the replicas. */
export const roundsSpecs = {
  ...settingSpecs,
  redis: o.text(
    '<url>',
    'hand them to the workers at this Redis (spikewasm worker); without it they run here, one ' +
      'after the other, with the same result',
    { needs: 'replicas' },
  ),
  namespace: o.text('<name>', 'what its names there begin with', { needs: 'redis' }),
  shared: o.text(
    '<folder>',
    'hand weights over in a folder that all workers see, instead of in Redis',
    { needs: 'redis' },
  ),
  replaceAfter: o.number('<seconds>', 'give a replica that takes longer to another worker too', {
    usual: '4 times the longest round so far',
    needs: 'redis',
    rule: '> 0',
  }),
}

export type RoundsArguments = o.ArgumentsOf<typeof roundsSpecs>

/** What options.json holds of rounds: all of it. */
export const roundsSchema = v.object(o.schemasOf(settingSpecs))

/**
 * @param run the rounds of a run that goes on
 * @returns undefined where nobody has asked for rounds
 * @throws SpikewasmError for an option that would do nothing, or is out of range
 */
export function roundsOf(
  args: RoundsArguments,
  run: rounds.RoundsSetting | undefined,
): rounds.RoundsSetting | undefined {
  o.expectUse(roundsSpecs, run ? { ...args, ...run } : args)
  if (run) return run
  const { replicas, syncEvery, ...more } = o.given(settingSpecs, args)
  if (replicas === undefined) return undefined
  if (syncEvery === undefined)
    fail('--replicas needs --sync-every, the steps between two averages, such as 20; got none')
  const all = { replicas, syncEvery, ...more }
  return rounds.roundsSetting(all, 'rounds', o.flagOf)
}

/** How it is divided, for people. */
export function describeRounds(rounds: rounds.RoundsSetting): string {
  const { replicas, syncEvery, outerLr, outerMomentum, compress } = rounds
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  return (
    `${count(replicas, 'replica')} in rounds of ${count(syncEvery, 'step')}, outer learning rate ` +
    `${outerLr}, momentum ${outerMomentum}${compress === 'none' ? '' : `, changes as ${compress}`}`
  )
}
