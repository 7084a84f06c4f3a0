/** `spikewasm verify` */

import { Argument, type Command } from 'commander'
import type { NetInfo } from '../edge/abi.js'
import type { ApartNet } from '../verify/apart.js'
import { hostNames } from '../verify/hosts/index.js'
import type { Difference, Outcome } from '../verify/job.js'
import { isAlike, likenessLimits } from '../verify/likeness.js'
import { makeTrials, type Trial } from '../verify/trial.js'
import { findHosts, isExact, type Row, type Verification, verifyNet } from '../verify/verify.js'
import { frameSpecs } from './event-options.js'
import { exitOnSignals } from './interrupt.js'
import { loadData } from './load-data.js'
import { isSealed, openFile, sealLine } from './net-file.js'
import { lastSpecs, modelOfData, savedDataSpecs, timeSpecs } from './options.js'
import { percent, printJson } from './report.js'
import { dataOf } from './run-folder.js'
import { type ArgumentsOf, addOptions, count, fromRun, text } from './spec.js'
import { newTable } from './tables.js'
import { overwrite } from './terminal.js'
import { givenModel, modelFileSpecs } from './which-model.js'

const verifySpecs = {
  ...frameSpecs,
  ...modelFileSpecs,
  ...savedDataSpecs,
  ...fromRun({ ...modelOfData, tau: timeSpecs.tau }),
  samples: count('<n>', 'samples: those of the test part, then of the other', { preset: 1000 }),
  hosts: text('<list>', `all, or some of ${hostNames.join(',')}`, { preset: 'all' }),
  seconds: count('<n>', 'a slow host shows no more samples after n seconds', { usual: '20' }),
  ...lastSpecs,
}

type VerifyArguments = ArgumentsOf<typeof verifySpecs>

export const verifyCommand = (command: Command): Command =>
  addOptions(command, verifySpecs)
    .description(
      'Run an exported network on every host that is found, and compare its outputs bit by bit ' +
        "with the model's; those of int8 weights with the file's own in this process, which must " +
        'be close to a model of the same weights.',
    )
    .addArgument(new Argument('<net.wasm>', 'file that export has written'))
    .action((path: string, args: VerifyArguments) => verify(path, args))

/** Seconds that a file is given to open, and for each sample: at least, and unless told. */
const LEAST_SECONDS = 5
const USUAL_SECONDS = 10

async function verify(path: string, args: VerifyArguments): Promise<void> {
  // Exits as others do: hosts that run are killed, their files removed.
  exitOnSignals()
  const seconds = Math.max(args.seconds ?? USUAL_SECONDS, LEAST_SECONDS)
  const { bytes, net } = await openFile(path, 'exported network', { seconds })
  try {
    // Before the samples are computed: a wrong name is told at once.
    await findHosts(args.hosts, net.info)
    const trials = await trialsOf(net, args)
    const result = await verifyNet(bytes, net.info, trials, {
      hosts: args.hosts,
      seconds: args.seconds,
      onHost: (name) => {
        if (process.stderr.isTTY) overwrite(process.stderr, `${name} …`)
      },
    })
    if (process.stderr.isTTY) overwrite(process.stderr, '')
    if (args.json) printJson(summary(path, net.info, trials, result))
    else process.stdout.write(resultText(path, net.info, trials, result))
    if (!isExact(result) || !areAlike(trials)) process.exitCode = 1
  } finally {
    await net.close()
  }
}

const areAlike = (trials: readonly Trial[]): boolean =>
  trials.every(({ likeness }) => likeness === undefined || isAlike(likeness))

/** Samples, and the outputs of the model that was exported. */
async function trialsOf(net: ApartNet, args: VerifyArguments): Promise<Trial[]> {
  const given = await givenModel(args)
  const { run } = given
  const { input, classes, timeSteps } = net.info
  const source = dataOf({ ...args, dataset: args.dataset ?? given.dataset, timeSteps }, run)
  // All samples are there to be shown, whatever the run was limited to.
  const { train, test } = await loadData({
    ...source,
    limitTrain: undefined,
    limitTest: undefined,
  })
  return makeTrials({
    net,
    data: [test, train],
    samples: args.samples,
    network: given.network([...input], classes),
    load: async (model) => given.load(model),
  })
}

/** What the outputs are compared with. */
function reference({ weights }: NetInfo): string {
  return weights === 'int8' ? "the file's own in this process" : "the model's predict"
}

/** What is compared besides, or not at all. */
function remarks({ mode }: NetInfo, trials: readonly Trial[]): string[] {
  return [
    ...trials.flatMap(describeLikeness),
    ...(mode === 'train' ? ['infer alone is compared, not train_step'] : []),
  ]
}

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
  const table = newTable({
    head: ['host', 'version', 'call', 'samples', 'floats differ', 'µs/sample', 'memory', 'cold'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right'],
  })
  table.push(...result.rows.map(cells))
  const pages = info.memoryBytes / 65536
  return [
    `${path}: ${info.target}, mode ${info.mode}, weights ${info.weights}, T = ${info.timeSteps}, ` +
      `${pages} ${pages === 1 ? 'page' : 'pages'} of memory`,
    ...(isSealed(info) ? [] : [`sealed: ${sealLine(info)}`]),
    `${trials[0].samples} samples; outputs against ${reference(info)}`,
    ...remarks(info, trials),
    table.toString(),
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
  if (outcome === undefined) return [`FAIL: ${host}, ${call}: ${failure}`]
  if (outcome.differ === 0) return []
  return [`FAIL: ${host}, ${call}: ${differing(outcome)}`]
}

function differing({ differ, samples, first }: Outcome): string {
  const where = first === null ? '' : `; the first: ${describeDifference(first)}`
  return `${differ} floats of ${samples} samples differ${where}`
}

function describeDifference({ sample, output, got, want }: Difference): string {
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
    hosts: result.rows.map(({ host, version, call, outcome, failure }) => ({
      host,
      version,
      call,
      ...outcome,
      ...(failure === undefined ? {} : { failure }),
    })),
    absent: result.absent,
  }
}
