/** Numbers that are no longer finite: what went wrong in a step, and where it shows first. */

import { Control, Rec } from '../../../assembly/opcodes.js'
import { fail } from '../../base/errors.js'
import { pack, unpack } from '../../compile/layout.js'
import type { ProgramName } from '../../compile/plan.js'
import { labelOf } from '../../network/kind.js'
import { floatsAt, storedAt, trainingOf } from '../memory/arena.js'
import type { Session } from '../session.js'

/**
 * What went wrong in the last training step if its loss or a gradient is not finite, naming the
 * first layer where it shows; else undefined.
 */
export async function nonFinite(
  session: Session,
  slot: 0 | 1,
  program: ProgramName = 'train',
): Promise<string | undefined> {
  const view = new DataView(session.memory.buffer)
  const loss = view.getFloat32(Control.Loss, true)
  const lossIsFinite = Number.isFinite(loss)
  const flag = view.getUint32(Control.NonFinite, true)
  if (lossIsFinite && flag === 0) return undefined
  await session.refresh('seen')
  const what = lossIsFinite
    ? flag > 1
      ? 'the variance of a batch is not finite'
      : 'a gradient is not finite'
    : `the loss is ${loss}`
  const where =
    flag > 1
      ? `layer ${layerName(session, flag - 2)} (${labelOf(session.graph.nodes[flag - 2])})`
      : locateNonFinite(session, slot)
  clearPadding(session)
  // The optimizer does nothing when the loss is not finite; but updates at every step come before
  // the loss is known.
  const untouched =
    program === 'gradients' || (!lossIsFinite && session.plan.options.update === 'afterwards')
  const statistics = session.plan.statistics.length > 0
  const left = untouched
    ? 'The parameters are those before this ' +
      `step${statistics ? ', running statistics may hold it' : ''}`
    : `Parameters${statistics ? ' and running statistics' : ''} whose new value would not ` +
      'be finite were left as they were, others may hold this step'
  return (
    `${what}; it shows first in ${where}. ${left}; ${clipHelp(session)}a lower learning rate or ` +
    'normalised input helps'
  )
}

/** Through a recurrent weight gradients may grow at each step: clipping is what bounds them. */
function clipHelp({ graph, clipNorm }: Session): string {
  const isRecurrent = graph.nodes.some(
    ({ layer }) => layer && 'recurrence' in layer && layer.recurrence,
  )
  if (!isRecurrent) return ''
  return clipNorm === undefined
    ? 'through recurrent weights gradients may explode: clipNorm, for example clipNorm: 1, '
    : `a clipNorm smaller than ${clipNorm}, `
}

/**
 * @param logits outputs of the last run, row by row
 * @param where whose outputs the i-th row holds, for the message
 * @param name of the output, where there are several
 * @throws SpikewasmError that names the layer, when one of them is not finite
 */
export function expectFiniteOutput(
  session: Session,
  logits: Float32Array,
  where: (row: number) => string,
  name?: string,
): void {
  const at = logits.findIndex((value) => !Number.isFinite(value))
  if (at < 0) return
  const { nodes, exits, output } = session.graph
  const index = exits?.find((exit) => exit.name === name)?.node ?? output
  const layer = `layer ${layerName(session, index)} (${labelOf(nodes[index])})`
  const row = Math.floor(at / nodes[index].shape[0])
  fail(
    `${layer} gives ${logits[at]} for ${where(row)}; its weights, or the input, are too large ` +
      'for float32',
  )
}

/** Where clipping by an infinite norm has made padding NaN, no later step would write it. */
function clearPadding(session: Session): void {
  const { gradients } = trainingOf(session)
  const { parameters } = session.plan
  const stored = parameters.map((p) => storedAt(session, gradients.address, p))
  const values = parameters.map(({ layout }, i) => unpack(layout, stored[i]))
  floatsAt(session, gradients.address, gradients.bytes / 4).fill(0)
  for (const [i, { layout }] of parameters.entries()) pack(layout, values[i], stored[i])
  session.wrote(gradients.address, gradients.bytes)
}

function locateNonFinite(session: Session, slot: 0 | 1): string {
  const broken = (values: Float32Array): boolean => values.some((v) => !Number.isFinite(v))
  const { parameters, statistics } = session.plan.named
  const { gradients } = trainingOf(session)
  if (broken(session.slot(slot).images)) return 'the input'
  for (const p of session.plan.parameters)
    for (const [what, { address }] of [
      ['parameter', parameters],
      ['gradient of', gradients],
    ] as const)
      if (broken(storedAt(session, address, p)))
        return `layer ${layerName(session, p.node)} (${what} ${p.name})`
  for (const s of session.plan.statistics)
    if (broken(storedAt(session, statistics.address, s)))
      return `layer ${layerName(session, s.node)} (${s.name})`
  return (
    `layer ${layerName(session, session.graph.output)} (its output, or a step too large ` +
    'for float32)'
  )
}

/** A layer's name, or its kind where it has none; records of no layer are the optimizer's. */
export function layerName({ graph }: Session, index: number): string {
  if (index === Rec.NoLayer) return 'optimizer'
  const node = graph.nodes[index]
  return node.name || labelOf(node)
}
