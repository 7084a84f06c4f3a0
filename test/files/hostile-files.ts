/** Files that were made to take memory or time, and who reads them. */
import { modelKey } from '../../src/files/json.js'
import { withHeader } from './writers.js'

const MB = 1_000_000
const inMetadata = (key: string, value: string): Uint8Array =>
  withHeader(`{"__metadata__":${JSON.stringify({ [key]: value })}}`)
const names = (count: number, entry: (i: number) => string): Uint8Array =>
  withHeader(`{${Array.from({ length: count }, (_, i) => `"n${i}":${entry(i)}`).join(',')}}`)
const empty = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
/** In JSON of metadata, every quote has a backslash. */
const model = (network: string): string =>
  `{"method":{},"input":[1,2,2],"timeSteps":1,"frames":false,"network":${network}}`

export const hostile: Readonly<Record<string, () => Uint8Array>> = {
  '90 MB of brackets': () => withHeader(`{"a":${'['.repeat(90 * MB)}`),
  '24 MB of brackets': () => withHeader(`{"a":${'['.repeat(24 * MB)}`),
  '24 MB of empty lists': () => withHeader(`{"a":[${'[],'.repeat(8 * MB - 10)}[]]}`),
  '24 MB of numbers': () => withHeader(`{"a":[${'1,'.repeat(12 * MB - 10)}1]}`),
  '24 MB of one name': () => withHeader(`{"${'a'.repeat(24 * MB)}":${empty}}`),
  '24 MB of one wide name': () => withHeader(`{"${'日'.repeat(8 * MB)}":${empty}}`),
  '24 MB of escapes': () => withHeader(`{"${'\\u65e5'.repeat(4 * MB)}":1}`),
  'one wide letter in 24 MB': () => withHeader(`{"日${'a'.repeat(24 * MB)}":1}`),
  '1.5 million names': () => names(1_500_000, () => '1'),
  '450,000 tensors': () => names(450_000, () => empty),
  '50,000 tensors': () => names(50_000, () => empty),
  '170,000 metadata': () =>
    withHeader(
      `{"__metadata__":${new TextDecoder().decode(names(170_000, () => '"x"').subarray(8))}}`,
    ),
  'a model of 22 MB of brackets': () => inMetadata(modelKey, '['.repeat(22 * MB)),
  'a model of 20 MB of numbers': () =>
    inMetadata(modelKey, model(`{"version":1,"nodes":[${'1,'.repeat(10 * MB)}1],"output":1}`)),
  'a model of 2500 layers': () =>
    inMetadata(
      modelKey,
      model(
        JSON.stringify({
          version: 1,
          output: 2500,
          nodes: Array.from({ length: 2500 }, (_, i) => ({
            kind: 'relu',
            name: `${i}`,
            inputs: [i],
            layer: {},
          })),
        }),
      ),
    ),
  '40 MB of bytes as weights': () =>
    withHeader(`{"a":{"dtype":"U8","shape":[${40 * MB}],"data_offsets":[0,${40 * MB}]}}`, 40 * MB),
  '40 MB of halves': () =>
    withHeader(`{"a":{"dtype":"F16","shape":[${20 * MB}],"data_offsets":[0,${40 * MB}]}}`, 40 * MB),
}

type Reader = (bytes: Uint8Array) => Promise<unknown>

export const readers: Readonly<Record<string, Reader>> = {
  safetensors: async (bytes) =>
    (await import('../../src/files/safetensors.js')).parseSafetensors(bytes),
  model: async (bytes) => (await import('../../src/model/load.js')).loadModel(bytes),
  weights: async (bytes) => (await import('../../src/files/state.js')).parseState(bytes, 'it'),
  checkpoint: async (bytes) => {
    const { parseCheckpoint } = await import('../../src/files/checkpoint.js')
    return parseCheckpoint(bytes, 'it')
  },
}
