/** Checkpoints of a tiny training, changed with a right hash, and who reads them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCheckpoint, serializeCheckpoint } from '../../src/files/checkpoint.js'
import {
  type Callback,
  csvLogger,
  earlyStopping,
  fromArrays,
  lif,
  linear,
  type Model,
  plateau,
  sequential,
} from '../../src/index.js'

const data = fromArrays({
  inputs: Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)),
  labels: Array.from({ length: 12 }, (_, i) => i % 2),
  shape: [4],
  classes: 2,
  name: 'tiny',
})

const compileTiny = (): Promise<Model> =>
  sequential(linear(4, 3), lif(), linear(3, 2)).compile({ input: [4], batchSize: 4, timeSteps: 2 })

const monitor = 'trainLoss'
const options = { epochs: 2, schedule: plateau({ monitor, patience: 0 }) }
const callbacksIn = (folder: string): Callback[] => [
  earlyStopping({ monitor, restoreBest: true }),
  csvLogger(join(folder, 'own.csv'), { overwrite: true }),
]

/** The JSON of a checkpoint changed, and hashed again. */
export async function changed(
  bytes: Uint8Array,
  change: (about: unknown) => unknown,
): Promise<Uint8Array> {
  const { tensors, about } = await parseCheckpoint(bytes, 'it')
  return serializeCheckpoint({ tensors, about: change(about) ?? about })
}

/** One of `fit`, amid its second epoch, and one of `saveCheckpoint`. */
export async function checkpoints(): Promise<{ fit: Uint8Array; model: Uint8Array }> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-test-'))
  const model = await compileTiny()
  try {
    let fit: Promise<Uint8Array> | undefined
    const keep: Callback = {
      name: 'keep',
      last: true,
      onStep: ({ epoch, step }, training) => {
        if (epoch === 1 && step === 1) fit = serializeCheckpoint(training.snapshot())
      },
    }
    await model.fit(data, { ...options, callbacks: [...callbacksIn(folder), keep] })
    const path = join(folder, 'model.safetensors')
    await model.saveCheckpoint(path)
    return { fit: await (fit as Promise<Uint8Array>), model: new Uint8Array(await readFile(path)) }
  } finally {
    await model.dispose()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Both ways in which a model goes on from one. */
export async function readers(folder: string) {
  const model = await compileTiny()
  return {
    model,
    resume: (resume: Uint8Array) =>
      model.fit(data, { ...options, resume, callbacks: callbacksIn(folder) }),
    load: async (bytes: Uint8Array) => {
      const path = join(folder, 'checkpoint.safetensors')
      await writeFile(path, bytes)
      await model.loadCheckpoint(path)
      await model.fit(data, { epochs: 1 })
    },
  }
}
