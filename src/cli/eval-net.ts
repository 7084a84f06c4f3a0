/** `spikewasm eval --on`: the accuracy of an exported file. */

import type { ApartNet } from '../verify/apart.js'
import { evaluateApart } from '../verify/evaluate.js'
import { type DataArguments, loadData } from './load-data.js'
import { isSealed, openFile, sealLine } from './net-file.js'
import { keyValueTable, peakMemoryMB, percent, printJson, shareBar } from './report.js'
import { dataOf, readRunOptions } from './run-folder.js'
import { expectLeftOut } from './spec.js'

/** Options that rebuild a network, which a file already is. */
const superfluous = [
  'weights',
  'pretrained',
  'best',
  'model',
  'timeSteps',
  'tau',
  'batchSize',
  'threads',
]

export interface FileArguments extends Partial<Omit<DataArguments, 'timeSteps'>> {
  /** Path of the exported network. */
  readonly on: string
  readonly run?: string
  readonly timeSteps?: number
  readonly split: 'test' | 'train'
  readonly json: boolean
}

export async function evaluateFile(args: FileArguments): Promise<void> {
  const file = args.on
  expectLeftOut(args, superfluous, 'with --on', '; the file is the network')
  const { net } = await openFile(file, '--on')
  try {
    await evaluate(net, args)
  } finally {
    await net.close()
  }
}

async function evaluate(net: ApartNet, args: FileArguments): Promise<void> {
  const { on: file, split } = args
  const run = args.run === undefined ? undefined : await readRunOptions(args.run)
  const { timeSteps: _, ...given } = args
  // The file has its steps; recordings are cut into as many frames.
  const source = { ...dataOf(given, run), timeSteps: net.info.timeSteps }
  const part = (await loadData(source))[split]
  const bar = shareBar(args.json)
  const began = performance.now()
  const { accuracy, correct, count } = await evaluateApart(net, part, (done) =>
    bar.show('testing', done),
  ).finally(bar.stop)
  const samplesPerSecond = count / ((performance.now() - began) / 1000)
  const { info } = net
  if (args.json) {
    printJson({
      final: true,
      [`${split}Accuracy`]: accuracy,
      correct,
      samples: count,
      samplesPerSecond,
      peakMemoryMB: peakMemoryMB(),
      on: file,
      sealed: isSealed(info),
      name: info.name ?? null,
      dataset: source.dataset,
      split,
      target: info.target,
      mode: info.mode,
      precision: info.weights,
      timeSteps: info.timeSteps,
      parameters: info.parameters,
      memoryBytes: info.memoryBytes,
    })
    return
  }
  const rows: [string, string][] = [
    [`${split} accuracy`, percent(accuracy)],
    ['samples', String(count)],
    ['speed', `${Math.round(samplesPerSecond)} samples/s`],
    ['memory of the file', `${info.memoryBytes / 1024} KB`],
    ...(isSealed(info) ? [] : [['sealed', sealLine(info)] satisfies [string, string]]),
  ]
  const what = `${info.target}, ${info.mode}, ${info.weights}, T ${info.timeSteps}`
  process.stdout.write(`${file} (${what}) on ${part.name}\n${keyValueTable(rows)}\n`)
}
