/** The control words of a run, and what they tell of one that has failed. */

import { Control } from '../../assembly/opcodes.js'
import type { Graph } from '../graph/trace.js'
import { labelOf } from '../nn/kind.js'
import type { ProgramName } from '../plan/plan.js'
import { Purpose as Draw, RandomStream } from '../random.js'
import { type Arena, programOf } from './arena.js'
import { stepMask } from './step-mask.js'
import { targetAddress } from './targets.js'

/** What a run's words follow from. */
interface Source extends Arena {
  readonly graph: Graph
  readonly timeSteps: number
  readonly seed: number
  readonly steps: number
  readonly streamed: number
}

/** Writes what a run reads, but for what differs from pass to pass. */
export function writeRun(session: Source, program: ProgramName, slot: 0 | 1, valid: number): void {
  const view = new DataView(session.memory.buffer)
  const set = (offset: number, value: number): void => view.setUint32(offset, value >>> 0, true)
  set(Control.Target, targetAddress(session.plan, slot))
  set(Control.Valid, valid)
  const stream = new RandomStream(Draw.Dropout)
  stream.start(session.seed, 0, session.steps)
  set(Control.Seed, stream.next())
  set(Control.StepMask, stepMask(session, session))
  set(Control.NonFinite, 0)
  set(Control.FirstStep, program === 'stream' ? session.streamed : 0)
}

/** What failed in a run, naming the layer whose record ran. */
export function failureOf(session: Source, program: ProgramName, error: unknown): string {
  const view = new DataView(session.memory.buffer)
  const { records } = programOf(session, program)
  const record = records[view.getUint32(Control.Progress, true)]
  const layer = session.graph.nodes[record?.layer ?? 0]
  const cause = error instanceof Error ? error.message : String(error)
  const where = layer ? `${layer.name || layer.kind} (${labelOf(layer)})` : '?'
  return `a worker failed at layer ${where}: ${cause}`
}
