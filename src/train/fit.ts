/** `Model.fit`: options are checked, the model is made ready, and the loop runs. */

import { fail } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import { isOfValues, lossFrom } from '../compile/loss-kind.js'
import { type MethodOptions, pickMethodOptions } from '../compile/methods.js'
import { optimizerOf } from '../compile/optimizer-kind.js'
import { standardTraining } from '../compile/training.js'
import { type Dataset, slice } from '../data/datasets/dataset.js'
import { programOf } from '../engine/memory/arena.js'
import { beginning, type Progress } from '../engine/run/progress.js'
import { trainingSpec } from '../engine/run/training.js'
import type { Session } from '../engine/session.js'
import { expectLabels, labelsBehind } from '../network/labels.js'
import { expectFigure, figuresOf } from '../network/optimizer.js'
import { checkDataset } from './evaluate.js'
import { Feed } from './feed.js'
import { type InRounds, Loop, type LoopParts } from './loop.js'
import { checkFitOptions, type FitOptions } from './options.js'
import type { History } from './records.js'
import { extra, extras, type Resume } from './registered.js'
import type { Setting, Snapshot } from './snapshot.js'

const RESUME_IN_A_PAGE =
  'keep model.toBytes(), give them to model.load, and call fit without resume'

/**
 * `Model.fit`. The caller must hold the model's lock.
 *
 * @param rounds does the steps, where they are not done one after the other here
 */
export async function fit(
  session: Session,
  all: Dataset,
  options: FitOptions = {},
  rounds?: InRounds,
): Promise<History> {
  const { data, asked } = checkedFit(session, all, options, rounds?.setting)
  const start = await startOf(session, data, asked, options)
  const { resume, found, progress, epochs } = start
  if (found?.about.ended !== undefined) {
    resume?.restoreCallbacks(options.callbacks ?? [], found)
    await resume?.settle(options.resume)
    takeOver(session, asked, start)
    return historyOf(found)
  }
  const own = rounds ? undefined : await Feed.open(session, data, progress, epochs, options)
  try {
    const parts: LoopParts = {
      session,
      feed: own ?? (rounds as InRounds).feed(session, data),
      options: { ...options, validation: asked.validation },
      optimizer: asked.optimizer,
      epochs,
      progress,
      records: [...(found?.about.records ?? [])],
      snapshot: (loop) => snapshotOf(session, loop, start),
    }
    const loop = rounds ? rounds.loop(parts, data, start.setting) : new Loop(parts)
    loop.checkRate()
    if (found) resume?.restoreCallbacks(loop.told.callbacks, found)
    // From here on the model is another.
    takeOver(session, asked, start)
    if (options.fresh) {
      session.resetOptimizer(true)
      session.steps = 0
    }
    return await loop.run()
  } finally {
    await own?.close()
  }
}

type Start = Awaited<ReturnType<typeof startOf>>

/**
 * Plans the model for the training, and reads what it goes on from.
 *
 * @returns where it begins: `first` is the epoch at which the run began, `epochs` that at which the
 *   training ends, `setting` all that its numbers depend on, made when it is asked for
 */
async function startOf(session: Session, data: Dataset, asked: Asked, options: FitOptions) {
  const { epochs = 1, initialEpoch, callbacks } = options
  programOf(session, 'train')
  if (options.resume !== undefined) extra('resume', 'fit.resume', RESUME_IN_A_PAGE)
  const resume = await extras().resume?.()
  const found =
    options.resume === undefined ? undefined : await resume?.readSnapshot(options.resume, callbacks)
  await planFit(session, asked)
  await session.lock.ask(() => resume?.prepareFingerprint(data))
  await session.lock.ask(() => resume?.prepareFingerprint(asked.validation))
  // It looks at the data.
  let known: Setting | undefined
  const setting = (): Setting => {
    known ??= (resume as Resume).settingOf(session, data, asked)
    return known
  }
  if (found) resume?.expectSameSetting(found.about.setting, setting())
  const identity = resume?.identityOfFiles(data) ?? data.name
  const progress = progressOf(session, `${identity}, ${data.length} samples`, asked, found)
  const first = found ? found.about.first : progress.epoch
  const end = initialEpoch === undefined ? first + epochs : epochs
  if (found) resume?.expectSameEpochs(found, options)
  return { resume, found, progress, first, epochs: end, setting }
}

/** The model is that of the training from here on. */
function takeOver(
  session: Session,
  { optimizer, labels }: Asked,
  { resume, found, progress }: Start,
): void {
  session.optimizer = optimizer
  session.labels = labels
  session.progress = progress
  if (found) resume?.restoreSnapshot(session, found)
  // Gradients of batches of an epoch that does not go on are nobody's.
  else if (progress.step === 0) session.accumulated = 0
}

/** @throws SpikewasmError in a page, which has no files */
function snapshotOf(session: Session, { told, records }: Loop, start: Start): Snapshot {
  const { resume, first, epochs, progress } = start
  if (!resume) return extra('resume', 'training.snapshot') as never
  return resume.takeSnapshot(session, {
    version: VERSION,
    setting: start.setting(),
    first,
    epochs,
    progress,
    records,
    callbacks: resume.keptOf(told.callbacks),
    callbackTensors: resume.keptTensorsOf(told.callbacks),
  })
}

/** The history of a run that had ended. */
function historyOf({ about: { records, ended } }: Snapshot): History {
  const stopped = ended === 'finished' ? {} : { stopped: ended }
  return { epochs: [...records], aborted: false, ...stopped }
}

/** What `fit` is asked for, complete. */
export type Asked = ReturnType<typeof checkedFit>['asked']

/**
 * Checks what `fit` is given; nothing is changed.
 *
 * @returns the samples to train with, and the options with what they leave out
 * @throws SpikewasmError for data or options that don't match
 */
export function checkedFit(session: Session, all: Dataset, options: FitOptions, rounds?: object) {
  checkFitOptions(options)
  const planned = session.plan.options.training ?? standardTraining
  const { penalties = planned.penalties } = options
  const loss = lossFrom(options.loss) ?? planned.loss
  checkDataset(session, all, loss)
  const { data, validation } = splitOf(all, options)
  const optimizer = optimizerOf('fit.optimizer', options.optimizer ?? session.optimizer)
  if (options.metrics && !validation)
    fail('fit.metrics are of validation data; give fit.validation, or fit.validationSplit')
  if (validation) checkDataset(session, validation, loss)
  const { monitor } = options.schedule ?? {}
  if (monitor !== undefined) {
    const figures = figuresOf(isOfValues(loss), validation !== undefined, options.metrics)
    expectFigure('the monitor of fit.schedule', monitor, figures)
  }
  if (data.length === 0) fail(`the data ${data.name} must have a sample at least, got none`)
  const { classes } = session
  if (options.labels) expectLabels('fit.labels', options.labels, classes)
  const labels = labelsBehind(session.labels, options.labels, data.classNames, classes)
  const weighted = (data.weightOf ?? validation?.weightOf) !== undefined
  const asked = { ...options, optimizer, loss, penalties, labels, validation, rounds, weighted }
  return { data, asked }
}

/** Plans the model for a training. Whoever calls it holds the lock. */
export function planFit(session: Session, asked: Asked): Promise<void> {
  const spec = trainingSpec('fit', session.graph, asked)
  const weighted = asked.weighted ? ({ weighted: true } as const) : {}
  return session.replan(methodOf(session, asked), { ...spec, ...weighted })
}

/** Amid an epoch nobody can go on with other data: it begins anew. */
function progressOf(
  session: Session,
  of: string,
  { initialEpoch, fresh, rounds }: Asked,
  found: Snapshot | undefined,
): Progress {
  // Steps of rounds are others.
  const data = `${of}${rounds ? ', in rounds' : ''}`
  // Its setting is this one's, so its data are.
  if (found) return { ...structuredClone(found.about.progress), data }
  if (initialEpoch !== undefined || fresh) return { ...beginning(initialEpoch), data }
  const before = session.progress
  return before.data === data ? structuredClone(before) : { ...beginning(before.epoch), data }
}

/**
 * What a model is trained with, and what it is evaluated on. A split takes the last samples, in the
 * order of the data set, before anything is shuffled.
 * @throws SpikewasmError when it leaves nothing on one side
 */
export function splitOf(
  all: Dataset,
  { validation, validationSplit }: Pick<FitOptions, 'validation' | 'validationSplit'>,
): { data: Dataset; validation: Dataset | undefined } {
  if (validationSplit === undefined) return { data: all, validation }
  const { length } = all
  // As in Keras.
  const first = Math.floor(length * (1 - validationSplit))
  if (first === 0 || first === length)
    fail(
      'fit.validationSplit must leave samples to train with and to evaluate on, got ' +
        `${validationSplit} of ${length} samples of ${all.name}`,
    )
  return { data: slice(all, 0, first), validation: slice(all, first, length - first) }
}

/** The method that is asked for; undefined where it is the model's. */
function methodOf({ plan }: Session, options: MethodOptions) {
  const method = pickMethodOptions(options)
  if (Object.keys(method).length === 0) return undefined
  return {
    method: plan.options.method,
    ...(method.method === undefined ? { stepMode: plan.options.stepMode } : {}),
    ...method,
  }
}
