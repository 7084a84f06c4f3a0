/** Networks by name: hashes of what they are made of, and of what is refused. */
import { test } from 'uvu'
import type { InputShape, Module } from '../../src/index.js'
import * as models from '../../src/model/models/index.js'
import { pretrained, pretrainedBytes, pretrainedNames } from '../../src/model/models/pretrained.js'
import { models as byName, type ModelName, modelNames } from '../../src/model/models/registry.js'
import { deepConv } from '../../src/model/models/resnet.js'
import { pretrainedDataset } from '../../src/model/models/table.js'
import { graphToJson } from '../../src/network/json.js'
import { trace } from '../../src/network/trace.js'
import { expectOutcomes, outcomeOf, withOdd } from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('model/tables.json')
const inputs: readonly InputShape[] = [
  ...([
    [3, 32, 32],
    [1, 28, 28],
    [2, 48, 48],
    [2, 34, 34],
    [3, 24, 24],
    [1, 8, 8],
  ] as const),
  ...([[3, 224, 224], [2, 128, 128], [3, 7, 9], [12], [2, 30]] as const),
]
const graphOf = (network: Module, input: InputShape): unknown => graphToJson(trace(network, input))

test('networks of the registry: layers, names and options, by input', async () => {
  for (const name of Object.keys(byName) as ModelName[])
    await expectOutcomes(hashes, name, {
      'by input': () =>
        Promise.all(
          inputs.flatMap((input) =>
            [undefined, { tau: 3, vThreshold: 0.5 }].map((neuron) =>
              outcomeOf(() => graphOf(byName[name](input, 7, neuron), input)),
            ),
          ),
        ),
    })
})

test('networks of the paper: options', async () => {
  const makers = Object.entries(models).filter(
    ([, make]) =>
      typeof make === 'function' && make.length <= 1 && make !== (pretrained as unknown),
  ) as [string, (options?: unknown, ...more: unknown[]) => Module][]
  for (const [name, make] of makers) {
    const input = name === 'vggsnn' ? ([3, 48, 48] as const) : ([3, 32, 32] as const)
    const made = (options?: unknown, ...more: unknown[]) => graphOf(make(options, ...more), input)
    const option = (key: string) =>
      withOdd((value) => made({ [key]: value }), ...[32, 24, 48, 47, 3, { tau: 2.5 }])
    await expectOutcomes(hashes, name, {
      'by default': () => made(),
      options: withOdd((options) => made(options)),
      arguments: withOdd((more) => made({}, more)),
      ...Object.fromEntries(
        ['inChannels', 'classes', 'neuron', 'imageSize', 'other'].map((key) => [key, option(key)]),
      ),
    })
  }
})

/** The trained network, as plain data. */
async function trained(...all: unknown[]): Promise<unknown> {
  const model = await (pretrained as (...given: unknown[]) => ReturnType<typeof pretrained>)(...all)
  const state = Object.entries(model.stateDict()).map(([key, { shape }]) => [key, shape])
  const found = [model.toJSON(), state]
  await model.dispose()
  return found
}

test('branches of distillation, and trained networks', async () => {
  await expectOutcomes(
    hashes,
    'more',
    {
      branches: () =>
        [undefined, 1, 2, 3].map((stride) => graphOf(deepConv(4, 6, stride), [4, 9, 9])),
      names: () => [modelNames, pretrainedNames, pretrainedNames.map(pretrainedDataset)],
      'a name': withOdd((name) => trained(name), ...pretrainedNames, 'toString'),
      'a file': withOdd((name) => pretrainedBytes('it', name as never), 'toString'),
      'an option': withOdd((from) => trained('nmnist', { from })),
      'more options': withOdd((more) => trained('nmnist', {}, more)),
    },
    process.cwd(),
  )
})

test('tables.json holds these alone', () => hashes.finish())

test.run()
