/** Checkpoints of a model outside of `fit`, for training loops of one's own. */

import { checkPath, describe, fail, quote, SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { checkLoss, checkPenalties, type Loss } from '../../compile/loss-kind.js'
import { type MethodOptions, methodNames, takenOptions } from '../../compile/methods.js'
import { checkOptimizer, isRule, type Optimizer } from '../../compile/optimizer-kind.js'
import { collectState } from '../../compile/state.js'
import { statesOf } from '../../compile/training.js'
import { programOf } from '../../engine/memory/arena.js'
import { groupsOf, trainingSpec } from '../../engine/run/training.js'
import type { Session } from '../../engine/session.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { parseCheckpoint, serializeCheckpoint } from '../../files/checkpoint.js'
import { fires } from '../../network/kind.js'
import { checkTraining, type FitOptions } from '../options.js'
import { warnOfVersion } from '../resume.js'
import {
  checkSnapshot,
  expectSameSetting,
  modelSetting,
  restoreSnapshot,
  type Setting,
  type Snapshot,
  takeSnapshot,
  textOf,
} from '../snapshot.js'
import { runFiles } from './run-files.js'

/** `Model.saveCheckpoint`. */
export async function saveCheckpoint(session: Session, path: string): Promise<void> {
  checkPath('saveCheckpoint.path', path)
  programOf(session, 'train')
  const { progress, optimizer, plan } = session
  await session.refresh('all')
  const snapshot = takeSnapshot(session, {
    version: VERSION,
    setting: plainOf({ ...modelSetting(session), optimizer, training: plan.options.training }),
    first: progress.epoch,
    epochs: progress.epoch,
    progress,
    records: [],
    callbacks: {},
    callbackTensors: {},
  })
  const { writeFileAtomic } = await import('../../files/files.js')
  await writeFileAtomic(path, await serializeCheckpoint(snapshot, textOf(snapshot)))
}

/** `Model.loadCheckpoint`. The caller must hold the model's lock. */
export async function loadCheckpoint(session: Session, path: string): Promise<void> {
  checkPath('loadCheckpoint.path', path)
  programOf(session, 'train')
  const { kindOfPath, readFileClear } = await import('../../files/files.js')
  const { readRunFile } = await import('../../files/folder/read.js')
  const isFolder = (await kindOfPath(path)) === 'folder'
  const bytes = isFolder
    ? await readRunFile(path, runFiles.checkpoint)
    : await readFileClear(path, 'the checkpoint')
  const snapshot = checkSnapshot(await parseCheckpoint(bytes, path), path)
  const { setting, progress, version } = snapshot.about
  const optimizer = setting.optimizer as Optimizer
  try {
    const own = plainOf(modelSetting(session))
    // The method is changed to that of the checkpoint; threads do not matter.
    const found: Setting = { ...setting, method: own.method }
    expectSameSetting(Object.fromEntries(Object.keys(own).map((key) => [key, found[key]])), own)
    checkOptimizer('the optimizer', optimizer)
    groupsOf(session.graph, optimizer)
    const method = methodOf(setting.method)
    const spec = specOf(session, setting)
    expectStates(session, spec, snapshot)
    await session.replan(method, spec)
    restoreSnapshot(session, snapshot)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    const message = `${path}: ${error.message.replace(/^fit\.resume: /, '')}`
    fail(message, error)
  }
  session.optimizer = optimizer
  session.progress = structuredClone(progress)
  warnOfVersion(version, path)
}

const plainOf = (setting: object): Setting => JSON.parse(JSON.stringify(setting))

type Spec = ReturnType<typeof trainingSpec>

const list = v.array(v.string())
/** What became of options, as `TrainingSpec`. What the losses say is checked by themselves. */
const specSchema = v.object({
  rule: v.custom<string>((rule) => typeof rule === 'string' && isRule(rule)),
  groups: v.pipe(v.array(list), v.maxLength(1000)),
  frozen: list,
  clip: v.boolean(),
  accumulate: v.boolean(),
  average: v.boolean(),
  loss: v.custom<Loss>(() => true),
  penalties: v.array(v.custom<Spec['penalties'][number]>((p) => v.is(penaltySchema, p))),
})
const penaltySchema = v.looseObject({ layers: list })

/**
 * A loss of the user's own: the model's, where it has the text that the file tells of. Files cannot
 * keep functions.
 */
function withFunction({ loss: own }: Session, found: Loss): Loss {
  if (found?.kind !== 'custom') return found
  const { evaluate, ...kept } = own.kind === 'custom' ? own : { ...own, evaluate: undefined }
  if (evaluate && JSON.stringify(kept) === JSON.stringify(found)) return own
  fail(
    `the checkpoint's loss is the function ${quote(String(found.name))}, whose text has the hash ` +
      `${found.hash}; a file cannot keep it: compile the model with that loss, ` +
      (evaluate
        ? `whose text is another now (hash ${own.kind === 'custom' && own.hash})`
        : 'again'),
  )
}

/** A checkpoint of `fit` has the options, one of a model what became of them. */
function specOf(session: Session, setting: Setting): Spec {
  const { graph } = session
  if (setting.training === undefined) {
    const given = setting as unknown as FitOptions & Parameters<typeof trainingSpec>[2]
    const options = { ...given, loss: withFunction(session, given.loss) }
    checkTraining(options)
    return trainingSpec('fit', graph, options)
  }
  const { success, output, issues } = v.safeParse(specSchema, setting.training, {
    abortEarly: true,
  })
  if (!success)
    fail(
      'must be a checkpoint of a model, got one that says other things at ' +
        `${quote(`training.${v.getDotPath(issues[0]) ?? ''}`)}; use one that saveCheckpoint has ` +
        'written',
    )
  output.loss = withFunction(session, output.loss)
  checkLoss('the loss', output.loss)
  checkPenalties('the penalties', output.penalties)
  const parameters = collectState(graph).parameters.map(({ name }) => name)
  const neurons = graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  for (const group of output.groups) expectNames('a group', group, parameters)
  expectNames('frozen', output.frozen, parameters)
  for (const { layers } of output.penalties) expectNames('a penalty', layers, neurons)
  return output
}

function expectNames(what: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined)
    fail(`${what} must name what the network has, got ${describe(unknown)}`)
}

function methodOf(found: unknown): MethodOptions {
  const { method } = (found ?? {}) as MethodOptions
  if (!methodNames.some((name) => name === method))
    fail(`the method must be one of ${methodNames.join(', ')}, got ${describe(method)}`)
  return takenOptions(found as MethodOptions)
}

/** @throws SpikewasmError before anything is changed */
function expectStates({ plan }: Session, spec: Spec, { tensors }: Snapshot): void {
  const shaped = [...plan.parameters, ...plan.statistics]
  const needed = [
    ...shaped.map(({ name, layout }) => ({ name: `model.${name}`, layout })),
    ...statesOf(spec).flatMap((state) =>
      plan.parameters.map(({ name, layout }) => ({ name: `optimizer.${state}.${name}`, layout })),
    ),
  ]
  for (const { name, layout } of needed)
    if (!Object.hasOwn(tensors, name) || tensors[name].shape.join() !== layout.shape.join())
      fail(`the checkpoint must hold ${name} of shape [${layout.shape.join(', ')}], got another`)
}
