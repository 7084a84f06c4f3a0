/** `spikewasm eval` */

import { describe } from '../../base/errors.js'
import type { ApartNet } from '../../edge/verify/apart.js'
import { evaluateApart } from '../../edge/verify/job.js'
import type { Model } from '../../model/model.js'
import { sizeOf } from '../../network/value.js'
import type { Evaluation } from '../../train/evaluate.js'
import { about } from '../about.js'
import { defaultThreads } from '../datasets.js'
import { loadData } from '../load-data.js'
import * as shared from '../options.js'
import { dataOf, readRunOptions } from '../run-folder.js'
import * as o from '../spec.js'
import * as report from '../terminal.js'
import { answer, shareBar, tableText } from '../terminal.js'
import * as which from '../which-model.js'

const evalSpecs = {
  ...which.modelOrNetSpecs,
  ...o.under('Model', ['on'], {
    on: o.text('<file>', 'exported network, a .wasm file: the very file runs, no weights are read'),
  }),
  ...which.nirSpecs,
  ...shared.frameSpecs,
  ...shared.savedData,
  ...o.fromRun({ ...shared.modelOfData, ...shared.time }),
  ...shared.split,
  perClass: o.flag(
    'also precision, recall and f1 of each class, and the samples of each label by answer',
  ),
  topK: o.count('<n>', 'also the share of samples whose label is among the n best answers'),
  ...o.fromRun(shared.limits),
  batchSize: o.number('<n>', 'samples at a time', { usual: "the run's, without --run 64" }),
  ...shared.threads,
  ...shared.last,
}

type EvalArguments = o.ArgumentsOf<typeof evalSpecs>

export const evalCommand = o.commandOf(evalSpecs, about.eval, (asked: EvalArguments) => {
  // An exported network as --weights is one as --on.
  const { split, weights } = asked
  const isNet = asked.on === undefined && which.isNetFile(weights)
  const args = isNet ? { ...asked, on: weights, weights: undefined } : asked
  const other = split === 'test' ? 'limitTrain' : 'limitTest'
  o.expectLeftOut(args, [other], `with --split ${split}`)
  const { on } = args
  if (on === undefined) return evaluate(args)
  o.expectLeftOut(args, ['perClass', 'topK'], 'with --on')
  o.expectLeftOut(args, superfluous, 'with --on', '; the file is the network')
  return which.withNet(on, '--on', (net) => evaluateFile(net, on, args))
})

/** Options that rebuild a network, which a file already is. */
const superfluous = Object.keys({
  ...o.pick(evalSpecs, 'weights', 'pretrained', 'best', 'model', 'timeSteps', 'tau'),
  ...o.pick(evalSpecs, 'batchSize', 'threads'),
})

/** Samples at a time that divide their number, so that spikes are counted to the last one. */
function evenBatch(samples: number): number {
  for (let size = Math.min(64, samples); size >= 8; size--) if (samples % size === 0) return size
  return 64
}

/**
 * Spikes of all samples together, by layer. Operations are counted over the samples alone; rates
 * count samples that fill a batch too, so they are for layers whose operations are not counted.
 */
function spikesOf(
  { session, timeSteps }: Model,
  { firingRates, operations, count }: Evaluation,
): Record<string, number> {
  const sizes = new Map(session.graph.nodes.map(({ name, shape }) => [name, sizeOf(shape)]))
  return Object.fromEntries(
    Object.entries(firingRates).map(([name, rate]) => {
      const { activationSparsity: sparsity = 1 - rate } = operations?.layers[name] ?? {}
      return [name, Math.round((1 - sparsity) * (sizes.get(name) ?? 0) * timeSteps * count)]
    }),
  )
}

async function evaluate(args: EvalArguments): Promise<void> {
  const { split } = args
  const ofNir = args.nir !== undefined || which.isNirFile(args.weights ?? args.model)
  const batch: Parameters<typeof which.withModelOnData>[1] = ({ length }, dataset, { run }) => ({
    batchSize: args.batchSize ?? run?.batchSize ?? (ofNir ? evenBatch(length) : 64),
    threads: args.threads ?? defaultThreads(dataset),
  })
  await which.withModelOnData(args, batch, async (model, part, dataset, name) => {
    const began = performance.now()
    const found = await model.evaluate(part, { topK: args.topK })
    const samplesPerSecond = found.count / ((performance.now() - began) / 1000)
    const { accuracy, loss, count, firingRates, operations, topK } = found
    const result = {
      final: true,
      [`${split}Accuracy`]: accuracy,
      [`${split}Loss`]: loss,
      samples: count,
      samplesPerSecond,
      peakMemoryMB: report.peakMemoryMB(),
      ...o.pick(found, 'firingRates', 'operations'),
      spikes: spikesOf(model, found),
      ...o.pick(found, 'perClass', 'confusion', 'topK'),
      dataset,
      model: name,
      split,
      ...o.pick(model, 'threads', 'timeSteps', 'method'),
      parameters: model.parameterCount,
    }
    answer(args.json, result, () => {
      const rows = report.keyValueTable([
        [`${split} accuracy`, report.percent(accuracy)],
        [`${split} loss`, report.decimal(loss)],
        topK !== undefined && [`label among ${args.topK} best`, report.percent(topK)],
        ['samples', String(count)],
        ['speed', report.speedText(samplesPerSecond)],
        ['peak memory', `${result.peakMemoryMB.toFixed(0)} MB`],
        ...report.rateRows(firingRates),
        ...report.operationRows(operations),
      ])
      const makers = args.perClass ? [classTable, confusionTable] : []
      const tables = [rows, ...makers.map((make) => make(found, part.classNames))]
      return [`${name} on ${part.name}`, ...tables.filter((table) => table)].join('\n')
    })
  })
}

/** The accuracy of an exported file. */
async function evaluateFile(net: ApartNet, file: string, args: EvalArguments): Promise<void> {
  const { split } = args
  const run = args.run === undefined ? undefined : await readRunOptions(args.run)
  const { info } = net
  // The file has its steps; recordings are cut into as many frames.
  const source = { ...dataOf(args, { run }), timeSteps: info.timeSteps }
  const part = (await loadData(source))[split]
  const bar = shareBar(args.json)
  const began = performance.now()
  const { accuracy, correct, count } = await evaluateApart(net, part, (done) =>
    bar.show('testing', done),
  ).finally(bar.stop)
  const samplesPerSecond = count / ((performance.now() - began) / 1000)
  const { target, mode, weights, timeSteps, memoryBytes } = info
  const result = {
    final: true,
    [`${split}Accuracy`]: accuracy,
    correct,
    samples: count,
    samplesPerSecond,
    peakMemoryMB: report.peakMemoryMB(),
    on: file,
    sealed: which.isSealed(info),
    name: info.name ?? null,
    dataset: source.dataset,
    split,
    target,
    mode,
    precision: weights,
    ...o.pick(info, 'timeSteps', 'parameters', 'memoryBytes'),
  }
  answer(args.json, result, () => {
    const rows = report.keyValueTable([
      [`${split} accuracy`, report.percent(accuracy)],
      ['samples', String(count)],
      ['speed', report.speedText(samplesPerSecond)],
      ['memory of the file', `${memoryBytes / 1024} KB`],
      !which.isSealed(info) && ['sealed', which.sealLine(info)],
    ])
    return `${file} (${target}, ${mode}, ${weights}, T ${timeSteps}) on ${part.name}\n${rows}`
  })
}

/** A line for each class. */
const classTable = ({ perClass = [] }: Evaluation, names: readonly string[] | undefined): string =>
  tableText(
    'lrrrr',
    ['class', 'samples', 'precision', 'recall', 'f1'],
    perClass.map(({ precision, recall, f1, count }, c) => [
      nameOf(c, names),
      String(count),
      ...[precision, recall, f1].map(report.percent),
    ]),
    false,
  )

/** A matrix of more classes is too wide for a terminal. */
const MOST_SHOWN = 20

/** Samples of each label with each answer; undefined where there are too many classes. */
export function confusionTable(
  { confusion }: Pick<Evaluation, 'confusion'>,
  names: readonly string[] | undefined,
): string | undefined {
  if (confusion === undefined || confusion.length > MOST_SHOWN) return undefined
  // Columns by number: names would be too wide.
  const head = ['label \\ answer', ...confusion.map((_, c) => String(c))]
  const rows = confusion.map((counts, c) => {
    const name = nameOf(c, names)
    return [name === String(c) ? name : `${c} ${name}`, ...counts.map(String)]
  })
  return tableText(`l${'r'.repeat(confusion.length)}`, head, rows)
}

const nameOf = (c: number, names: readonly string[] | undefined): string =>
  names?.[c] === undefined ? String(c) : shown(names[c])

/** A name from a file, without the quotes where it needs none. */
const shown = (name: string): string => (/^[\w ./-]{1,60}$/.test(name) ? name : describe(name))
