/** `net.h`: an exported network for programs in C. */

import { describe, fail } from '../base/errors.js'
import { inputCount, type NetInfo, netExports, optionWords } from './abi.js'
import { readFileInfo } from './file.js'
import { checkInfo } from './schema.js'
import { ABI_MAGIC, infoWords, STRUCT_BYTES } from './struct.js'

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
  weights: '0: float32, 1: int8',
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
 * @param fileName of the header; its include guard follows from it. Default `net.h`
 * @throws SpikewasmError when the bytes are no exported network, or the name is empty
 */
export function netHeader(net: Uint8Array | NetInfo, fileName = 'net.h'): string {
  if (typeof fileName !== 'string' || !/\p{L}|\d/u.test(fileName))
    fail(`netHeader.fileName must be the name of a file, such as net.h, got ${describe(fileName)}`)
  if (typeof net !== 'object' || net === null)
    fail(
      `netHeader.net must be the bytes of a file, or what netInfo says of it, got ${describe(net)}`,
    )
  const info = net instanceof Uint8Array ? readFileInfo(net) : checkInfo(net, 'netHeader.net')
  const guard = `SPIKEWASM_${fileName.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  const blocks = [
    introduction(info),
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
export function isNetHeader(text: string): boolean {
  return /^\/\* .*, as a WebAssembly module without imports\.\r?\n {3}Written by spikewasm /.test(
    text,
  )
}

function introduction(info: NetInfo): string {
  const name = info.name === undefined ? 'A spiking network' : comment(info.name)
  return (
    `/* ${name}, as a WebAssembly module without imports.\n` +
    `   Written by spikewasm ${comment(info.version)}, ABI ${info.abi}. C99 and C++. */`
  )
}

/** Rows without a value are left out. */
const define = (
  rows: readonly (readonly [name: string, value: string | number | undefined, about?: string])[],
) =>
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

/** A float32 literal. */
function float(value: number): string {
  return `${double(Math.fround(value))}f`
}

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
function comment(text: string): string {
  return text.replaceAll('*/', '* /').replaceAll('/*', '/ *')
}
