/** `spikewasm verify` */

import Table from 'cli-table3'
import { Argument, type Command, Option } from 'commander'
import { type Net, openNet } from '../edge/net.js'
import { expect } from '../errors.js'
import { readFileClear } from '../io/files.js'
import { type ModelName, models } from '../models/registry.js'
import { hostNames } from '../verify/hosts/index.js'
import type { Difference, Outcome } from '../verify/job.js'
import { makeTrials, type Trial } from '../verify/trial.js'
import { findHosts, isExact, type Row, type Verification, verifyNet } from '../verify/verify.js'
import { type DataArguments, type DatasetName, loadData } from './datasets.js'
import { withFiles } from './mistakes.js'
import { counting, shared } from './options.js'
import { printJson } from './report.js'
import { readRunOptions, weightsOf } from './run-folder.js'

interface VerifyArguments {
  readonly run?: string
  readonly weights?: string
  readonly dataset?: DatasetName
  readonly data?: string
  readonly model?: ModelName
  readonly tau?: number
  readonly samples: number
  readonly hosts: string
  readonly seconds: number
  readonly json: boolean
}

export function verifyCommand(command: Command): Command {
  const fromRun = (option: Option): Option => {
    const preset = option.defaultValue as string | number
    option.default(undefined)
    option.description += ` (default: the run's, without --run ${preset})`
    return option
  }
  return command
    .description(
      'Run an exported network on every host that is found, and compare its outputs bit by bit ' +
        "with the model's.",
    )
    .addArgument(new Argument('<net.wasm>', 'file that export has written'))
    .addOption(new Option('--run <folder>', 'folder of the run that was exported'))
    .addOption(
      new Option('--weights <file>', 'or the safetensors file, with --model, --dataset and --tau'),
    )
    .addOption(fromRun(shared.dataset()))
    .addOption(shared.data())
    .addOption(fromRun(shared.model()))
    .addOption(fromRun(shared.tau()))
    .addOption(
      counting('--samples <n>', 'samples: those of the test part, then of the other').default(1000),
    )
    .addOption(
      new Option('--hosts <list>', `all, or some of ${hostNames.join(',')}`).default('all'),
    )
    .addOption(
      counting('--seconds <n>', 'a slow host shows no more samples after n seconds').default(20),
    )
    .addOption(shared.json())
    .action((path: string, args: VerifyArguments) => verify(path, args))
}

async function verify(path: string, args: VerifyArguments): Promise<void> {
  const bytes = await withFiles(() => readFileClear(path, 'exported network'))
  const net = await openNet(bytes)
  // Before the samples are computed: a wrong name is told at once.
  await findHosts(args.hosts, net.info)
  const trials = await trialsOf(net, args)
  // Exits as others do: hosts that run are killed, their files removed.
  process.once('SIGINT', () => process.exit(130))
  const result = await verifyNet(bytes, net.info, trials, {
    hosts: args.hosts,
    seconds: args.seconds,
    onHost: (name) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name} …`)
    },
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (args.json) printJson(summary(path, net, trials, result))
  else process.stdout.write(text(path, net, trials, result))
  if (!isExact(result)) process.exitCode = 1
}

/** Samples, and the outputs of the model that was exported. */
async function trialsOf(net: Net, args: VerifyArguments): Promise<Trial[]> {
  expect(
    (args.run === undefined) !== (args.weights === undefined),
    () =>
      'either --run <folder> or --weights <file> must be given, got ' +
      (args.run === undefined ? 'neither' : 'both; leave one out'),
  )
  const run = args.run === undefined ? undefined : await readRunOptions(args.run)
  const weights = args.run === undefined ? args.weights! : weightsOf(args.run)
  const dataset = args.dataset ?? run?.dataset ?? 'digits'
  const source: Partial<DataArguments> = run?.dataset === dataset ? run : {}
  const { train, test } = await loadData({ dataset, data: args.data ?? source.data })
  const { input, classes } = net.info
  const tau = args.tau ?? run?.tau ?? 1.25
  return makeTrials({
    net,
    data: [test, train],
    samples: args.samples,
    network: models[args.model ?? run?.model ?? 'cnn']([...input], classes, { tau }),
    load: (model) => withFiles(() => model.load(weights)),
  })
}

/** What the outputs are compared with. */
function reference({ info }: Net): string {
  return info.weights === 'int8'
    ? "the file's own in this process: whole numbers are other weights than the model's"
    : "the model's predict"
}

function text(path: string, net: Net, trials: readonly Trial[], result: Verification): string {
  const { info } = net
  const table = new Table({
    head: ['host', 'version', 'call', 'samples', 'floats differ', 'µs/sample', 'memory', 'cold'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right'],
  })
  table.push(...result.rows.map(cells))
  const pages = info.memoryBytes / 65536
  return [
    `${path}: ${info.target}, mode ${info.mode}, weights ${info.weights}, T = ${info.timeSteps}, ` +
      `${pages} ${pages === 1 ? 'page' : 'pages'} of memory`,
    `${trials[0].samples} samples; outputs against ${reference(net)}`,
    table.toString(),
    'memory: the whole process after the first answer; cold: compile, instantiate, first answer',
    ...result.absent.map(({ host, why }) => `${host}: ${why}`),
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

function summary(path: string, net: Net, trials: readonly Trial[], result: Verification): object {
  const { mode, target, weights, timeSteps, memoryBytes } = net.info
  return {
    final: true,
    exact: isExact(result),
    file: path,
    mode,
    target,
    precision: weights,
    timeSteps,
    memoryBytes,
    reference: weights === 'int8' ? 'file' : 'model',
    samples: trials[0].samples,
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
