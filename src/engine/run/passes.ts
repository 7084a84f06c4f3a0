/**
 * Training steps whose parts the host runs one by one: with a loss of the user's between them, or
 * as `model.forward`, `backward` and `update`.
 */

import { Control } from '../../../assembly/opcodes.js'
import { checkBoolean, checkOptions, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import { type Call, callsOf } from '../../compile/cuts.js'
import { type MethodTraits, quoteMethodsWith, traitsOf } from '../../compile/methods.js'
import type { PlacedCut } from '../../compile/plan.js'
import type { AnyOutputs, OutputArrays } from '../../nn/loss/custom.js'
import type { StepOptions, StepResult } from '../compile-options.js'
import { floatsAt, keepBuffers, programOf, trainingOf } from '../memory/arena.js'
import type { Session } from '../session.js'
import { alone } from '../threads/calls.js'
import { checkBatch, fillSlot } from './batch.js'
import { hostLossOf, judge, labelOfLoss } from './host-loss.js'
import { expectFiniteOutput, nonFinite } from './non-finite.js'
import { type Gradient, outputsOf, type Probes, writeGradients } from './outputs.js'
import { checkClipNorm, planOfOptimizer, stepFactor } from './training.js'
import { normOf, writeStep } from './update.js'

/** A call of a training step, or what comes before or behind all of them. */
type Part = Call<PlacedCut> & { readonly probes: Probes }

function partsOf(session: Session): Part[] {
  const { cuts = [], outputs = [] } = programOf(session, 'train')
  return callsOf(cuts).map((call) => ({ ...call, probes: outputs[call.index] ?? [] }))
}

async function runPhase(session: Session, part: Part, phase: PlacedCut['phase']): Promise<void> {
  const cut = part.cuts[phase]
  if (cut) await session.runCut(cut, part.offset)
}

const ONLINE = ({ backward }: MethodTraits): boolean => backward === 'everyCall'

// A step whose loss is a function.

/** A step, or one without the update (`gradients`). Whoever calls it holds the lock. */
export async function runStep(
  session: Session,
  program: 'train' | 'gradients',
  slot: 0 | 1,
  valid: number,
  learningRate?: number,
  factor?: number,
): Promise<StepResult> {
  const loss = hostLossOf(session)
  if (!loss) return session.run(program, slot, valid, learningRate, factor)
  const isOnline = ONLINE(traitsOf(session.plan.options))
  const what = `${labelOfLoss(loss)}: gradient`
  let sum = 0
  const judgePart = async ({ probes, step }: Part): Promise<void> => {
    const told = { ...(await outputsOf(session, probes)), step, valid }
    const { loss: value, correct = 0, gradient } = await judge(session, loss, slot, told)
    writeGradients(session, probes, gradient, what, valid)
    sum += isOnline ? (value * probes[0].steps) / session.timeSteps : value
    // Updates read the loss, and do nothing where it is not finite.
    writeResult(session, sum, correct)
  }
  const restore = await keepBuffers(session, changedBy(session))
  session.begin(program, slot, valid, learningRate, factor)
  try {
    for (const part of partsOf(session)) {
      const { forward, backward, update, rest } = part.cuts
      // Each message to the workers takes time.
      const behind = program === 'gradients' ? [backward] : rest ? [rest] : [backward, update]
      const judging = () => judgePart(part)
      if (part.index < 0) behind.unshift(forward)
      else if (forward) await session.runCut(forward, part.offset, behind.shift(), judging)
      for (const cut of behind) if (cut) await session.runCut(cut, part.offset)
    }
  } catch (error) {
    restore()
    throw error
  }
  const result = { ...session.found(program, valid), answers: valid, weight: valid }
  session.show(program, valid)
  session.steps++
  session.trained = true
  return result
}

/** What a forward pass changes for good, or a step that makes updates in its calls. */
function changedBy({ plan }: Session) {
  const { statistics, parameters, training } = plan.named
  const own = plan.statistics.length > 0 ? [statistics] : []
  if (plan.options.update !== 'everyStep') return own
  const { states = {}, numbers } = training ?? {}
  return [...own, parameters, ...Object.values(states), ...(numbers ? [numbers] : [])]
}

function writeResult(session: Session, loss: number, correct: number): void {
  const view = new DataView(session.memory.buffer)
  view.setFloat32(Control.Loss, loss, true)
  view.setInt32(Control.Correct, correct, true)
  for (const place of [Control.Loss, Control.Correct]) session.wrote(place, 4)
}

// Parts that the user runs.

/** Options of `forward`; each has a default. */
export interface ForwardOptions {
  /**
   * Whether it is the first part of a training step: with the statistics of the batch, dropout, and
   * all that `backward` needs. Default true. false: as `predict` does.
   */
  training?: boolean
}

/** Plans the parts of a step, and puts a batch in its place. */
async function place(session: Session, x: Float32Array): Promise<void> {
  programOf(session, 'train')
  checkBatch(session, x, session.batchSize)
  const planned = session.otherPlan(undefined, { parts: true })
  const images = planned ? copyOf(x) : x
  if (planned) await session.follow(planned)
  fillSlot(session, images, undefined, session.batchSize)
}

/** `Model.forward`. The caller holds the model's lock. */
export async function forward(
  session: Session,
  x: Float32Array,
  options: ForwardOptions,
): Promise<AnyOutputs> {
  checkOptions('forward', options, ['training'])
  const training = checkBoolean('forward.training', options.training, true)
  const { method } = session.plan.options
  if (ONLINE(traitsOf(session.plan.options)))
    fail(
      `model.forward: method '${method}' goes back in each call of a few steps; use for await ` +
        '(const call of model.calls(x)) await call.backward(gradient), or method ' +
        quoteMethodsWith(({ backward }) => backward === 'afterwards'),
    )
  await place(session, x)
  const { batchSize, pass } = session
  if (!training) {
    await session.run('evaluate', 0, batchSize)
    const [probes] = programOf(session, 'evaluate').outputs as readonly Probes[]
    return (await outputsOf(session, probes)).outputs
  }
  session.begin('evaluate', 0, batchSize)
  const [part] = partsOf(session)
  const outputs = await runForward(session, part)
  session.show('train', batchSize)
  session.pass = { isForward: true, backwards: pass.backwards }
  return outputs
}

/** @throws SpikewasmError where an output is not finite */
async function runForward(session: Session, part: Part): Promise<AnyOutputs> {
  await runPhase(session, part, 'forward')
  const { outputs } = await outputsOf(session, part.probes)
  const arrays = outputs instanceof Float32Array ? { '': outputs } : outputs
  for (const [name, array] of Object.entries(arrays))
    expectFiniteOutput(session, array, (row) => `sample ${row % session.batchSize}`, name)
  return outputs
}

/** `Model.backward`. The caller holds the model's lock. */
export async function backward(session: Session, gradient: OutputArrays<Gradient>): Promise<void> {
  const { pass } = session
  if (!pass.isForward)
    fail(
      'model.backward must follow the model.forward that made its outputs, and another call has ' +
        'used the model since, or none was made; call forward again',
    )
  const [part] = partsOf(session)
  writeGradients(session, part.probes, gradient, 'model.backward: the gradient')
  const add = await addGradients(session)
  await runPhase(session, part, 'backward')
  await add()
  session.pass = { isForward: false, backwards: pass.backwards + 1 }
  session.trained = true
}

/**
 * @returns what adds the gradients of now, which no update has taken, to those that come; or puts
 *   them back where none come
 */
async function addGradients(session: Session): Promise<(come?: boolean) => Promise<void>> {
  if (session.pass.backwards === 0) return async () => undefined
  const { gradients } = trainingOf(session)
  const all = (): Float32Array => floatsAt(session, gradients.address, gradients.bytes / 4)
  await session.refresh([gradients])
  const before = all().slice()
  return async (come = true) => {
    await session.refresh([gradients])
    const now = all()
    for (let i = 0; i < now.length; i++) now[i] = before[i] + (come ? now[i] : 0)
    session.wrote(gradients.address, gradients.bytes)
  }
}

/** Options of `update`; each has a default. */
export type UpdateOptions = Pick<StepOptions, 'lr' | 'clipNorm'>

/** `Model.update`. The caller holds the model's lock. */
export async function update(
  session: Session,
  options: UpdateOptions,
): Promise<Pick<StepResult, 'gradientNorm'>> {
  checkOptions('update', options, ['lr', 'clipNorm'])
  if (session.pass.backwards === 0)
    fail(
      'model.update must follow model.backward, whose gradients it takes, and none was called, ' +
        "calls ended early, or a step has taken them (with update 'everyStep' each call); " +
        'call forward and backward first',
    )
  // Before anything is awaited: the caller's options may change then.
  const { lr, clipNorm } = options
  checkClipNorm('update.clipNorm', clipNorm)
  stepFactor(session.optimizer, lr ?? session.optimizer.lr, 'update.lr')
  await planUpdate(session, clipNorm)
  const norm = await updateParts(session, partsOf(session), { lr, clipNorm })
  session.pass = { isForward: false, backwards: 0 }
  session.steps++
  return norm
}

/** Makes the optimizer's step. */
async function updateParts(
  session: Session,
  parts: readonly Part[],
  { lr = session.optimizer.lr, clipNorm }: UpdateOptions,
): Promise<Pick<StepResult, 'gradientNorm'>> {
  session.clipNorm = clipNorm
  writeStep(session, lr, stepFactor(session.optimizer, lr))
  writeResult(session, 0, 0)
  new DataView(session.memory.buffer).setUint32(Control.NonFinite, 0, true)
  for (const part of parts) await runPhase(session, part, 'update')
  const problem = await nonFinite(session, 0)
  if (problem !== undefined) fail(problem)
  return normOf(session)
}

/** Another plan has other memory: gradients go with it. */
async function planUpdate(session: Session, clipNorm: number | undefined): Promise<void> {
  const planned = planOfOptimizer(session, clipNorm)
  if (!planned) return
  const before = trainingOf(session).gradients
  await session.refresh([before])
  const values = floatsAt(session, before.address, before.bytes / 4).slice()
  await session.follow(planned)
  const { address, bytes } = trainingOf(session).gradients
  floatsAt(session, address, bytes / 4).set(values)
  session.wrote(address, bytes)
}

// Online methods, call by call.

/** A call of a few steps of an online method. */
export interface StepCall<O extends AnyOutputs = Float32Array> {
  /** Its first step. */
  readonly step: number
  /** Outputs of its steps, [steps][B][C]; of several outputs a record by their names. */
  readonly outputs: O
  /**
   * Adds to the gradients what this call gives. At most once, before the next call.
   * @param gradient of the loss of this call, a mean over its steps; it counts by their share of T
   */
  backward(gradient: OutputArrays<Float32Array | Float64Array>): Promise<void>
}

/** @returns whether each call makes a step of the optimizer */
function checkCalls({ plan, optimizer }: Session, options: UpdateOptions): boolean {
  checkOptions('calls', options, ['lr', 'clipNorm'])
  checkClipNorm('calls.clipNorm', options.clipNorm)
  stepFactor(optimizer, options.lr ?? optimizer.lr, 'calls.lr')
  const { method, update } = plan.options
  if (!ONLINE(traitsOf(plan.options)))
    fail(
      `model.calls is for methods that go back in each call, ${quoteMethodsWith(ONLINE)}, this ` +
        `model has '${method}'; use model.forward, backward and update`,
    )
  const updates = update === 'everyStep'
  if (!updates && Object.keys(options).length > 0)
    fail("calls takes lr and clipNorm with update 'everyStep' alone; give them to model.update")
  return updates
}

/** `Model.calls`. */
export async function* stepCalls<O extends AnyOutputs>(
  session: Session,
  x: Float32Array,
  options: UpdateOptions,
): AsyncGenerator<StepCall<O>, void> {
  const updates = checkCalls(session, options)
  const before = session.pass.backwards
  const add = await alone(session, [], async () => {
    if (updates) await planUpdate(session, options.clipNorm)
    await place(session, x)
    const add = await addGradients(session)
    session.begin('evaluate', 0, session.batchSize)
    // Calls that end early leave parts of gradients alone.
    session.pass = { isForward: false, backwards: 0 }
    return add
  })
  const { pass } = session
  const run = <const A extends readonly unknown[], T>(
    args: A,
    body: (...args: A) => Promise<T>,
  ): Promise<T> =>
    alone(session, args, (...own) => {
      if (session.pass !== pass)
        fail('model.calls: another call has used the model since; begin anew with model.calls')
      return body(...own)
    })
  let count = 0
  for (const part of partsOf(session)) {
    if (part.index < 0) {
      // What clears gradients is before all calls; what completes them, behind those that gave any.
      await run([], () => runPhase(session, part, 'forward'))
      if (count > 0) await run([], () => runPhase(session, part, 'backward'))
      continue
    }
    const outputs = await run([], () => runForward(session, part))
    let open = true
    const backward = (gradient: OutputArrays<Gradient>): Promise<void> =>
      run([gradient], async (given) => {
        if (!open) fail('call.backward must be called once, before the next call')
        writeGradients(session, part.probes, given, 'call.backward: the gradient')
        open = false
        count++
        await runPhase(session, part, 'backward')
        if (updates) await updateParts(session, [part], options)
      })
    yield { step: part.step, outputs: outputs as O, backward }
    open = false
  }
  await run([], async () => {
    session.show('train', session.batchSize)
    await add(count > 0)
    const backwards = updates || count === 0 ? before : before + 1
    session.pass = { isForward: false, backwards }
    if (count === 0) return
    session.trained = true
    if (updates) session.steps++
  })
}
