/** The text of `model.summary()`. */

import { oneLine } from '../base/errors.js'
import { columns } from '../base/numbers.js'
import { labelOf } from '../network/kind.js'
import { type Graph, type GraphNode, inputsOf, ownerOf } from '../network/trace.js'
import { show, sizeOf } from '../network/value.js'
import { largestOf, weightTypes } from '../network/weights.js'
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
  const { method, stepMode, timeSteps, batchSize, weights = 'f32' } = of.plan.options
  const parameters = count(parameterCount(of.plan))
  return (
    `Model [${of.asked.join(', ')}] → ${of.classes}, ${parameters} parameters\n` +
    `  ${method} ${stepMode}, T ${timeSteps}, B ${batchSize}, ` +
    `${weights === 'f32' ? '' : `weights ${weights}, `}${of.threads} ` +
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
  const { options, memory } = plan
  // `prepare` runs where parameters have come from elsewhere, before what was asked for.
  const programs = (Object.keys(plan.programs) as ProgramName[]).filter((of) => of !== 'prepare')
  const inputs = inputsOf(graph).map((node) => `${node.name} ${show(node)}`.trim())
  const lines = [
    layerTable(graph, plan),
    `parameters ${count(parameterCount(plan))}; input ${inputs.join(', ')}, batch ` +
      `${options.batchSize}, T ${options.timeSteps}, method ${options.method} ` +
      `${options.stepMode}, purpose ${options.purpose ?? 'train'}`,
    `workers    ${programs.map((name) => `${name} ${workersOf(name)}`).join(', ')}; of ` +
      `${threads} threads, as many as the work is worth`,
    '',
    table([
      ['memory', 'MiB'],
      ['parameters', mib(memory.parameters)],
      ...(memory.integers ? [['of these whole numbers', mib(memory.integers)]] : []),
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

/** What each layer has; where weights are whole numbers, also which. */
function layerTable({ nodes }: Graph, { parameters, integers }: Plan): string {
  const sizes = nodes.map(() => 0)
  for (const { node, layout } of parameters) sizes[node] += sizeOf(layout.shape)
  const parametersOf = ({ index, sharedWith }: GraphNode): string =>
    sharedWith === undefined ? count(sizes[index]) : `as ${nodes[sharedWith].name}`
  const typeOf = (node: GraphNode): string => {
    const found = integers.find((of) => of.node === ownerOf(node))
    return weightTypes.find((type) => found && largestOf[type] === found.most) ?? ''
  }
  const types = (cell: string): string[] => (integers.length > 0 ? [cell] : [])
  const rows = nodes
    .filter((node) => node.kind !== 'input')
    .map((node) => [
      ...[node.name || '(network)', labelOf(node), show(node)],
      ...types(typeOf(node)),
      parametersOf(node),
    ])
  return table([['layer', 'kind', 'output', ...types('weights'), 'parameters'], ...rows])
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
