/** `spikewasm report` */

import { basename, join } from 'node:path'
import { fail, SpikewasmError } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { readRunFiles } from '../../files/folder/folder.js'
import { parseJsonBytes } from '../../files/json.js'
import { runFiles } from '../../train/callbacks/checkpoint.js'
import { splitOf } from '../../train/fit.js'
import type { EpochRecord } from '../../train/records.js'
import { endingOf, titleOf, writeReport } from '../../train/report/make.js'
import { about } from '../about.js'
import { defaultThreads } from '../datasets.js'
import { loadData } from '../load-data.js'
import { withFiles } from '../mistakes.js'
import * as shared from '../options.js'
import { dataOf, type RunOptions } from '../run-folder.js'
import { type ArgumentsOf, commandOf } from '../spec.js'
import { answer } from '../terminal.js'
import { givenModel, modelFileSpecs, withModel } from '../which-model.js'

const reportSpecs = {
  best: { ...modelFileSpecs.best, text: 'the best weights (best.safetensors), not the last' },
  data: shared.data.data,
  cache: shared.data.cache,
  ...shared.threads,
  ...shared.wide,
  ...shared.jsonOf('say as JSON what was written'),
}

type ReportArguments = ArgumentsOf<typeof reportSpecs>

export const reportCommand = commandOf(reportSpecs, about.report, report)

/** More bytes than a history of ten thousands of epochs has. */
const MOST_BYTES = 500_000_000

const OF_PROGRAM =
  'The run was written by a program, whose data are not known here, so no samples were looked at.'

async function report(args: ReportArguments, folder: string): Promise<void> {
  const given = await givenModel({ run: folder, best: args.best })
  const files = await withFiles(() => readRunFiles(folder, [runFiles.history, runFiles.options]))
  const records = recordsOf(files[runFiles.history], join(folder, runFiles.history))
  const path = join(folder, runFiles.options)
  const text = files[runFiles.options]
  const options = parseJsonBytes(text, path, 'the options', { length: MOST_BYTES })
  const { run } = given
  const data = run ? await testData(args, run) : OF_PROGRAM
  const compiled = {
    ...given.options,
    input: given.options.input ?? ([1, 1, 1] as const),
    batchSize: 16,
    threads: args.threads ?? defaultThreads(run?.dataset ?? 'digits'),
  }
  await withModel(given, run?.classes ?? 0, compiled, async (model) => {
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
    answer(args.json, { report: written, epochs: records.length }, () => `wrote ${written}`)
  })
}

/** What the run was tested with; why it is not there. */
async function testData(
  { data, cache }: ReportArguments,
  run: RunOptions,
): Promise<Dataset | string> {
  try {
    const split = await loadData(dataOf({ ...(data && { data }), cache }, { run }))
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
      try {
        const record = JSON.parse(line) as EpochRecord
        const numbers = [record.epoch, record.stepMs, record.samplesPerSecond]
        if (numbers.every(Number.isFinite) && typeof record.firingRates === 'object') return record
      } catch {
        // Not even JSON.
      }
      return fail(
        `${path}: line ${i + 1} must be the record of an epoch, got something else; train again`,
      )
    })
}
