/** What pages use in place of files: bytes. It works in Node alike, with the same refusals. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type CompileOptions,
  datasets,
  events,
  exportWasm,
  flatten,
  lif,
  linear,
  loadModel,
  Model,
  sequential,
} from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'

const wasmFolder = new URL('../../wasm/', import.meta.url)
const engineFile = (name: string): Promise<Uint8Array> => readFile(new URL(name, wasmFolder))

const net = () => sequential(flatten(), linear(4, 3), lif(), linear(3, 2))
const compiled = (options: Partial<CompileOptions> = {}): Promise<Model> =>
  net().compile({ input: [1, 2, 2], batchSize: 2, timeSteps: 2, ...options })
const x = Float32Array.of(0, 1, 2, 3, 3, 2, 1, 0)

async function logits(model: Model): Promise<number[]> {
  const { logits } = await model.predict(x)
  await model.dispose()
  return [...logits]
}

test('the engine can be given as an address, a folder, bytes or a module', async () => {
  const expected = await logits(await compiled())
  const bytes = await engineFile('engine.wasm')
  for (const wasm of [
    bytes,
    new Uint8Array(bytes).buffer,
    await WebAssembly.compile(bytes as BufferSource),
    new URL('engine.wasm', wasmFolder),
    wasmFolder.href,
    fileURLToPath(new URL('engine.wasm', wasmFolder)),
  ])
    assert.equal(await logits(await compiled({ wasm })), expected)
  const threads = await compiled({ wasm: wasmFolder, threads: 2 })
  assert.equal(await logits(threads), expected)
})

test('another engine is refused with what it is', async () => {
  const refused = (wasm: unknown, options = {}): Promise<string> =>
    messageOf(() => compiled({ wasm: wasm as Uint8Array, ...options }))
  const page = new TextEncoder().encode('<!doctype html><title>404</title>')
  assert.match(await refused(page), /compile\.wasm must be engine\.wasm .* got what is no WebAss/)
  const address = `data:text/html,${encodeURIComponent('<!doctype html><p>not found')}`
  assert.match(await refused(address), /holds 27 bytes that begin with "<!doctype html><p>not/)
  const threads = await engineFile('engine-threads.wasm')
  assert.match(await refused(threads), /must be engine\.wasm of spikewasm .*, got engine-threads\./)
  assert.match(
    await refused(await engineFile('engine.wasm'), { threads: 2 }),
    /must be engine-threads\.wasm of spikewasm .*, got engine\.wasm/,
  )
  const old = new Uint8Array(await engineFile('engine.wasm'))
  old[old.lastIndexOf(46, old.lastIndexOf(32))] = 45
  assert.match(await refused(old), /got a module of version 0\.1-0; take the file from/)
  const model = await compiled({ purpose: 'inference' })
  const other = await exportWasm(model)
  await model.dispose()
  assert.match(await refused(other), /got another module of WebAssembly/)
  for (const wrong of ['', null, 1, {}, Number.NaN])
    assert.match(await refused(wrong), /compile\.wasm must be the address of engine\.wasm/)
  assert.match(await refused('/nowhere/engine.wasm'), /engine\.wasm cannot be read \(ENOENT/)
})

test('toBytes gives what save writes, and fromBytes a model of it', () =>
  withFolder(async (folder) => {
    const model = await compiled()
    await model.save(`${folder}/m.safetensors`, { note: 'a' })
    const bytes = model.toBytes({ note: 'a' })
    assert.equal(bytes, new Uint8Array(await readFile(`${folder}/m.safetensors`)))
    const again = await Model.fromBytes(bytes)
    const other = await compiled({ seed: 9 })
    await other.load(bytes)
    const expected = await logits(model)
    assert.equal(await logits(again), expected)
    assert.equal(await logits(other), expected)
    const damaged = bytes.slice(0, 100)
    for (const load of [Model.fromBytes, loadModel])
      assert.match(await messageOf(() => load(damaged)), /^the model: /)
    assert.match(await messageOf(async () => model.toBytes({}, { a: 1 } as object)), /toBytes/)
  }))

test('MNIST from files that were dropped, packed or not', async () => {
  const sizes = [0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]
  const images = Uint8Array.of(0, 0, 8, 3, ...sizes, 0, 255, 0, 255, 0, 0, 0, 0)
  const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 7)
  const packed = (bytes: Uint8Array): Uint8Array => new Uint8Array(gzipSync(bytes))
  const files = {
    'train-images-idx3-ubyte.gz': packed(images),
    'train-labels-idx1-ubyte': labels,
    't10k-images-idx3-ubyte': images,
    't10k-labels-idx1-ubyte.gz': new Blob([packed(labels) as BlobPart]),
  }
  const { train, test } = await datasets.fashionMnist(files)
  assert.equal([train.length, test.length, train.shape], [2, 2, [1, 2, 2]])
  const dropped = Object.entries(files).map(([name, of]) => new File([of as BlobPart], name))
  assert.is((await datasets.mnist(dropped)).test.read(1, new Float32Array(4)), 7)
  const cut = { ...files, 'train-images-idx3-ubyte.gz': packed(images).slice(0, 20) }
  assert.match(await messageOf(() => datasets.mnist(cut)), /^train-images-idx3-ubyte\.gz: must be/)
})

test('the digits from bytes or an address', async () => {
  const url = new URL('../../../data/digits.csv.gz', import.meta.url)
  const bytes = new Uint8Array(await readFile(url))
  for (const from of [undefined, url, url.href, bytes])
    assert.is((await datasets.digits(from)).train.length, 1442)
  assert.match(await messageOf(() => datasets.digits({ a: 1 } as never)), /datasets\.digits/)
  assert.match(await messageOf(() => datasets.digits(bytes.slice(0, 99))), /must be valid gzip/)
})

test('recordings from bytes', async () => {
  // One event of N-MNIST: x 1, y 2, polarity 1 at 3 µs.
  const bytes = Uint8Array.of(1, 2, 0x80, 0, 3)
  const recording = await events.read(bytes, { format: 'nmnist' })
  assert.equal(await events.read(new File([bytes], 'a.bin')), recording)
  assert.match(
    await messageOf(() => events.read(bytes.slice(0, 3), { format: 'nmnist' })),
    /record/,
  )
})

test.run()
