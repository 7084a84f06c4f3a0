/** Exported networks in a thread: the same answers, and an end to those that never end. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { evaluateNet } from '../../src/edge/accuracy.js'
import { exportWasm } from '../../src/edge/export.js'
import { seal } from '../../src/edge/file.js'
import { type Net, openNet } from '../../src/edge/net.js'
import { type ApartNet, openApart } from '../../src/edge/verify/apart.js'
import { evaluateApart } from '../../src/edge/verify/job.js'
import { cnn, compile, datasets, SpikewasmError, subset } from '../../src/index.js'
import { messageOf } from '../files/temporary.js'
import { numbers } from '../support/exported.js'
import { type Flaws, type TinyOptions, tinyNet } from '../support/tiny-net.js'

const size = { input: [1, 8, 8] as const, classes: 10 }
const weights = Array.from({ length: 640 }, (_, i) => Math.sin(i * i))
/** A loop without an end. */
const forever = [0x03, 0x40, 0x0c, 0, 0x0b]
/** Seconds, of a thread that has started: a busy machine opens a small file in less. */
const LIMIT = 1
const { test: data } = await datasets.digits()

/** Opens a file, hands it over, and closes it. */
async function withApart<T>(
  bytes: Uint8Array,
  body: (net: ApartNet) => Promise<T>,
  seconds?: number,
): Promise<T> {
  const net = await openApart(bytes, 'some.wasm', { seconds })
  try {
    return await body(net)
  } finally {
    await net.close()
  }
}

for (const mode of ['infer', 'step', 'both'] as const)
  test(`${mode}: information and accuracy are those of openNet and evaluateNet`, async () => {
    const bytes = tinyNet({ weights, info: { ...size, mode, inputType: 'u8' } })
    const net: Net = await openNet(bytes)
    await withApart(bytes, async (apart) => {
      assert.equal(apart.info, net.info)
      const shares: number[] = []
      const evaluation = await evaluateApart(apart, data, (done) => shares.push(done))
      assert.equal(evaluation, await evaluateNet(net, data))
      assert.ok(evaluation.count === data.length && evaluation.correct > 0)
      assert.equal([shares[0], shares.at(-1)], [0, 1])
    })
  })

const endless: Record<string, [flaws: Flaws, task: RegExp]> = {
  input_ptr: [{ bodies: { input_ptr: [...forever, 0x41, 0] } }, /be opened/],
  infer: [{ bodies: { infer: forever } }, /answer infer\(\)/],
  predicted_class: [{ bodies: { predicted_class: [...forever, 0x41, 0] } }, /answer infer\(\)/],
}
test(`an endless ${Object.keys(endless).join(' or ')} is stopped, and the message names the file`, async () => {
  // Side by side: each only waits for its end.
  const ended = Object.entries(endless).map(async ([name, [flaws, task]]) => {
    const bytes = tinyNet({ info: size, flaws })
    const message = await messageOf(() =>
      withApart(bytes, (net) => evaluateApart(net, subset(data, 3)), LIMIT),
    )
    assert.match(
      message,
      /^some\.wasm: an exported network must .* within 1 s, got no answer/,
      name,
    )
    assert.match(message, task, name)
  })
  await Promise.all(ended)
})

test('unless the caller says otherwise, a network has ten seconds', async () => {
  const { setTimeout: wait } = globalThis
  const short = (act: () => void, ms: number, ...more: []) =>
    wait(act, ms === 10_000 ? 1 : ms, ...more)
  globalThis.setTimeout = Object.assign(short, wait)
  try {
    const bytes = tinyNet({ info: size, flaws: { bodies: { infer: forever } } })
    const ask = () => withApart(bytes, (net) => net.ask('infer', new Uint8Array(4 * 64)))
    assert.match(await messageOf(ask), /within 10 s, got no answer/)
  } finally {
    globalThis.setTimeout = wait
  }
})

test('a file that was stopped is not waited for again', async () => {
  const bytes = tinyNet({ info: size, flaws: { bodies: { infer: forever } } })
  await withApart(
    bytes,
    async (net) => {
      const ask = () => net.ask('infer', new Uint8Array(4 * 64))
      assert.match(await messageOf(ask), /within 1 s, got no answer/)
      const began = performance.now()
      for (let i = 0; i < 5; i++) assert.match(await messageOf(ask), /got the end of its thread/)
      assert.ok(performance.now() - began < 1000 * LIMIT)
    },
    LIMIT,
  )
})

test('a file that is slow, but goes on, may take longer than the limit', async () => {
  // Four million products for each sample.
  const bytes = tinyNet({ info: size, repeats: 6250 })
  await withApart(
    bytes,
    async (net) => {
      const sample = new Uint8Array(4 * 8 * 8)
      const began = performance.now()
      await net.ask('infer', sample)
      // The first call is the slowest.
      const samples = Math.ceil((1500 * LIMIT) / Math.max(1, performance.now() - began)) + 1
      const seen: number[] = []
      const { outputs } = await net.ask('infer', new Uint8Array(samples * sample.length), {
        onSamples: (n) => seen.push(n),
      })
      assert.is(outputs.length, 10 * samples)
      assert.ok(seen.length > 0 && seen.every((n) => n <= samples), seen.join())
    },
    LIMIT,
  )
})

const count = 'answer predicted_class\\(\\) with 0 to 9, got'
const wrong: Readonly<Record<string, [TinyOptions, message: string]>> = {
  'a class of 99': [{ flaws: { answers: { predicted_class: 99 } } }, `must ${count} 99;`],
  'a class of -1': [{ flaws: { answers: { predicted_class: -1 } } }, `must ${count} -1;`],
  'no numbers': [{ bias: [Number.NaN] }, 'network must give finite outputs, got NaN, .*;'],
  'a trap': [{ flaws: { bodies: { infer: [0] } } }, 'network must end, got an error: .*;'],
}
for (const [what, [options, message]] of Object.entries(wrong))
  test(`${what}: an error in this process and in the thread, which names the file`, async () => {
    const bytes = tinyNet({ ...options, info: size })
    const few = subset(data, 3)
    const net = await openNet(bytes)
    const here = await messageOf(() => evaluateNet(net, few))
    assert.match(here, new RegExp(message))
    const there = await messageOf(() => withApart(bytes, (apart) => evaluateApart(apart, few)))
    assert.is(there, `some.wasm: ${here}`)
  })

test('a damaged file is told with its name', async () => {
  const cut = tinyNet({ info: size }).subarray(0, 300)
  assert.match(await messageOf(() => openApart(cut, 'some.wasm')), /^some\.wasm: an exported/)
})

test('an exported network with changed bytes runs, or ends in one clear error', async () => {
  const model = await compile(cnn([1, 8, 8], 10), { input: [1, 8, 8] })
  const good = await exportWasm(model)
  await model.dispose()
  const few = subset(data, 2)
  const random = numbers(5)
  const ends = { ran: 0, refused: 0 }
  const changed = Array.from({ length: 6 }, (_, i) => {
    const bytes = good.slice()
    // The functions come first, before the weights, whose changes leave a module that runs.
    const [from, to] = i % 2 ? [0, 9000] : [bytes.length - 9000, bytes.length]
    for (let n = 0; n < 2; n++)
      bytes[from + Math.floor(random() * (to - from))] = Math.floor(random() * 256)
    // Who means harm seals it again.
    return seal(bytes)
  })
  // Side by side, because some of them do not end by themselves.
  const ended = changed.map(async (bytes) => {
    try {
      await withApart(bytes, (net) => evaluateApart(net, few), LIMIT)
      ends.ran++
    } catch (error) {
      assert.instance(error, SpikewasmError, String(error))
      assert.match((error as Error).message, /^some\.wasm: [^\n]+$/)
      ends.refused++
    }
  })
  await Promise.all(ended)
  assert.ok(ends.ran > 0 && ends.refused > 0, JSON.stringify(ends))
})

test.run()
