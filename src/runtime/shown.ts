/** What a model shows of its last run or training step: an error before there is any. */

import { describe, fail } from '../errors.js'
import type { StateProbe } from '../plan/plan.js'
import { programOf } from './arena.js'
import type { Session } from './session.js'
import { nameOf } from './spikes.js'
import * as state from './state.js'
import { type RecordedStates, roomFor, writeStates } from './states.js'
import * as views from './views.js'

/**
 * @param what asks for results of a training step
 * @throws SpikewasmError where none has run since the model was compiled, or its method changed
 */
export function expectTrained(session: Session, what: string): void {
  programOf(session, 'train')
  if (!session.trained)
    fail(
      `${what} needs a training step of the model's method, and none has run yet; call trainStep ` +
        'or fit first',
    )
}

/** @throws SpikewasmError where nothing has run yet */
function expectRun({ lastRun }: Session, what: string): void {
  if (!(lastRun.images > 0))
    fail(`${what}: nothing has run yet; call trainStep, predict, evaluate or step first`)
}

/** `Model.gradients`. */
export function gradients(session: Session): state.StateDict {
  expectTrained(session, 'gradients')
  return state.gradients(session)
}

/** `Model.output`. */
export function output(session: Session): Float32Array {
  expectRun(session, 'output')
  const { steps, outputs } = session.lastRun
  return views.output(session, steps || undefined, session.batchSize, outputs || undefined)
}

export type { RecordedStates }

/** `Model.states`. */
export function states(session: Session, layer: string | number): RecordedStates {
  const name = nameOf(layer)
  const known = Object.keys(session.settings.states)
  if (!known.includes(name))
    fail(
      `states: nothing is recorded of a layer ${describe(name)}, ` +
        (known.length > 0
          ? `but of ${known.join(', ')}`
          : "nor of another; compile with record: 'all'"),
    )
  expectRun(session, 'states')
  const { states, valid } = session.lastRun
  const probe = states.find((one) => one.name === name) as StateProbe
  const room = roomFor(probe, valid)
  writeStates(session, probe, valid, room)
  return room
}

/** `Model.activity`. */
export function activity(session: Session, name: string): views.NeuronActivity {
  const found = views.activity(session, name)
  expectTrained(session, 'activity')
  return found
}

/** `Model.stepRates`. */
export function stepRates(session: Session): Record<string, number[]> {
  const found = views.stepRates(session, session.lastRun.probes)
  expectRun(session, 'stepRates')
  return found
}

/** `Model.diagnostics`. */
export function diagnostics(session: Session): views.Diagnostics {
  const found = views.diagnostics(session)
  expectTrained(session, 'diagnostics')
  return found
}
