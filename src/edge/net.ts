/** An exported network in this process: checked, instantiated, and given as views and functions. */

import { type NetInfo, optionWords, SECTION } from './abi.js'
import { checkFunction, checkMemory, type Parts, readFileInfo, refuse } from './file.js'
import {
  Calls,
  checkCount,
  instantiate,
  type Net,
  type NetTraining,
  openInference,
  type Views,
  viewsOf,
} from './net-inference.js'
import {
  infoWords,
  labelBytes,
  type NetAddresses,
  readInfoStruct,
  STRUCT_BYTES,
  writeInfoStruct,
} from './struct.js'

export type { Net, NetTraining }

/**
 * What an exported network says about itself. Nothing of it is compiled or run.
 * @throws SpikewasmError when the bytes are no exported network, were changed, or its section was
 *   stripped: then `openNet` reads its struct
 */
export function netInfo(bytes: Uint8Array): NetInfo {
  return readFileInfo(bytes)
}

/**
 * Checks an exported network from end to end, its seal included, and instantiates it: in Node or in
 * a page. A file whose section was stripped opens, too: then `sealed` is false.
 *
 *     const net = await openNet(bytes)
 *     net.input.set(image)
 *     net.infer()
 *     console.log(net.output, net.predictedClass())
 *
 * @throws SpikewasmError when the bytes are no exported network, or its parts contradict each other
 */
export async function openNet(bytes: Uint8Array): Promise<Net> {
  const { net, calls, view } = await openInference(bytes, infoOfStruct)
  const { info } = net
  checkStruct(net, view, calls.value('info_ptr'))
  return { ...net, training: info.mode === 'train' ? trainingOf(calls, view, info) : undefined }
}

/** What a file whose section was stripped says of itself in its memory. */
async function infoOfStruct(bytes: Uint8Array<ArrayBuffer>, parts: Parts): Promise<NetInfo> {
  const { exports: names } = parts
  if (!names.has('info_ptr'))
    refuse(`have a custom section "${SECTION}", or export info_ptr`, 'neither')
  checkMemory(parts)
  checkFunction(parts, 'info_ptr', 'i32')
  const { exports } = await instantiate(bytes)
  const { buffer } = exports.memory as WebAssembly.Memory
  const view = viewsOf(buffer, buffer.byteLength)
  const address = new Calls(exports).value('info_ptr')
  const words = view(Uint32Array, 'its struct', address, STRUCT_BYTES / 4)
  return readInfoStruct(words, new Uint8Array(buffer))
}

/** The C struct, and what it points to, must say what the custom section says. */
function checkStruct({ info, input, output }: Net, view: Views, address: number): void {
  const found = view(Uint32Array, 'its struct', address, STRUCT_BYTES / 4)
  const at = (name: (typeof infoWords)[number]): number => found[infoWords.indexOf(name)]
  const addresses: NetAddresses = {
    input: input.byteOffset,
    output: output.byteOffset,
    labels: info.labels ? at('labels') : 0,
    mean: info.mean ? at('mean') : 0,
    std: info.std ? at('std') : 0,
  }
  const expected = new Uint32Array(writeInfoStruct(info, addresses).buffer)
  for (const [i, word] of infoWords.entries())
    if (found[i] !== expected[i])
      refuse(`have ${word} ${expected[i]} in its struct, as its section says`, String(found[i]))
  const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
    a.length === b.length && Array.from(a).every((value, i) => value === b[i])
  if (info.labels) {
    const texts = labelBytes(info.labels)
    if (!same(view(Uint8Array, 'its labels', addresses.labels, texts.length), texts))
      refuse('have the labels of its section in its memory', 'others')
  }
  for (const name of ['mean', 'std'] as const) {
    const values = info[name] && Float32Array.from(info[name])
    if (values && !same(view(Float32Array, name, addresses[name], values.length), values))
      refuse(`have the ${name} of its section in its memory`, 'others')
  }
}

function trainingOf(calls: Calls, view: Views, info: NetInfo): NetTraining {
  checkCount(calls, 'label_len', info.batchSize)
  const count = calls.value('params_len') >>> 0
  if (count < info.parameters)
    refuse(`have at least ${info.parameters} numbers at params_ptr`, String(count))
  for (const { name, shape, offset } of info.state ?? []) {
    const size = shape.reduce((a, b) => a * b, 1)
    if (offset + size > count)
      refuse(`have ${name} within its ${count} parameters`, `${size} numbers from ${offset}`)
  }
  const options = calls.value('options_ptr')
  const numbers = optionWords.indexOf('nesterov')
  return {
    labels: view(Int32Array, 'the labels', calls.value('label_ptr'), info.batchSize),
    options: view(Float32Array, 'the options', options, numbers),
    nesterov: view(Uint32Array, 'the options', options + 4 * numbers, 1),
    params: view(Float32Array, 'the parameters', calls.value('params_ptr'), count),
    trainStep: calls.action('train_step', info),
    loss: () => calls.value('loss'),
    correct: () => calls.count('correct', info.batchSize),
  }
}
