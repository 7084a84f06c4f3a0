/** `spikewasm verify` */

import type { NetInfo } from '../../edge/abi.js'
import { canStore } from '../../edge/options.js'
import type { ApartNet } from '../../edge/verify/apart.js'
import { hostNames } from '../../edge/verify/hosts/index.js'
import { makeTrials, type Trial } from '../../edge/verify/trial.js'
import * as verified from '../../edge/verify/verify.js'
import type { WeightType } from '../../network/weights.js'
import { about } from '../about.js'
import { exitOnSignals } from '../interrupt.js'
import { loadData } from '../load-data.js'
import * as shared from '../options.js'
import { dataOf } from '../run-folder.js'
import * as o from '../spec.js'
import { overwrite, printJson, tableText } from '../terminal.js'
import { givenModel, isSealed, modelFileSpecs, sealLine, withNet } from '../which-model.js'

const verifySpecs = {
  ...modelFileSpecs,
  ...shared.frameSpecs,
  ...shared.savedData,
  ...o.fromRun({ ...shared.modelOfData, tau: shared.time.tau }),
  samples: o.count('<n>', 'samples: those of the test part, then of the other', { preset: 1000 }),
  hosts: o.text('<list>', `all, or some of ${hostNames.join(',')}`, { preset: 'all' }),
  seconds: o.count('<n>', 'a slow host shows no more samples after n seconds', { usual: '20' }),
  ...shared.last,
}

type VerifyArguments = o.ArgumentsOf<typeof verifySpecs>

/** Seconds that a file is given to open, and for each sample: at least, and unless told. */
const LEAST_SECONDS = 5
const USUAL_SECONDS = 10

export const verifyCommand = o.commandOf(
  verifySpecs,
  about.verify,
  (args: VerifyArguments, path: string) => {
    // Exits as others do: hosts that run are killed, their files removed.
    exitOnSignals()
    const seconds = Math.max(args.seconds ?? USUAL_SECONDS, LEAST_SECONDS)
    const check = (net: ApartNet, bytes: Uint8Array) => verify(path, net, bytes, args)
    return withNet(path, 'exported network', check, { seconds })
  },
)

async function verify(
  path: string,
  net: ApartNet,
  bytes: Uint8Array,
  { hosts, seconds, json, ...args }: VerifyArguments,
): Promise<void> {
  const { info } = net
  // Before the samples are computed: a wrong name is told at once.
  await verified.findHosts(hosts, info)
  const { trials, trained } = await trialsOf(net, args)
  const onHost = (name: string): void => overwrite(`${name} …`)
  const result = await verified.verifyNet(bytes, info, trials, { hosts, seconds, onHost })
  overwrite('')
  const found = { path, info, trials, trained, result }
  if (json) printJson(summary(found))
  else process.stdout.write(resultText(found))
  if (!verified.isExact(result)) process.exitCode = 1
}

/** Samples with the outputs of the model, and the type of weights that it was trained with. */
async function trialsOf(
  net: ApartNet,
  args: Omit<VerifyArguments, 'hosts' | 'seconds' | 'json'>,
): Promise<Pick<Found, 'trials' | 'trained'>> {
  const given = await givenModel(args)
  const { input, classes, timeSteps } = net.info
  const source = dataOf({ ...args, timeSteps }, given)
  // All samples are there to be shown, whatever the run was limited to.
  const { train, test } = await loadData({ ...source, limitTrain: undefined, limitTest: undefined })
  const trials = await makeTrials({
    net,
    data: [test, train],
    samples: args.samples,
    network: await given.network({ input, classes, timeSteps }),
    load: async (model) => given.load(model),
  })
  return { trials, trained: given.options.weights }
}

interface Found {
  readonly path: string
  readonly info: NetInfo
  readonly trials: readonly Trial[]
  readonly trained: WeightType | undefined
  readonly result: verified.Verification
}

function resultText({ path, info, trials, trained, result }: Found): string {
  const { target, mode, weights, timeSteps } = info
  const pages = info.memoryBytes / 65536
  const lines = o.present([
    `${path}: ${target}, mode ${mode}, weights ${weights}, T = ${timeSteps}, ` +
      `${pages} ${pages === 1 ? 'page' : 'pages'} of memory`,
    !isSealed(info) && `sealed: ${sealLine(info)}`,
    `${trials[0].samples} samples; outputs against the model's predict`,
    mode === 'train' && 'infer alone is compared, not train_step',
    tableText('lllrrrrr', columns, result.rows.map(cells)),
    'memory: the whole process after the first answer; cold: compile, instantiate, first answer',
    ...result.absent.map(({ host, why }) => `${host}: ${why}`),
    ...result.rows.map(problem),
    !verified.isExact(result) &&
      trained &&
      !canStore(weights, trained, mode) &&
      `the file has weights ${weights}, the model was trained with ${trained}: export it anew, ` +
        'or name the run that the file came from',
    verified.isExact(result) && 'every host gives the same bits',
  ])
  return `${lines.join('\n')}\n`
}

const columns = 'host, version, call, samples, floats differ, µs/sample, memory, cold'.split(', ')

function cells({ host, version, call, outcome }: verified.Row): string[] {
  if (outcome === undefined) return [host, version, call, 'failed', '', '', '', '']
  const { samples, differ, us, coldMs, residentBytes } = outcome
  return [
    host,
    version,
    call,
    String(samples),
    String(differ),
    us.toFixed(us < 100 ? 1 : 0),
    residentBytes === null ? '' : `${(residentBytes / 2 ** 20).toFixed(1)} MB`,
    `${coldMs.toFixed(2)} ms`,
  ]
}

/** A line for a host that failed or gave other bits. */
function problem({ host, call, outcome, failure }: verified.Row): string | false {
  if (outcome?.differ === 0) return false
  if (outcome === undefined) return `FAIL: ${host}, ${call}: ${failure}`
  const { differ, samples, first } = outcome
  const what = `FAIL: ${host}, ${call}: ${differ} floats of ${samples} samples differ`
  if (first === null) return what
  const [got, want] = new Float32Array(Uint32Array.of(first.got, first.want).buffer)
  const where = `sample ${first.sample}, output ${first.output}`
  return `${what}; the first: ${where}: ${got} instead of ${want}`
}

function summary({ path, info, trials, result }: Found): object {
  const { weights } = info
  return {
    final: true,
    exact: verified.isExact(result),
    file: path,
    sealed: isSealed(info),
    ...o.pick(info, 'mode', 'target'),
    precision: weights,
    ...o.pick(info, 'timeSteps', 'memoryBytes'),
    samples: trials[0].samples,
    hosts: result.rows.map(({ outcome, failure, ...row }) => ({ ...row, ...outcome, failure })),
    absent: result.absent,
  }
}
