/** The flags of `train` that divide it into rounds of replicas, and hand them to workers. */

import { type Command, Option } from 'commander'
import { expect } from '../../errors.js'
import * as v from '../../runtime/vendor/valibot/index.js'
import {
  compressions,
  innerStates,
  MOST_REPLICAS,
  OUTER_LR,
  OUTER_MOMENTUM,
  type Rounds,
  type RoundsSetting,
  roundsSetting,
} from '../../scale/rounds/options.js'
import { counting, named, numeric } from '../options.js'

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

/** What options.json holds of rounds. */
export const roundsSchema = v.object({
  replicas: v.pipe(count, v.maxValue(MOST_REPLICAS)),
  syncEvery: count,
  outerLr: v.number(),
  outerMomentum: v.number(),
  compress: v.picklist(compressions),
  innerState: v.picklist(innerStates),
})

/** What is given on the command line. */
export interface RoundsArguments extends Partial<Rounds> {
  readonly redis?: string
  readonly namespace?: string
  readonly shared?: string
  readonly replaceAfter?: number
}

export function addRoundsFlags(command: Command): Command {
  return command
    .addOption(
      counting(
        '--replicas <K>',
        'train K replicas in rounds (local SGD, DiLoCo), each on its own batches',
      ),
    )
    .addOption(counting('--sync-every <H>', 'with --replicas: steps of each between two averages'))
    .addOption(
      numeric(
        '--outer-lr <rate>',
        `with --replicas: learning rate of the outer step (default: ${OUTER_LR}); 1 with a ` +
          'momentum of 0 takes the mean',
      ),
    )
    .addOption(
      numeric(
        '--outer-momentum <share>',
        `with --replicas: Nesterov momentum of the outer step (default: ${OUTER_MOMENTUM})`,
      ),
    )
    .addOption(
      named(
        '--compress <kind>',
        "with --replicas: how a replica's change is sent (default: none)",
        compressions,
      ),
    )
    .addOption(
      named(
        '--inner-state <what>',
        "with --replicas: keep each one's momentum from round to round, or reset it (default: " +
          'keep)',
        innerStates,
      ),
    )
    .addOption(
      new Option(
        '--redis <url>',
        'with --replicas: hand them to the workers at this Redis (spikewasm worker); without it ' +
          'they run here, one after the other, with the same result',
      ),
    )
    .addOption(new Option('--namespace <name>', 'with --redis: what its names there begin with'))
    .addOption(
      new Option(
        '--shared <folder>',
        'with --redis: hand weights over in a folder that all workers see, instead of in Redis',
      ),
    )
    .addOption(
      numeric(
        '--replace-after <seconds>',
        'with --redis: give a replica that takes longer to another worker too (default: 4 times ' +
          'the longest round so far)',
      ),
    )
}

/** Its flag. */
const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/**
 * @param run the rounds of a run that goes on
 * @returns undefined where nobody has asked for rounds
 * @throws SpikewasmError for an option that would do nothing, or is out of range
 */
export function roundsOf(
  args: RoundsArguments,
  run: RoundsSetting | undefined,
): RoundsSetting | undefined {
  const { replicas, syncEvery, outerLr, outerMomentum, compress, innerState } = args
  const { redis, namespace, shared, replaceAfter } = args
  const given = { syncEvery, outerLr, outerMomentum, compress, innerState }
  for (const [key, value] of Object.entries(run ? {} : given))
    expect(
      replicas !== undefined || value === undefined,
      () => `${flagOf(key)} needs --replicas, the number of replicas that train; got none`,
    )
  expect(
    redis === undefined || replicas !== undefined || run !== undefined,
    () => '--redis of train needs --replicas, the number of replicas that train; got none',
  )
  for (const [key, value] of Object.entries({ namespace, shared, replaceAfter }))
    expect(
      redis !== undefined || value === undefined,
      () => `${flagOf(key)} needs --redis, where the workers are; got none`,
    )
  expect(
    replaceAfter === undefined || (Number.isFinite(replaceAfter) && replaceAfter > 0),
    () => `--replace-after must be seconds, > 0, got ${replaceAfter}`,
  )
  if (run) return run
  if (replicas === undefined) return undefined
  expect(
    syncEvery !== undefined,
    () => '--replicas needs --sync-every, the steps between two averages, such as 20; got none',
  )
  const all = { replicas, syncEvery: syncEvery as number, outerLr, outerMomentum }
  return roundsSetting({ ...all, compress, innerState }, 'rounds', flagOf)
}

/** How it is divided, for people. */
export const describeRounds = ({
  replicas,
  syncEvery,
  outerLr,
  outerMomentum,
  compress,
}: RoundsSetting): string =>
  `${replicas} replica${replicas === 1 ? '' : 's'} in rounds of ${syncEvery} ` +
  `step${syncEvery === 1 ? '' : 's'}, outer learning rate ${outerLr}, momentum ${outerMomentum}` +
  (compress === 'none' ? '' : `, changes as ${compress}`)
