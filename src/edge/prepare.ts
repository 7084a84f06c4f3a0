/** What an exported network is made of: its plan, and its memory before the first run. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { putByteWeight, quantise, standardised } from '../compile/emit/norm.js'
import { pack } from '../compile/layout.js'
import { makePlan, type Plan, type PlanOptions } from '../compile/plan.js'
import { instantiateEngine, loadEngine } from '../engine/load.js'
import { allocate } from '../engine/memory/allocate.js'
import { expectSeveral, floatsAt, storedAt } from '../engine/memory/arena.js'
import type { StateDict } from '../engine/memory/state.js'
import { type Learning, writeLearning } from './learning.js'

/** What a file may use: hosts with addresses of 31 bits take it too. */
const MOST_BYTES = 2 ** 31

/** A plan, and a memory in which its parameters and constants are. */
export interface Prepared {
  readonly plan: Plan
  readonly memory: WebAssembly.Memory
  /** What a file that learns begins with. */
  readonly learning?: Learning
}

/**
 * Plans the network, writes its parameters, and computes what depends on them alone: scales and
 * shifts of normalisations, standardised weights.
 *
 * @param engine default: that of the package
 */
export async function prepare(
  options: PlanOptions,
  state: StateDict,
  learning?: Learning,
  engine?: WebAssembly.Module,
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
  for (const [tensors, { address }] of [
    [parameters, named.parameters],
    [statistics, named.statistics],
  ] as const)
    for (const tensor of tensors)
      pack(tensor.layout, state[tensor.name].data, storedAt(arena, address, tensor))
  for (const of of plan.byteWeights) {
    const { data } = state[of.name]
    const weight = of.gain ? standardised(data, state[of.gain].data) : data
    putByteWeight(memory.buffer, of, quantise(weight, of.layout.shape[0]))
  }
  const view = new DataView(memory.buffer)
  view.setUint32(Control.Input, named.images[0].address, true)
  view.setUint32(Control.Valid, options.batchSize, true)
  if (learning) writeLearning(arena, learning)
  const { prepare } = plan.programs
  if (prepare) {
    const { run, take } = instantiateEngine(engine ?? (await loadEngine('engine')), memory)
    take(await plan.kernels?.compile(false))
    run(prepare.address, 0, 1, plan.workerScratchAt, 0, 0)
    floatsAt(arena, plan.workerScratchAt, plan.workerScratch / 4).fill(0)
    view.setUint32(Control.Progress, 0, true)
  }
  return { ...arena, learning }
}
