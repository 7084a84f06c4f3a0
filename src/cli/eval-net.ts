/** `spikewasm eval --on`: the accuracy of an exported file. */

import { evaluateNet } from '../edge/accuracy.js'
import { type Net, openNet } from '../edge/net.js'
import { expect, SpikewasmError } from '../errors.js'
import { readFileClear } from '../io/files.js'
import { type DataArguments, loadData } from './datasets.js'
import { withFiles } from './mistakes.js'
import { keyValueTable, peakMemoryMB, percent, printJson, shareBar } from './report.js'
import { dataOf, readRunOptions } from './run-folder.js'

/**
 * Reads and checks an exported network.
 * @throws SpikewasmError that names the file and what is wrong with it
 */
export async function openFile(path: string, option: string): Promise<Net> {
  const bytes = await withFiles(() => readFileClear(path, option))
  try {
    return await openNet(bytes)
  } catch (error) {
    if (error instanceof SpikewasmError)
      throw new SpikewasmError(`${path}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Options that rebuild a network, which a file already is. */
const superfluous = ['weights', 'model', 'timeSteps', 'tau', 'batchSize', 'threads'] as const

export interface FileArguments
  extends Partial<DataArguments>,
    Partial<Record<(typeof superfluous)[number], string | number>> {
  /** Path of the exported network. */
  readonly on: string
  readonly run?: string
  readonly split: 'test' | 'train'
  readonly json: boolean
}

export async function evaluateFile(args: FileArguments): Promise<void> {
  const file = args.on
  for (const name of superfluous)
    expect(
      args[name] === undefined,
      () => `${name} must be left out with --on, got ${args[name]}; the file is the network`,
    )
  const net = await openFile(file, '--on')
  const run = args.run === undefined ? undefined : await readRunOptions(args.run)
  const { split } = args
  const source = dataOf(args, run)
  const part = (await loadData(source))[split]
  const bar = shareBar(args.json)
  const began = performance.now()
  const { accuracy, correct, count } = await evaluateNet(net, part, {
    onProgress: (done) => bar.show('testing', done),
  }).finally(bar.stop)
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
  ]
  const what = `${info.target}, ${info.mode}, ${info.weights}, T ${info.timeSteps}`
  process.stdout.write(`${file} (${what}) on ${part.name}\n${keyValueTable(rows)}\n`)
}
