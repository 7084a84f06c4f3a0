/** The text of `model.summary()`. */

import { oneLine } from '../base/errors.js'
import { columns } from '../base/numbers.js'
import { labelOf } from '../network/kind.js'
import { type Graph, type GraphNode, inputsOf } from '../network/trace.js'
import { show, sizeOf } from '../network/value.js'
import { purposeOf } from './context.js'
import { makePlan, type Plan, type ProgramName } from './plan.js'

/** Numbers as PyTorch counts them, without padding. */
export const parameterCount = ({ parameters }: Plan): number =>
  parameters.reduce((sum, { layout }) => sum + sizeOf(layout.shape), 0)

/** What `console.log` shows of a model. */
export function inTwoLines(of: {
  readonly plan: Plan
  readonly asked: readonly number[]
  readonly classes: number
  readonly threads: number
}): string {
  const { method, stepMode, timeSteps, batchSize } = of.plan.options
  const parameters = count(parameterCount(of.plan))
  return (
    `Model [${of.asked.join(', ')}] → ${of.classes}, ${parameters} parameters\n` +
    `  ${method} ${stepMode}, T ${timeSteps}, B ${batchSize}, ${of.threads} ` +
    `${of.threads === 1 ? 'thread' : 'threads'}; summary() lists the layers`
  )
}

/**
 * @param threads of the model
 * @param workersOf how many of them a program uses
 */
export function summarize(
  graph: Graph,
  plan: Plan,
  threads: number,
  workersOf: (program: ProgramName) => number,
): string {
  const { options, parameters, memory } = plan
  const programs = Object.keys(plan.programs) as ProgramName[]
  const sizes = graph.nodes.map(() => 0)
  for (const { node, layout } of parameters) sizes[node] += sizeOf(layout.shape)
  const parametersOf = ({ index, sharedWith }: GraphNode): string =>
    sharedWith === undefined ? count(sizes[index]) : `as ${graph.nodes[sharedWith].name}`
  const rows = graph.nodes
    .filter((node) => node.kind !== 'input')
    .map((node) => [node.name || '(network)', labelOf(node), show(node), parametersOf(node)])
  const inputs = inputsOf(graph).map((node) => `${node.name} ${show(node)}`.trim())
  const total = sizes.reduce((a, b) => a + b, 0)
  const lines = [
    table([['layer', 'kind', 'output', 'parameters'], ...rows]),
    `parameters ${count(total)}; input ${inputs.join(', ')}, batch ` +
      `${options.batchSize}, T ${options.timeSteps}, method ${options.method} ` +
      `${options.stepMode}, purpose ${options.purpose ?? 'train'}`,
    `workers    ${programs.map((name) => `${name} ${workersOf(name)}`).join(', ')}; of ` +
      `${threads} threads, as many as the work is worth`,
    '',
    table([
      ['memory', 'MiB'],
      ['parameters', mib(memory.parameters)],
      ['gradients', mib(memory.gradients)],
      ['optimizer', mib(memory.optimizer)],
      ['running statistics, outputs', mib(memory.statistics)],
      ...(memory.recorded ? [['recorded states', mib(memory.recorded)]] : []),
      ['input', mib(memory.input)],
      ['kept for backward', mib(memory.kept)],
      ['activations and scratch, kept included', mib(memory.scratch)],
      ['scratch of workers', mib(memory.workers)],
      ['program', mib(memory.program)],
      ['total', mib(memory.total)],
      ...inferenceRow(plan, threads),
    ]),
  ]
  return lines.join('\n')
}

/** What the model would take if it were compiled to predict and evaluate alone. */
function inferenceRow({ options }: Plan, workers: number): [string, string][] {
  if (!purposeOf(options).training) return []
  const { memory } = makePlan({ ...options, purpose: 'inference' }, workers)
  return [["total with purpose 'inference'", mib(memory.total)]]
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(2)
const count = (n: number): string => n.toLocaleString('en-US')

/** Columns padded to their widest cell; the last one right-aligned. */
function table(given: readonly (readonly string[])[]): string {
  // A cell is one line, whatever a layer is called.
  const [head, ...rows] = given.map((row) => row.map((cell) => oneLine(cell)))
  return columns([head, head.map(() => '─'), ...rows], 'padStart').join('\n')
}
