/** `spikewasm report` */

import { basename, join } from 'node:path'
import { Argument, type Command } from 'commander'
import type { Dataset } from '../data/dataset.js'
import { SpikewasmError } from '../errors.js'
import { readRunFiles } from '../io/folder/folder.js'
import { parseJsonBytes } from '../io/json.js'
import { compile } from '../network.js'
import { runFiles } from '../train/callbacks/checkpoint.js'
import { splitOf } from '../train/fit.js'
import type { EpochRecord } from '../train/records.js'
import { endingOf, titleOf, writeReport } from '../train/report/make.js'
import { defaultThreads } from './datasets.js'
import { loadData } from './load-data.js'
import { withFiles } from './mistakes.js'
import { dataSpecs, jsonOf, threadSpecs, wideSpecs } from './options.js'
import { printJson } from './report.js'
import { dataOf, type RunOptions } from './run-folder.js'
import { type ArgumentsOf, addOptions } from './spec.js'
import { givenModel, modelFileSpecs } from './which-model.js'

const reportSpecs = {
  best: modelFileSpecs.best,
  data: dataSpecs.data,
  cache: dataSpecs.cache,
  ...threadSpecs,
  ...wideSpecs,
  ...jsonOf('say as JSON what was written'),
}

type ReportArguments = ArgumentsOf<typeof reportSpecs>

export const reportCommand = (command: Command): Command =>
  addOptions(command, reportSpecs)
    .description(
      'Write the page about a run (report.html in its folder) once more: of a run that was ' +
        'killed, that was stopped, or that still goes on.',
    )
    .addArgument(new Argument('<folder>', 'folder of a run'))
    .action((folder: string, args: ReportArguments) => report(folder, args))

/** More bytes than a history of ten thousands of epochs has. */
const MOST_BYTES = 500_000_000

async function report(folder: string, args: ReportArguments): Promise<void> {
  const { best, threads } = args
  const given = await givenModel({ run: folder, best })
  const files = await withFiles(() => readRunFiles(folder, [runFiles.history, runFiles.options]))
  const records = recordsOf(files[runFiles.history], join(folder, runFiles.history))
  const path = join(folder, runFiles.options)
  const options = parseJsonBytes(files[runFiles.options], path, 'the options', {
    length: MOST_BYTES,
  })
  const { run } = given
  const data = run ? await testData(args, run) : OF_PROGRAM
  const { input = [1, 1, 1] } = given.options
  const model = await compile(given.network(input, run?.classes ?? 0), {
    ...given.options,
    purpose: 'inference',
    input,
    batchSize: 16,
    threads: threads ?? defaultThreads(run?.dataset ?? 'digits'),
  })
  try {
    given.load(model)
    const written = await withFiles(() =>
      writeReport(folder, {
        title: titleOf(options),
        ending: run ? endingOf(records, run.epochs) : `${records.length} epochs are complete.`,
        records,
        options,
        session: model.session,
        data,
        state: model.stateDict(),
      }),
    )
    if (typeof data === 'string') process.stderr.write(`spikewasm: ${basename(written)}: ${data}\n`)
    if (args.json) printJson({ report: written, epochs: records.length })
    else process.stdout.write(`wrote ${written}\n`)
  } finally {
    await model.dispose()
  }
}

const OF_PROGRAM =
  'The run was written by a program, whose data are not known here, so no samples were looked at.'

/** What the run was tested with; why it is not there. */
async function testData(
  { data, cache }: ReportArguments,
  run: RunOptions,
): Promise<Dataset | string> {
  try {
    const split = await loadData(dataOf({ ...(data && { data }), cache }, run))
    const { validationSplit } = run
    if (validationSplit === undefined) return split.test
    return splitOf(split.train, { validationSplit }).validation ?? split.test
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    return `No samples were looked at: ${error.message}`
  }
}

/** @throws SpikewasmError for a line that is no record */
function recordsOf(bytes: Uint8Array, path: string): EpochRecord[] {
  const lines = new TextDecoder().decode(bytes).split('\n')
  return lines
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      const record = parseRecord(line)
      if (record) return record
      throw new SpikewasmError(
        `${path}: line ${i + 1} must be the record of an epoch, got something else; train again`,
      )
    })
}

function parseRecord(line: string): EpochRecord | undefined {
  try {
    const record = JSON.parse(line) as EpochRecord
    const numbers = [record.epoch, record.stepMs, record.samplesPerSecond]
    const isRecord = numbers.every(Number.isFinite) && typeof record.firingRates === 'object'
    return isRecord ? record : undefined
  } catch {
    return undefined
  }
}
