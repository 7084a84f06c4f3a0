/** Opening exported files: what good ones give, and that bad ones end in one clear error. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { type NetInfo, netExports } from '../../src/edge/abi.js'
import { seal, sectionBytes, walk } from '../../src/edge/file.js'
import { netInfo, openNet } from '../../src/edge/net.js'
import { type Flaws, isSealable, stripped, tinyNet } from '../support/tiny-net.js'

const weights = [1, 2, 3, 4, -1, 0.5, 2, 0, 0, 0, 1, 1]
const bias = [0.5, -1, 0.25]
const image = [1, -2, 0.5, 4]

/** What the layer gives for an image, in float64; the numbers here are exact in both. */
const answer = (x: ArrayLike<number>): number[] =>
  bias.map((b, k) => b + [0, 1, 2, 3].reduce((sum, i) => sum + weights[4 * k + i] * x[i], 0))

test('infer: input, output, class, and the information', async () => {
  const labels = ['a', 'ü "b"', '3']
  const bytes = tinyNet({ weights, bias, info: { name: 'tiny', labels } })
  const net = await openNet(bytes)
  assert.equal(net.info, netInfo(bytes))
  assert.equal(net.info.labels, labels)
  assert.is(net.input.length, 4)
  net.input.set(image)
  net.infer()
  assert.equal([...net.output], answer(image))
  assert.is(net.predictedClass(), 0)
  net.output.set([1, 3, 3])
  assert.is(net.predictedClass(), 1)
  assert.is(net.training, undefined)
  assert.throws(() => net.step(), /step must be in the file, got one of mode infer; .*step or both/)
  assert.throws(() => net.reset(), /reset must be in the file/)
})

test('step gives the mean since reset, and infer leaves it alone', async () => {
  const net = await openNet(tinyNet({ weights, bias, info: { mode: 'both' } }))
  net.input.set(image)
  net.step()
  assert.equal([...net.output], answer(image))
  net.infer()
  net.input.fill(0)
  net.step()
  assert.equal(
    [...net.output],
    answer(image).map((value, k) => (value + bias[k]) / 2),
  )
  net.reset()
  net.step()
  assert.equal([...net.output], bias)
  const alone = await openNet(tinyNet({ info: { mode: 'step' } }))
  assert.throws(() => alone.infer(), /infer must be in the file, got one of mode step/)
})

test('bytes: mean and deviation of each channel apply inside', async () => {
  const info = { input: [2, 1, 2], inputType: 'u8', mean: [0.5, 0.25], std: [0.5, 2] } as const
  const net = await openNet<Uint8Array>(tinyNet({ weights, bias, info }))
  assert.ok(net.input instanceof Uint8Array)
  net.input.set([0, 255, 51, 255])
  net.infer()
  const expected = answer([-1, 1, (0.2 - 0.25) / 2, 0.375])
  for (const [k, value] of expected.entries()) assert.ok(Math.abs(net.output[k] - value) < 1e-6)
})

test('a train build gives labels, options, parameters', async () => {
  const state = [
    { name: 'weight', shape: [3, 4], offset: 0, layout: 'plain' },
    { name: 'bias', shape: [3], offset: 12, layout: 'plain' },
  ]
  const { training, input } = await openNet(tinyNet({ weights, bias, info: { ...train, state } }))
  assert.ok(training)
  assert.is(input.length, 8)
  assert.is(training.labels.length, 2)
  // The options end where the memory that is used does.
  assert.equal([training.options.length, training.nesterov.length], [4, 1])
  assert.is(training.nesterov.byteOffset, training.options.byteOffset + 16)
  assert.equal([...training.params], [...weights, ...bias])
  training.labels.set([2, 1])
  training.options.set([0.5, 2])
  training.trainStep()
  assert.equal(
    [...training.params],
    [...weights, ...bias].map((value) => value + 0.5),
  )
  assert.equal([training.loss(), training.correct()], [2, 2])
  training.options[1] = 3
  assert.throws(() => training.correct(), /must answer correct\(\) with 0 to 2, got 3/)
  training.options[1] = -1
  assert.throws(() => training.correct(), /must answer correct\(\) with 0 to 2, got -1/)
})

/** @returns the message of the error that opening ends in */
async function refused(bytes: Uint8Array): Promise<string> {
  try {
    await openNet(bytes)
  } catch (error) {
    assert.instance(error, SpikewasmError)
    return (error as Error).message
  }
  throw new Error('the file was accepted')
}

const json = (text: string): Flaws => ({
  section: Uint8Array.from([9, ...Buffer.from('spikewasm'), ...Buffer.from(text)]),
})

const labels = ['a', 'b', 'c']
/** The section of a file that says something else. */
const other = (info: Partial<NetInfo>): Flaws => ({
  section: sectionBytes({ ...netInfo(tinyNet({ info: { labels } })), ...info }),
})
const train = { mode: 'train', batchSize: 2 } as const
const entry = { name: 'bias', shape: [3], offset: 13, layout: 'plain' }

type Row = readonly [name: string, Flaws, RegExp, info?: Partial<NetInfo>]
const flaws: readonly Row[] = [
  ['imports', { imports: true }, /import nothing, got 1 imports/],
  ['no memory', { without: 'memory' }, /export its memory, got none/],
  ['a memory that grows', { limits: [1, 1, 2] }, /fixed size, got 1 to 2 pages/],
  ['a memory without a limit', { limits: [0, 1] }, /fixed size.* got one with flags 0/],
  ['a shared memory', { limits: [3, 1, 1] }, /not shared.* got one with flags 3/],
  [
    'a memory of 4 GiB',
    { limits: [1, 0x80, 0x80, 4, 0x80, 0x80, 4] },
    /at most 32768 pages \(2 GiB\), got 65536 pages/,
  ],
  ['another memory', { limits: [1, 2, 2] }, /a memory of 1 pages, as it says, got 2/],
  ['a long number', { limits: [1, 0xff, 0xff, 0xff, 0xff, 0xff, 1] }, /numbers of 32 bits/],
  ['a number above 32 bits', { limits: [1, 0xff, 0xff, 0xff, 0xff, 0x7f] }, /numbers of 32 bits/],
  [
    'neither section nor struct',
    { section: null, without: 'info_ptr' },
    /have a custom section "spikewasm", or export info_ptr, got neither/,
  ],
  ['no JSON', json('{'), /its JSON must be valid JSON, got an error/],
  ['other JSON', json('[]'), /must be an object, got \[\]/],
  ['an empty object', json('{}'), /must have abi, one of 1, got none/],
  ['a newer version', json('{"abi":2}'), /must be of ABI 1, got 2; a newer spikewasm reads it/],
  ['no infer', { without: 'infer' }, /export a function infer, got none/],
  ['another version', { answers: { abi_version: 2 } }, /answer abi_version\(\) with 1, got 2/],
  ['another length', { answers: { input_len: 5 } }, /answer input_len\(\) with 4, .* got 5/],
  ['an input that is not aligned', { answers: { input_ptr: 161 } }, /the input .* a multiple of 4/],
  ['a struct at the end', { answers: { info_ptr: 65532 } }, /have its struct inside/],
  ['a struct at 0', { answers: { info_ptr: 0 } }, /have its struct inside/],
  ['a negative struct', { answers: { info_ptr: -4 } }, /have its struct inside/],
  ['another struct', { answers: { info_ptr: 68 } }, /have magic 1464553555 in its struct/],
  ['an address', { addresses: { input: 4 } }, /have input \d+ in its struct.* got 4/],
  ['a trap at the start', { start: [0] }, /a valid module that starts, got an error: unreachable/],
  ['other classes', other({ classes: 4, labels: undefined }), /output_len\(\) with 4/],
  ['a mode that it has not', other({ mode: 'both' }), /a function step/],
  ['other labels', other({ labels: ['a', 'b', 'd'] }), /the labels .* got others/, { labels }],
  ['labels of another batch', { answers: { label_len: 3 } }, /with 2, as it says, got 3;/, train],
  ['too few parameters', { answers: { params_len: 14 } }, /at least 15 numbers .* got 14;/, train],
  ['a negative number of them', { answers: { params_len: -1 } }, /the parameters inside/, train],
  [
    'a state beyond them',
    {},
    /have bias within its 15 parameters, got 3 numbers from 13;/,
    { ...train, state: [entry] },
  ],
  ['labels at 0', { answers: { label_ptr: 0 } }, /have the labels inside/, train],
  ['odd options', { answers: { options_ptr: 2 } }, /options inside .* of 4, got byt/, train],
  ['parameters at the end', { answers: { params_ptr: 65000 } }, /the parameters inside/, train],
  ['a body of nonsense', { bodies: { infer: [0xff] } }, /be a valid module that starts/],
]

for (const [name, flaw, message, info] of flaws)
  test(`refuses ${name}`, async () => {
    assert.match(await refused(tinyNet({ info, flaws: flaw })), message)
  })

test('sections stand in the order of the specification, each once, and none is unknown', () => {
  // The smallest of each: no entry, but for the one memory of one page.
  const whole = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11]
  const walked = (ids: readonly number[]) => {
    const sections = ids.flatMap((id) => (id === 5 ? [5, 4, 1, 1, 1, 1] : [id, 1, 0]))
    return () => walk(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections]))
  }
  assert.is(walked(whole)().pages, 1)
  const told = (id: number) => new RegExp(`sections in order, each once, got section ${id} there`)
  for (const [i, id] of whole.entries()) {
    const [before, behind] = [whole.slice(0, i), whole.slice(i + 1)]
    assert.throws(walked([...before, id, id, ...behind]), told(id))
    if (behind.length > 0) assert.throws(walked([...before, behind[0], id]), told(id))
  }
  for (const id of [13, 255]) assert.throws(walked([id]), told(id))
})

test('refuses what is no file at all', async () => {
  for (const bytes of [new Uint8Array(), Uint8Array.of(0, 0x61, 0x73, 0x6d), new Uint8Array(99)])
    assert.match(await refused(bytes), /be a WebAssembly module of version 1/)
  assert.match(
    await refused('net.wasm' as unknown as Uint8Array),
    /a Uint8Array .* got "?net\.wasm"?;/,
  )
  assert.match(await refused(undefined as never), /a Uint8Array .* got undefined;/)
  assert.throws(netInfo as () => unknown, /a Uint8Array .* got undefined;/)
})

test('engines that have no promises of WebAssembly, and errors that are none of theirs', async () => {
  const { compile } = WebAssembly
  try {
    WebAssembly.compile = () => Promise.reject(new Error('no promises'))
    assert.is((await openNet(tinyNet())).predictedClass(), 0)
    WebAssembly.compile = () => Promise.reject(new TypeError('no bytes'))
    assert.match(await refused(tinyNet()), /be a valid module that starts, got an error: no bytes;/)
  } finally {
    WebAssembly.compile = compile
  }
})

test('a trap while it runs is an error that names the function', async () => {
  const net = await openNet(tinyNet({ flaws: { bodies: { infer: [0] } } }))
  assert.throws(() => net.infer(), /^infer\(\) of the exported network must end, got an error/)
})

/** Whole files of every kind, for the fuzzers. */
const files = (['infer', 'step', 'both', 'train'] as const).map((mode) =>
  tinyNet({ info: { mode, labels: ['a', 'b', 'c'], inputType: 'u8', mean: [0.1], std: [0.2] } }),
)

/** Opens it; any end is right but an error that is not ours. */
async function opens(bytes: Uint8Array): Promise<boolean> {
  try {
    const net = await openNet(bytes)
    // Whatever was let through has views of the right sizes.
    return netExports(net.info).length > 0 && net.output.length === net.info.classes
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    assert.not.match(error.message, /\n/)
    return false
  }
}

test('every truncated file is refused, but the one whose whole section was cut off', async () => {
  for (const bytes of files)
    for (let length = 0; length < bytes.length; length++) {
      const isWhole = length === stripped(bytes).length
      assert.is(await opens(bytes.subarray(0, length)), isWhole, `${length} bytes`)
    }
})

test('random bytes, with and without the start of a module, end in one clear error', () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, module) => {
      const start = module ? [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] : []
      assert.not(await opens(Uint8Array.from([...start, ...bytes])))
    }),
    { numRuns: 500 },
  ))

test('changed, inserted and removed bytes end in a network or in one clear error', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files, ...files.map(stripped)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'insert', 'remove')), {
        minLength: 1,
        maxLength: 4,
      }),
      async (file, changes) => {
        const bytes = [...file]
        for (const [at, value, how] of changes) {
          const place = at % bytes.length
          bytes.splice(place, how === 'insert' ? 0 : 1, ...(how === 'remove' ? [] : [value]))
        }
        const changed = Uint8Array.from(bytes)
        // Who means harm seals it again: then the other checks are asked.
        await opens(isSealable(changed) ? seal(changed) : changed)
      },
    ),
    { numRuns: 1000 },
  ))

test.run()
