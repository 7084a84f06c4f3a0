/** A small model, what it learns from, and the threads and records that tests do damage to. */
import type { Worker } from 'node:worker_threads'
import { ProgramWord, Rec, SectionWord } from '../../assembly/opcodes.js'
import { endThreads } from '../../src/engine/threads/idle-threads.js'
import type { CompileOptions, Model, StateDict } from '../../src/index.js'
import { labels, uniform } from '../support/measure.js'
import { netOf } from '../support/net.js'
import { Op } from '../support/operations.js'

const input = [3, 8, 8] as const

/** Its neurons are layer 2. */
export const compileSmall = (options: Partial<CompileOptions> = {}, channels = 8): Promise<Model> =>
  netOf(input, `conv ${channels} 3 padding=1, norm, lif, dropout 0.2, flatten, linear 5`).compile({
    input,
    batchSize: 6,
    timeSteps: 4,
    seed: 3,
    ...options,
  })

/** As many samples and labels. */
export const batchOf = (count: number): [Float32Array, number[]] => [
  uniform(count * 192, 1, 5),
  labels(count, 5, 5),
]
export const [x, y] = batchOf(6)

/** What two steps leave, and what the model says then. */
export async function learn(model: Model): Promise<StateDict> {
  for (let i = 0; i < 2; i++) await model.trainStep(x, y)
  const { logits } = await model.predict(x.subarray(0, 3 * 192))
  return { ...model.stateDict(), logits: { shape: [logits.length], data: logits.slice() } }
}

export const memoryOf = (model: Model) => model.session.memory as WebAssembly.Memory

/** Node tells of every worker that starts, whoever starts it. */
export const workers: Worker[] = []
process.on('worker', (worker) => void workers.push(worker))
/** From here on those of models to come are told, and these take none that others left. */
export async function countWorkers(): Promise<void> {
  await endThreads()
  workers.length = 0
}

/** The first neuron record of a program becomes an operation that does not exist. */
export function spoil({ session }: Model, program: 'train' | 'single'): void {
  const words = new DataView(session.memory.buffer)
  const section = session.plan.programs[program]!.address + ProgramWord.Bytes
  let op = words.getUint32(section + SectionWord.Records * 4, true) + Rec.Op * 4
  while ((words.getUint32(op, true) & Rec.OpMask) !== Op.Neuron) op += Rec.Bytes
  words.setUint32(op, 9999 | (1 << Rec.GroupShift), true)
}
