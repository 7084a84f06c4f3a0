/** Tests that dispose of the models they have compiled, however they end. */
import { type Callback, test as define } from 'uvu'
import { type CompileOptions, compile, type Model, type Module } from '../../src/index.js'

const open: Model[] = []

/** A model that is disposed of behind the test that runs. */
export async function own(model: Promise<Model>): Promise<Model> {
  const made = await model
  open.push(made)
  return made
}

export const modelOf = (network: Module, options: CompileOptions): Promise<Model> =>
  own(compile(network, options))

export async function disposeModels(): Promise<void> {
  await Promise.all(open.splice(0).map((model) => model.dispose()))
}

/** `test` of uvu. */
export const test = Object.assign(
  (name: string, body: Callback) =>
    define(name, async (context) => {
      try {
        await body(context)
      } finally {
        await disposeModels()
      }
    }),
  { run: define.run },
)
