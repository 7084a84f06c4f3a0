/** Options of the exporter: defaults, and one clear error for each mistake. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import type { ExportOptions } from '../../src/edge/abi.js'
import { checkExportOptions } from '../../src/edge/options.js'

const facts = { channels: 2, classes: 3 }

test('defaults', () => {
  const { onProgress, ...settings } = checkExportOptions({}, facts)
  onProgress(0.5)
  assert.equal(settings, {
    target: 'simd',
    mode: 'infer',
    weights: 'f32',
    labels: undefined,
    mean: undefined,
    std: undefined,
    inputType: 'f32',
    name: undefined,
    batchSize: 1,
    synops: undefined,
    wasm: undefined,
  })
})

test('what is given is kept', () => {
  const options: ExportOptions = {
    target: 'both',
    mode: 'train',
    labels: ['a', 'b', 'ü'],
    mean: [0, -1],
    std: [1, 0.25],
    inputType: 'u8',
    name: 'net',
    batchSize: 16,
    synops: 12.5,
    wasm: undefined,
    onProgress: () => {},
  }
  assert.equal(checkExportOptions(options, facts), { weights: 'f32', ...options })
})

const u8 = { inputType: 'u8' }
const mistakes: readonly (readonly [object, RegExp])[] = [
  [{ lables: [] }, /exportWasm\.lables is not an option; known are target, mode, .*labels/],
  [{ target: 'avx' }, /exportWasm\.target must be one of simd, scalar, both, got "avx"/],
  [{ mode: 'learn' }, /exportWasm\.mode must be one of infer, step, both, train, got "learn"/],
  [{ weights: 'f16' }, /exportWasm\.weights must be 'f32' or 'int8', got "f16"/],
  [{ weights: 'int8', mode: 'train' }, /weights must be f32 with mode train, got "int8"/],
  [{ inputType: 'u16' }, /exportWasm\.inputType must be 'f32' or 'u8', got "u16"/],
  [{ labels: ['a', 'b'] }, /labels must be a list with a name for each of the 3 classes, got 2/],
  [{ labels: 'abc' }, /labels must be a list .*, got "abc"/],
  [{ labels: ['a', 'b\n', 'c'] }, /labels\[1\] must be text .*, got "b\\n"/],
  [{ labels: ['a', '', 'c'] }, /labels\[1\] must be text of 1 to 500 characters/],
  [{ labels: ['a', 'b', 3] }, /labels\[2\] must be text .*, got 3/],
  [{ mean: [0, 0] }, /mean must be left out with inputType 'f32', got \[0,0\]/],
  [{ std: [1, 1] }, /std must be left out with inputType 'f32'/],
  [{ ...u8, mean: [0] }, /mean must be a list with a number for each of the 2 channels, got 1/],
  [{ ...u8, std: 1 }, /std must be a list .* 2 channels, got 1/],
  [{ ...u8, std: [1, 0] }, /std must hold finite numbers > 0, got 0 for channel 1/],
  [{ ...u8, std: [1, -2] }, /std must hold finite numbers > 0, got -2 for channel 1/],
  [{ ...u8, std: [1e-300, 1] }, /std must hold .* got 1e-300 for channel 0/],
  [{ ...u8, mean: [Number.NaN, 0] }, /mean must hold finite numbers, got NaN for channel 0/],
  [{ ...u8, mean: [1e300, 0] }, /mean must hold finite numbers, got 1e\+300 for channel 0/],
  [{ name: '' }, /name must be text of 1 to 500 characters/],
  [{ name: 'a\0b' }, /name must be text/],
  [{ batchSize: 4 }, /batchSize must be left out with mode infer, got 4; it is for mode train/],
  [{ batchSize: 0, mode: 'train' }, /batchSize must be an integer from 1 to 65536, got 0/],
  [{ synops: -1 }, /synops must be ≥ 0, got -1/],
  [{ onProgress: true }, /onProgress must be a function, got true/],
]

for (const [options, message] of mistakes)
  test(`refuses ${JSON.stringify(options)}`, () => {
    assert.throws(
      () => checkExportOptions(options as ExportOptions, facts),
      (error: Error) => error instanceof SpikewasmError && message.test(error.message),
    )
  })

test('refuses options that are no object', () => {
  assert.throws(
    () => checkExportOptions([] as ExportOptions, facts),
    /exportWasm's options must be an object with any of target, .*, got \[\]/,
  )
})

test.run()
