/** Cells against PyTorch's autograd (test/fixtures/cells), and that their bits repeat. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  alif,
  type Block,
  conv2d,
  cubaLif,
  flatten,
  integrateAndFire,
  integrator,
  type Layer,
  leakyIntegrator,
  lif,
  linear,
  type Method,
  type Model,
  plif,
  recurrent,
  type StateDict,
  sequential,
} from '../../src/index.js'
import { parseSafetensors, toFloat32 } from '../../src/io/safetensors.js'
import { expectClose, expectSameBits } from '../support/measure.js'

const file = new URL('../../../test/fixtures/cells/cells.safetensors', import.meta.url)
const { tensors, metadata } = parseSafetensors(readFileSync(file), 'cells.safetensors')
const LIMIT = 1e-4

interface Case {
  readonly type: string
  readonly method: Method
  readonly T: number
  readonly last?: boolean
  readonly recurrent?: { readonly bias: boolean }
  readonly [option: string]: unknown
}

const factories: Readonly<Record<string, (options: object) => Layer>> = {
  lif,
  integrateAndFire,
  plif,
  cubaLif,
  alif,
  leakyIntegrator,
  integrator,
}

function cellOf({
  type,
  method: _,
  T: __,
  name: ___,
  last: ____,
  recurrent: of,
  ...options
}: Case) {
  const made = factories[type](options)
  return of ? recurrent(made as never, of) : made
}

const networkOf = (of: Case): Block =>
  of.last
    ? sequential({ flat: flatten(), out: linear(24, 4), cell: cellOf(of) })
    : sequential({
        conv: conv2d(2, 5, 3, { padding: 1 }),
        cell: cellOf(of),
        flat: flatten(),
        out: linear(60, 4),
      })

const values = (name: string): Float32Array => {
  const tensor = tensors.get(name)
  if (!tensor) throw new Error(`there is no ${name}`)
  return toFloat32(tensor)
}
const namesOf = (prefix: string): string[] =>
  [...tensors.keys()].filter((k) => k.startsWith(prefix)).map((k) => k.slice(prefix.length))

async function compiled(name: string, of: Case, more: object = {}): Promise<Model> {
  const online = of.method === 'sltt' || of.method === 'ottt'
  const model = await networkOf(of).compile({
    input: [2, 4, 3],
    timeSteps: of.T,
    batchSize: 3,
    frames: true,
    method: of.method,
    ...(online ? { mseWeight: 0 } : {}),
    ...more,
  })
  const before: StateDict = Object.fromEntries(
    namesOf(`${name}/before.`).map((key) => [
      key,
      {
        shape: tensors.get(`${name}/before.${key}`)?.shape ?? [],
        data: values(`${name}/before.${key}`),
      },
    ]),
  )
  model.loadStateDict(before)
  return model
}

const step = (model: Model, name: string) =>
  model.trainStep(values(`${name}/input`), Array.from(values(`${name}/target`)))

for (const [name, text] of Object.entries(metadata)) {
  const of = JSON.parse(text) as Case
  test(`${name} has the gradients of PyTorch`, async () => {
    const model = await compiled(name, of, { inspect: of.method === 'rate' })
    try {
      await step(model, name)
      expectClose('output', model.output(), values(`${name}/output`), LIMIT)
      const gradients = model.gradients()
      assert.equal(Object.keys(gradients).sort(), namesOf(`${name}/grad.`).sort())
      for (const key of namesOf(`${name}/grad.`))
        expectClose(key, gradients[key].data, values(`${name}/grad.${key}`), LIMIT)
    } finally {
      await model.dispose()
    }
  })

  if (of.method === 'bptt' || of.method === 'sltt')
    test(`${name}: any number of threads, step modes and parts give the same bits`, async () => {
      const run = async (more: object): Promise<StateDict> => {
        const model = await compiled(name, of, more)
        try {
          await step(model, name)
          return model.stateDict()
        } finally {
          await model.dispose()
        }
      }
      const first = await run({ threads: 1 })
      expectSameBits('threads', await run({ threads: 2 }), first)
      if (of.method !== 'bptt') return
      expectSameBits('mode s', await run({ stepMode: 's' }), first)
      expectSameBits('checkpoint', await run({ gradientCheckpoint: 'layers' }), first)
    })
}

test.run()
