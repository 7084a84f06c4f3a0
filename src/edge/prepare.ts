/** What an exported network is made of: its plan, and its memory before the first run. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { mostOf, standardises } from '../compile/emit/integer-weights.js'
import { pack, packIntegers } from '../compile/layout.js'
import { makePlan, type Parameter, type Plan, type PlanOptions } from '../compile/plan.js'
import { instantiateEngine, loadEngine } from '../engine/load.js'
import { allocate } from '../engine/memory/allocate.js'
import { type Arena, expectSeveral, floatsAt, storedAt } from '../engine/memory/arena.js'
import type { StateDict } from '../engine/memory/state.js'
import type { Graph } from '../network/trace.js'
import { type Learning, writeLearning } from './learning.js'
import { dequantise, type QuantisedWeight, quantised, quantisedRows } from './quantise.js'

/** What a file may use: hosts with addresses of 31 bits take it too. */
const MOST_BYTES = 2 ** 31

/** A plan, and a memory in which its parameters and constants are. */
export interface Prepared {
  readonly plan: Plan
  readonly memory: WebAssembly.Memory
  /** What a file that learns begins with. */
  readonly learning?: Learning
  /** Weights that are stored as bytes, though the engine reads floats, by their offset. */
  readonly rounded: ReadonlyMap<number, QuantisedWeight>
}

interface PrepareOptions {
  readonly learning?: Learning | undefined
  /** Whether weights on floats are stored as bytes, where their layers do not say otherwise. */
  readonly rounds?: boolean
  /** Default: that of the package. */
  readonly engine?: WebAssembly.Module | undefined
}

/**
 * Plans the network, writes its parameters, and computes what depends on them alone: scales and
 * shifts of normalisations, standardised weights.
 */
export async function prepare(
  options: PlanOptions,
  state: StateDict,
  { learning, rounds = false, engine }: PrepareOptions,
): Promise<Prepared> {
  const plan = makePlan(options, 1)
  expectSeveral(plan, plan.options.batchSize)
  const { total } = plan.memory
  if (!(total <= MOST_BYTES))
    fail(
      `exportWasm: a file may use at most 2 GiB of memory, the network needs ${total} bytes; ` +
        `make it or ${options.batchSize > 1 ? 'batchSize' : 'its input'} smaller`,
    )
  // An isolated page would share it, which files do not.
  const memory = await allocate(plan, { threads: 1, engine: 'release', shared: false })
  new Uint8Array(memory.buffer).set(plan.encoded.bytes, plan.encodedAt)
  const arena = { plan, memory }
  const { parameters, statistics, named } = plan
  const module = engine ?? (await loadEngine('engine'))
  const rounded = new Map<number, QuantisedWeight>()
  for (const [tensors, { address }] of [
    [parameters, named.parameters],
    [statistics, named.statistics],
  ] as const)
    for (const of of tensors) {
      const { name, layout, offset } = of
      let { data } = state[name]
      if (rounds && isRounded(options.graph, of)) {
        const own = quantisedRows(module, data, layout.shape[0])
        rounded.set(offset, own)
        data = dequantise(own)
      }
      pack(layout, data, storedAt(arena, address, { layout, offset }))
    }
  if (options.fixed) putIntegers(arena, state, module)
  const view = new DataView(memory.buffer)
  view.setUint32(Control.Input, named.images[0].address, true)
  view.setUint32(Control.Valid, options.batchSize, true)
  if (learning) writeLearning(arena, learning)
  const { prepare } = plan.programs
  if (prepare) {
    const { run, take } = instantiateEngine(module, memory)
    take(await plan.kernels?.compile(false))
    run(prepare.address, 0, 1, plan.workerScratchAt, 0, 0)
    floatsAt(arena, plan.workerScratchAt, plan.workerScratch / 4).fill(0)
    view.setUint32(Control.Progress, 0, true)
  }
  return { ...arena, learning, rounded }
}

/** Whether a file that rounds rounds this one too: a weight, unless its layer says 'f32'. */
export const isRounded = (
  { nodes }: Graph,
  { layout, node }: Pick<Parameter, 'layout' | 'node'>,
): boolean => layout.blocks !== undefined && mostOf({ weights: 'int8' }, nodes[node]) !== undefined

/** Writes weights of whole numbers that are no floats in memory. */
function putIntegers({ plan, memory }: Arena, state: StateDict, engine: WebAssembly.Module): void {
  const { nodes } = plan.options.graph
  for (const of of plan.integers) {
    const { name, node, layout, most, weight, scale } = of
    const gain = standardises(nodes[node]) && state[name.replace(/weight$/, 'gain')].data
    const made = quantised(engine, of, state[name].data, gain ? { gain } : undefined)
    const stored = new Int8Array(memory.buffer, weight.address, layout.stored)
    packIntegers(layout, made.values, stored, most)
    floatsAt({ plan, memory }, scale.address, made.scales.length).set(made.scales)
  }
}
