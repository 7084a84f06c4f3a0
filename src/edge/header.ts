/** `net.h`: an exported network for programs in C. */

import { describe, fail } from '../base/errors.js'
import { methodNames, stepModes } from '../compile/methods.js'
import { weightTypes } from '../network/weights.js'
import {
  inputCount,
  inputTypes,
  type NetInfo,
  netExports,
  netModes,
  optionWords,
  targets,
} from './abi.js'
import { givenInfo } from './file.js'
import { checkInfo } from './schema.js'

// The C struct in the memory of an exported network. The site shows it: exported-file.md.

/** First word of the C struct, `SPKW` in memory. */
export const ABI_MAGIC = 0x574b5053

/** Where things lie in the memory of an exported network, in bytes; 0: not there. */
export type NetAddresses = Readonly<Record<'input' | 'output' | 'labels' | 'mean' | 'std', number>>

/** Modes as bits of the struct's word `modes`, in the order of `netModes`. */
const modeBits = [1, 2, 3, 5]

/** Added to the word `weights` where other weights are stored as bytes. */
const OTHERS_ROUNDED = 16

type Word = (info: NetInfo, at: NetAddresses) => number

/** The words of the C struct in their order, 32 bits each. */
const words = {
  magic: () => ABI_MAGIC,
  abi: ({ abi }) => abi,
  struct_bytes: () => STRUCT_BYTES,
  channels: ({ input }) => input[0],
  height: ({ input }) => input[1],
  width: ({ input }) => input[2],
  frames: ({ frames }) => Number(frames),
  time_steps: ({ timeSteps }) => timeSteps,
  classes: ({ classes }) => classes,
  batch_size: ({ batchSize }) => batchSize,
  input_type: ({ inputType }) => inputTypes.indexOf(inputType),
  modes: ({ mode }) => modeBits[netModes.indexOf(mode)],
  input: (_, at) => at.input,
  input_len: (info) => inputCount(info),
  output: (_, at) => at.output,
  output_len: ({ classes }) => classes,
  memory_bytes: ({ memoryBytes }) => memoryBytes,
  used_bytes: ({ usedBytes }) => usedBytes,
  labels: (_, at) => at.labels,
  mean: (_, at) => at.mean,
  std: (_, at) => at.std,
  synops_max_lo: ({ synops }) => synops.max % 2 ** 32,
  synops_max_hi: ({ synops }) => Math.floor(synops.max / 2 ** 32),
  step_mode: ({ stepMode }) => stepModes.indexOf(stepMode),
  method: ({ method }) => (method ? methodNames.indexOf(method) + 1 : 0),
  target: ({ target }) => targets.indexOf(target),
  weights: ({ weights, otherWeights }) =>
    weightTypes.indexOf(weights) + (otherWeights === 'int8' ? OTHERS_ROUNDED : 0),
  parameters: ({ parameters }) => parameters,
  weight_bytes: ({ weightBytes }) => weightBytes,
} satisfies Record<string, Word>

/** Names of the struct's words in their order. */
export const infoWords = Object.keys(words) as (keyof typeof words)[]

/** Size of the struct: four bytes for each of `infoWords`. */
export const STRUCT_BYTES = 116

/** The C struct, little-endian. */
export function writeInfoStruct(info: NetInfo, addresses: NetAddresses): Uint8Array {
  const view = new DataView(new ArrayBuffer(STRUCT_BYTES))
  for (const [i, name] of infoWords.entries())
    view.setUint32(4 * i, (words[name] as Word)(info, addresses), true)
  return new Uint8Array(view.buffer)
}

/** The labels as the struct points to them: UTF-8, each with a NUL behind it. */
export const labelBytes = (labels: readonly string[]): Uint8Array =>
  new TextEncoder().encode(labels.map((label) => `${label}\0`).join(''))

/** Bytes of a label and its NUL; what is longer is refused. */
const MOST_TEXT = 2048

/**
 * What the struct says of a file whose section was stripped: all but its version, name, measured
 * synaptic operations, and where parameters lie.
 *
 * @param found the words
 * @param memory all of the file's
 * @throws SpikewasmError when the words are none of an exported network
 */
export function readInfoStruct(found: Uint32Array, memory: Uint8Array): NetInfo {
  const [magic, abi, , channels, height, width, frames, timeSteps, classes, batchSize] = found
  const [inputType, modes, , , , , memoryBytes, usedBytes, labels, mean, std] = found.subarray(10)
  const [low, high, stepMode, method, target, weights, parameters, weightBytes] = found.subarray(21)
  const what = 'the struct at info_ptr()'
  const sizes = {
    abi: magic === ABI_MAGIC ? abi : 0,
    version: 'unknown',
    input: [channels, height, width],
    inputType: inputTypes[inputType],
    frames: frames === 1,
    timeSteps,
    classes,
    mode: netModes[modeBits.indexOf(modes)],
    target: targets[target],
    stepMode: stepModes[stepMode],
    method: methodNames[method - 1],
    batchSize,
    weights: weightTypes[weights % OTHERS_ROUNDED],
    otherWeights: weights < OTHERS_ROUNDED ? 'f32' : 'int8',
    parameters,
    weightBytes,
    memoryBytes,
    usedBytes,
    synops: { max: high * 2 ** 32 + low },
  }
  // Before so much is read.
  const info = checkInfo(sizes, what)
  const floats = (at: number): number[] | undefined => {
    if (at === 0) return undefined
    const bytes = memory.slice(at, at + 4 * channels)
    if (bytes.length < 4 * channels)
      fail(
        `${what} of an exported network must point at ${channels} numbers within its memory, got ` +
          `${at} of ${memory.length} bytes; the file is damaged: export it again`,
      )
    return [...new Float32Array(bytes.buffer)]
  }
  let at = labels
  const text = (): string => {
    const bytes = memory.subarray(at, at + MOST_TEXT)
    const end = bytes.indexOf(0)
    at += end + 1
    return new TextDecoder().decode(bytes.subarray(0, end))
  }
  return checkInfo(
    {
      ...info,
      labels: labels ? Array.from({ length: classes }, text) : undefined,
      mean: floats(mean),
      std: floats(std),
    },
    what,
  )
}

/** What words of the C struct are, where their names do not say. */
const comments: { readonly [W in (typeof infoWords)[number]]?: string } = {
  magic: 'NET_MAGIC',
  abi: 'NET_ABI',
  struct_bytes: 'size of this struct',
  frames: '1: a sample is time_steps frames',
  batch_size: '1 but in train builds',
  input_type: '0: float32, 1: bytes',
  modes: 'bit 0: infer, 1: step, 2: train',
  input: 'address',
  input_len: 'float32, or bytes',
  output: 'address',
  output_len: 'float32',
  memory_bytes: 'of the module, in whole pages',
  used_bytes: 'exact peak: nothing lies above',
  labels: 'address of NUL-terminated texts, one after the other; 0: none',
  mean: 'address of float32 [channels]; 0: none',
  std: 'address of float32 [channels]; 0: none',
  synops_max_lo: 'synaptic operations at most, lower 32 bits',
  synops_max_hi: 'upper 32 bits',
  step_mode: '0: m, 1: s',
  method: '1: rate, 2: bptt, 3: ottt, 4: sltt, 5: os; 0: unknown',
  target: '0: simd, 1: scalar',
  weights: '0: float32, 1: int8, 2: int6; + 16: where no spikes meet them, int8',
  parameters: 'trained numbers',
  weight_bytes: 'of all parameters in the file',
}

/** What each function is for, in a line. */
const abouts: Readonly<Record<string, string>> = {
  abi_version: 'version of this interface',
  info_ptr: 'address of struct net_info',
  input_ptr: 'address of the input, float32',
  input_len: 'count of float32 of the input',
  input_u8_ptr: 'address of the input, bytes',
  input_u8_len: 'count of bytes of the input',
  output_ptr: 'address of the output, float32',
  output_len: 'count of float32 of the output',
  infer: 'one sample in, outputs out; keeps no state',
  step: 'one frame in; the output is the mean since reset',
  reset: 'the next step begins a new stream',
  predicted_class: 'index of the largest output',
  label_ptr: 'address of the labels, int32',
  label_len: 'count of labels',
  options_ptr: 'address of struct net_options',
  train_step: 'one optimizer step on the batch',
  loss: 'mean loss of the last training step',
  correct: 'right answers in it',
  params_ptr: 'address of parameters and statistics, float32',
  params_len: 'count of float32 of them',
}

/**
 * The C header of an exported network, C99 and C++: sizes, labels, memory, synaptic operations,
 * scaling of the input, names of the exports, and the struct at `info_ptr`.
 *
 * @param net the file's bytes, or its information
 * @param fileName what the header is called, from which its include guard follows; default `net.h`
 * @throws SpikewasmError when the bytes are no exported network, or the name is empty
 */
export function netHeader(net: Uint8Array | NetInfo, fileName = 'net.h'): string {
  if (typeof fileName !== 'string' || !/\p{L}|\d/u.test(fileName))
    fail(`netHeader.fileName must be the name of a file, such as net.h, got ${describe(fileName)}`)
  const info = givenInfo('netHeader.net', 'a file', net)
  const guard = `SPIKEWASM_${fileName.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  const blocks = [
    `/* ${info.name === undefined ? 'A spiking network' : comment(info.name)}, as a WebAssembly ` +
      'module without imports.\n' +
      `   Written by spikewasm ${comment(info.version)}, ABI ${info.abi}. C99 and C++. */`,
    `#ifndef ${guard}\n#define ${guard}\n\n#include <stdint.h>`,
    sizes(info),
    memory(info),
    scaling(info),
    labels(info),
    struct(info),
    functions(info),
    `#endif /* ${guard} */\n`,
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

/** Whether a file begins as `netHeader` does. */
export const isNetHeader = (text: string): boolean =>
  /^\/\* .*, as a WebAssembly module without imports\.\r?\n {3}Written by spikewasm /.test(text)

/** Rows without a value are left out. */
type Definition = readonly [name: string, value: string | number | undefined, about?: string]

const define = (rows: readonly Definition[]) =>
  rows
    .filter(([, value]) => value !== undefined)
    .map(([name, value, about]) => `#define ${name} ${value}${about ? ` /* ${about} */` : ''}`)
    .join('\n')

function sizes(info: NetInfo): string {
  const { input, inputType, mode } = info
  const count = inputCount(info)
  return define([
    ['NET_MAGIC', `UINT32_C(0x${ABI_MAGIC.toString(16)})`, 'SPKW'],
    ['NET_ABI', info.abi],
    ['NET_NAME', info.name === undefined ? undefined : quote(info.name)],
    ['NET_CHANNELS', input[0]],
    ['NET_HEIGHT', input[1]],
    ['NET_WIDTH', input[2]],
    ['NET_FRAMES', Number(info.frames), '1: a sample is NET_TIME_STEPS frames'],
    ['NET_TIME_STEPS', info.timeSteps],
    ['NET_CLASSES', info.classes],
    ['NET_BATCH_SIZE', info.batchSize, 'samples of one training step'],
    ['NET_INPUT_U8', Number(inputType === 'u8'), '0: float32, 1: bytes'],
    ['NET_INPUT_LEN', count, `${order(info)} ${inputType === 'u8' ? 'bytes' : 'float32'}`],
    ['NET_INPUT_BYTES', inputType === 'u8' ? count : 4 * count],
    ...(info.inputs ?? []).flatMap(({ name, offset }): Definition[] => [
      [`NET_INPUT_${name}`, offset, 'numbers of the input before it'],
    ]),
    ['NET_OUTPUT_LEN', info.classes, 'float32'],
    ['NET_HAS_INFER', Number(mode !== 'step')],
    ['NET_HAS_STEP', Number(mode === 'step' || mode === 'both')],
    ['NET_HAS_TRAIN', Number(mode === 'train')],
  ])
}

/** The order of the input's numbers. */
function order({ frames, mode }: NetInfo): string {
  const batch = mode === 'train' ? '[batch]' : ''
  const time = frames && mode !== 'step' ? '[time]' : ''
  return `${batch}${time}[channel][row][column]`
}

function memory({ memoryBytes, usedBytes, weightBytes, parameters, synops }: NetInfo): string {
  const mean = synops.mean === undefined ? undefined : double(synops.mean)
  return define([
    ['NET_MEMORY_BYTES', `UINT32_C(${memoryBytes})`, 'of the module, in whole pages'],
    ['NET_USED_BYTES', `UINT32_C(${usedBytes})`, 'exact peak: nothing lies above'],
    ['NET_WEIGHT_BYTES', `UINT32_C(${weightBytes})`, 'weights and other parameters in the file'],
    ['NET_PARAMETERS', `UINT32_C(${parameters})`],
    ['NET_SYNOPS_MAX', `UINT64_C(${synops.max})`, 'of one inference if every neuron fires'],
    ['NET_SYNOPS_MEAN', mean, 'at most, from measured rates'],
  ])
}

function scaling({ inputType, mean, std, input }: NetInfo): string {
  if (inputType !== 'u8') return ''
  const row = (values: readonly number[] | undefined, fallback: number): string =>
    (values ?? new Array<number>(input[0]).fill(fallback)).map(float).join(', ')
  return (
    '/* The module itself turns a byte into (byte / 255 - mean) / std of its channel. */\n' +
    `static const float net_mean[NET_CHANNELS] = {${row(mean, 0)}};\n` +
    `static const float net_std[NET_CHANNELS] = {${row(std, 1)}};`
  )
}

function labels({ labels: names }: NetInfo): string {
  if (names === undefined) return ''
  const rows = names.map((name) => `    ${quote(name)},`).join('\n')
  return `static const char *const net_labels[NET_CLASSES] = {\n${rows}\n};`
}

function struct({ mode }: NetInfo): string {
  const rows = infoWords.map(
    (word) => `    uint32_t ${word};${comments[word] ? ` /* ${comments[word]} */` : ''}`,
  )
  const info =
    '/* What info_ptr() points to; little-endian. */\n' +
    `typedef struct net_info {\n${rows.join('\n')}\n} net_info;\n` +
    `#define NET_INFO_BYTES ${STRUCT_BYTES}`
  if (mode !== 'train') return info
  const options = optionWords.map(
    (word) => `    ${word === 'nesterov' ? 'uint32_t' : 'float'} ${word};`,
  )
  return (
    `${info}\n\n/* What options_ptr() points to; read by each train_step(). */\n` +
    `typedef struct net_options {\n${options.join('\n')}\n} net_options;`
  )
}

function functions(info: NetInfo): string {
  const types = { i32: 'uint32_t', f32: 'float', nothing: 'void' }
  const exports = netExports(info)
  const width = Math.max(...exports.map(({ name }) => name.length))
  const rows = exports.map(({ name, result }) => {
    const prototype = `${types[result ?? 'nothing'].padEnd(8)} ${`${name}(void)`.padEnd(width + 6)}`
    return `     ${prototype}  ${abouts[name]}`
  })
  return [
    '/* The exports; "memory" is the memory.',
    ...rows,
    '   wasm2c --module-name=net net.wasm -o net-wasm.c writes a header net-wasm.h, with',
    '     wasm2c_net_instantiate(w2c_net *) once, then w2c_net_predicted_class(w2c_net *);',
    '     w2c_net_memory(w2c_net *)->data is the memory. */',
    ...exports.map(({ name }) => `#define NET_EXPORT_${name.toUpperCase()} "${name}"`),
  ].join('\n')
}

const float = (value: number): string => `${double(Math.fround(value))}f`

function double(value: number): string {
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

/** A C string of ASCII alone: bytes of UTF-8 as octal, `?` apart so that no trigraph arises. */
function quote(text: string): string {
  const bytes = [...new TextEncoder().encode(text)]
  const characters = bytes.map((byte) => {
    const character = String.fromCharCode(byte)
    if (byte < 32 || byte > 126) return `\\${byte.toString(8).padStart(3, '0')}`
    return '"\\?'.includes(character) ? `\\${character}` : character
  })
  return `"${characters.join('')}"`
}

/** Text inside a comment: it must not end it. */
const comment = (text: string): string => text.replaceAll('*/', '* /').replaceAll('/*', '/ *')
