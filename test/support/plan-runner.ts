/** Runs a plan by the engine itself, without a session: what no compile option asks for. */

import { readFileSync } from 'node:fs'
import { Control } from '../../assembly/opcodes.js'
import { putByteWeight, quantise, standardised } from '../../src/compile/emit/norm.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import { type EngineExports, instantiateEngine } from '../../src/engine/load.js'
import { type Arena, output, spikeCounts } from '../../src/engine/memory/arena.js'
import { takeState } from '../../src/engine/memory/state.js'
import type { StateDict } from '../../src/index.js'

const module = new WebAssembly.Module(
  readFileSync(new URL('../../wasm/engine.wasm', import.meta.url)),
)

/** A plan for one worker in a memory of its own, with the parameters of a state dict. */
export class PlanRunner implements Arena {
  readonly plan: Plan
  readonly memory: WebAssembly.Memory
  private readonly engine: EngineExports
  private steps = 0

  constructor(options: PlanOptions, state: StateDict) {
    this.plan = makePlan(options, 1)
    const { encoded, encodedAt, parameters, statistics, byteWeights, memory } = this.plan
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(memory.total / 65536) })
    new Uint8Array(this.memory.buffer).set(encoded.bytes, encodedAt)
    const stored = [...parameters, ...statistics].map(({ name }) => [name, state[name]] as const)
    takeState(this, Object.fromEntries(stored))
    for (const of of byteWeights) {
      const { data } = state[of.name]
      const weight = of.gain ? standardised(data, state[of.gain].data) : data
      putByteWeight(this.memory.buffer, of, quantise(weight, of.layout.shape[0]))
    }
    const engine = instantiateEngine(module, this.memory)
    engine.take(this.plan.kernels?.module(this.memory))
    this.engine = engine
  }

  /** Outputs for a batch as the engine reads it, [B][H][W][T][C]; of a stream, so far. */
  run(x: Float32Array): Float32Array {
    const { named, options, programs, workerScratchAt } = this.plan
    const program = programs.stream ?? programs.evaluate
    if (!program) throw new Error('the plan has no forward program')
    const [images] = named.images
    new Float32Array(this.memory.buffer, images.address, x.length).set(x)
    const view = new DataView(this.memory.buffer)
    for (const [word, value] of [
      [Control.Input, images.address],
      [Control.Target, named.labels[0]?.address ?? 0],
      [Control.Valid, options.batchSize],
      [Control.FirstStep, programs.stream ? this.steps : 0],
    ])
      view.setUint32(word, value, true)
    this.engine.run(program.address, 0, 1, workerScratchAt, 0, 0)
    this.steps++
    return output(this, programs.stream ? this.steps : options.timeSteps)
  }

  /** Spikes of all layers together in the last run. */
  get spikes(): number {
    const { programs } = this.plan
    const counts = spikeCounts(this, (programs.stream ?? programs.evaluate)?.rates ?? [])
    return Object.values(counts).reduce((a, b) => a + b, 0)
  }
}
