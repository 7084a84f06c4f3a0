/** `spikewasm verify` */

import type { NetInfo } from '../edge/abi.js'
import type { ApartNet } from '../verify/apart.js'
import { hostNames } from '../verify/hosts/index.js'
import type { Outcome } from '../verify/job.js'
import { isAlike, likenessLimits } from '../verify/likeness.js'
import { makeTrials, type Trial } from '../verify/trial.js'
import { findHosts, isExact, type Row, type Verification, verifyNet } from '../verify/verify.js'
import { exitOnSignals } from './interrupt.js'
import { loadData } from './load-data.js'
import * as shared from './options.js'
import { dataOf } from './run-folder.js'
import * as o from './spec.js'
import { overwrite, percent, printJson, tableText } from './terminal.js'
import { givenModel, isSealed, modelFileSpecs, sealLine, withNet } from './which-model.js'

const verifySpecs = {
  ...shared.frameSpecs,
  ...modelFileSpecs,
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
  'Run an exported network on every host that is found, and compare its outputs bit by bit ' +
    "with the model's; those of int8 weights with the file's own in this process, which must " +
    'be close to a model of the same weights.',
  (args: VerifyArguments, path: string) => {
    // Exits as others do: hosts that run are killed, their files removed.
    exitOnSignals()
    const seconds = Math.max(args.seconds ?? USUAL_SECONDS, LEAST_SECONDS)
    const check = (net: ApartNet, bytes: Uint8Array) => verify(path, net, bytes, args)
    return withNet(path, 'exported network', check, { seconds })
  },
  ['<net.wasm>', 'file that export has written'],
)

async function verify(
  path: string,
  net: ApartNet,
  bytes: Uint8Array,
  { hosts, seconds, json, ...args }: VerifyArguments,
): Promise<void> {
  const { info } = net
  const show = (text: string): void =>
    void (process.stderr.isTTY && overwrite(process.stderr, text))
  // Before the samples are computed: a wrong name is told at once.
  await findHosts(hosts, info)
  const trials = await trialsOf(net, args)
  const onHost = (name: string): void => show(`${name} …`)
  const result = await verifyNet(bytes, info, trials, { hosts, seconds, onHost })
  show('')
  if (json) printJson(summary(path, info, trials, result))
  else process.stdout.write(resultText(path, info, trials, result))
  if (!isExact(result) || !areAlike(trials)) process.exitCode = 1
}

const areAlike = (trials: readonly Trial[]): boolean =>
  trials.every(({ likeness }) => likeness === undefined || isAlike(likeness))

/** Samples, and the outputs of the model that was exported. */
async function trialsOf(
  net: ApartNet,
  args: Omit<VerifyArguments, 'hosts' | 'seconds' | 'json'>,
): Promise<Trial[]> {
  const given = await givenModel(args)
  const { input, classes, timeSteps } = net.info
  const source = dataOf({ ...args, timeSteps }, given)
  // All samples are there to be shown, whatever the run was limited to.
  const { train, test } = await loadData({ ...source, limitTrain: undefined, limitTest: undefined })
  return makeTrials({
    net,
    data: [test, train],
    samples: args.samples,
    network: given.network([...input], classes),
    load: async (model) => given.load(model),
  })
}

/** What the outputs are compared with. */
const reference = ({ weights }: NetInfo): string =>
  weights === 'int8' ? "the file's own in this process" : "the model's predict"

/** What is compared besides, or not at all. */
const remarks = ({ mode }: NetInfo, trials: readonly Trial[]): string[] => [
  ...trials.flatMap(describeLikeness),
  ...(mode === 'train' ? ['infer alone is compared, not train_step'] : []),
]

function describeLikeness({ call, likeness }: Trial): string[] {
  if (likeness === undefined) return []
  const { sameClass, medianDifference, largestDifference } = likeness
  return [
    `${call} in this process against a model with the floats that the bytes stand for: ` +
      `${percent(sameClass)} of the classes equal; differences: median ` +
      `${percent(medianDifference)} of the outputs' range, largest ` +
      largestDifference.toPrecision(3),
  ]
}

/** A line for a file that does not have the model's weights. */
function unlike({ call, likeness }: Trial): string[] {
  if (likeness === undefined || isAlike(likeness)) return []
  const { sameClass, medianDifference } = likenessLimits
  return [
    `FAIL: ${call}: the file must have the model's weights as bytes: at least ` +
      `${percent(sameClass)} of the classes equal, and differences of at most ` +
      `${percent(medianDifference)} of the outputs' range in the median`,
  ]
}

function resultText(
  path: string,
  info: NetInfo,
  trials: readonly Trial[],
  result: Verification,
): string {
  const head = [
    'host',
    'version',
    'call',
    'samples',
    'floats differ',
    'µs/sample',
    'memory',
    'cold',
  ]
  const pages = info.memoryBytes / 65536
  return [
    `${path}: ${info.target}, mode ${info.mode}, weights ${info.weights}, T = ${info.timeSteps}, ` +
      `${pages} ${pages === 1 ? 'page' : 'pages'} of memory`,
    ...(isSealed(info) ? [] : [`sealed: ${sealLine(info)}`]),
    `${trials[0].samples} samples; outputs against ${reference(info)}`,
    ...remarks(info, trials),
    tableText('lllrrrrr', head, result.rows.map(cells)),
    'memory: the whole process after the first answer; cold: compile, instantiate, first answer',
    ...result.absent.map(({ host, why }) => `${host}: ${why}`),
    ...trials.flatMap(unlike),
    ...result.rows.flatMap(problem),
    ...(isExact(result) ? ['every host gives the same bits'] : []),
    '',
  ].join('\n')
}

function cells({ host, version, call, outcome }: Row): string[] {
  if (outcome === undefined) return [host, version, call, 'failed', '', '', '', '']
  const { samples, differ, us, coldMs, residentBytes } = outcome
  return [
    host,
    version,
    call,
    String(samples),
    String(differ),
    us < 100 ? us.toFixed(1) : us.toFixed(0),
    residentBytes === null ? '' : `${(residentBytes / 2 ** 20).toFixed(1)} MB`,
    `${coldMs.toFixed(2)} ms`,
  ]
}

/** A line for a host that failed or gave other bits. */
function problem({ host, call, outcome, failure }: Row): string[] {
  if (outcome?.differ === 0) return []
  if (outcome === undefined) return [`FAIL: ${host}, ${call}: ${failure}`]
  const { differ, samples, first } = outcome
  const where = first === null ? '' : `; the first: ${describeDifference(first)}`
  return [`FAIL: ${host}, ${call}: ${differ} floats of ${samples} samples differ${where}`]
}

function describeDifference({ sample, output, got, want }: NonNullable<Outcome['first']>): string {
  const [a, b] = new Float32Array(Uint32Array.of(got, want).buffer)
  return `sample ${sample}, output ${output}: ${a} instead of ${b}`
}

function summary(
  path: string,
  info: NetInfo,
  trials: readonly Trial[],
  result: Verification,
): object {
  const { mode, target, weights, timeSteps, memoryBytes } = info
  return {
    final: true,
    exact: isExact(result),
    alike: areAlike(trials),
    file: path,
    sealed: isSealed(info),
    mode,
    target,
    precision: weights,
    timeSteps,
    memoryBytes,
    reference: weights === 'int8' ? 'file' : 'model',
    samples: trials[0].samples,
    likeness: trials.flatMap(({ call, likeness }) => (likeness ? [{ call, ...likeness }] : [])),
    hosts: result.rows.map(({ outcome, failure, ...row }) => ({ ...row, ...outcome, failure })),
    absent: result.absent,
  }
}
