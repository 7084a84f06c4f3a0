/** Networks that come with the package: they load, compute and are as small as promised. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type Model, type PretrainedName, pretrained, pretrainedNames } from '../../src/index.js'
import * as table from '../../src/model/models/table.js'
import { parseLines, run, succeed } from '../cli/in-process.js'
import { expectRefusal } from '../files/temporary.js'
import { uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'

const root = new URL('../../../', import.meta.url)
const folder = fileURLToPath(new URL('data/models/', root))
const page = readFileSync(new URL('docs/models.md', root), 'utf8').replaceAll('\r\n', '\n')
const tool = (await import(new URL('tools/pretrained.mjs', root).href)) as {
  rowsOf(bytes: Uint8Array): Readonly<Record<string, string>>
  measuredRows(result: object): Readonly<Record<string, string>>
  withRows(page: string, name: string, rows: Readonly<Record<string, string>>): string
}

/** Those that come with the package. */
const packed = pretrainedNames.filter(table.isPacked)
const fileOf = (name: string): string => `${folder}/${name}.safetensors`

test('the files of the package are those of the names, 300 kB in all', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  assert.equal(
    files.sort(),
    packed.map((name) => `${name}.safetensors`),
  )
  const bytes = files.reduce((sum, name) => sum + statSync(`${folder}/${name}`).size, 0)
  assert.ok(bytes <= 300_000, `${bytes} bytes`)
})

for (const name of packed)
  test(`${name}: the library and the command line give the same answers; the card names it`, async () => {
    const model = await own(pretrained(name))

    const training = () => model.trainStep(uniform(size(model), 1, 3), [0])
    await expectRefusal(training, /purpose/)
    const { logits, classes, labels, probabilities } = await model.predict(
      uniform(size(model), 1, 3),
    )
    assert.is(logits.length, model.classes)
    assert.ok(logits.every(Number.isFinite) && classes[0] < model.classes)
    const sum = probabilities.reduce((all, share) => all + share, 0)
    assert.ok(Math.abs(sum - 1) < 1e-6 && probabilities[classes[0]] >= 1 / model.classes)
    const rows = tool.rowsOf(readFileSync(fileOf(name)))
    assert.is(labels[0], rows.labels.split(', ')[classes[0]])
    assert.is(`${model.timeSteps}`, rows['time steps'])
    assert.match(rows.size, `${model.parameterCount.toLocaleString('en')} parameters; `)
    assert.is(rows['SHA-256'], `\`${table.hashes[name]}\``)
    assert.is(tool.withRows(page, name, rows), page)
  })

test('the card of what is not in the package has the hash of the table', () => {
  for (const name of pretrainedNames)
    assert.ok(page.includes(`| SHA-256 | \`${table.hashes[name]}\` |`), name)
})

test('rows are put into the card of a name alone, and none is forgotten', () => {
  const two = '# Page\n\n## a\n\n| size | 1 |\n\n## b\n\n| size | 2 |\n'
  assert.is(tool.withRows(two, 'b', { size: '$1' }), two.replace('2', '$1'))
  assert.throws(() => tool.withRows(two, 'c', { size: '3' }), /must have a card for c/)
  assert.throws(() => tool.withRows(two, 'a', { spikes: '3' }), /a must have a row spikes/)
})

test('a wrong file, none, and no network: one error each, with the name and what to do', async () => {
  const file = readFileSync(`${folder}/nmnist.safetensors`)
  const other = Uint8Array.from(file)
  other[5000] ^= 1
  const { nmnist: hash } = table.hashes
  const mend = 'get the file of this version again, or open weights of your own with loadModel'
  await expectRefusal(
    () => pretrained('nmnist', { from: other }),
    `pretrained: the bytes must be nmnist.safetensors with SHA-256 ${hash}, got ${other.length} ` +
      `bytes with ${createHash('sha256').update(other).digest('hex')}; ${mend}`,
  )
  await expectRefusal(
    () => pretrained('cifar10-cnn', { from: `${folder}/nmnist.safetensors` }),
    /nmnist.safetensors must be cifar10-cnn.safetensors with SHA-256 .* got 140448 bytes/,
  )
  await expectRefusal(
    () => pretrained('nmnist', { from: '/nowhere/nmnist.safetensors' }),
    /^pretrained: nmnist cannot be read from \/nowhere\/.*ENOENT.*give as from/,
  )
  const server = createServer((_, answer) => answer.writeHead(404).end())
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const from = `http://127.0.0.1:${port}/nmnist.safetensors`
  const cannot = `^pretrained: nmnist cannot be read from ${from} `
  const missing = () => pretrained('nmnist', { from })
  await expectRefusal(missing, new RegExp(`${cannot}\\(the server answers 404\\); give as from`))
  await new Promise((done) => void server.close(done))
  await expectRefusal(missing, new RegExp(`${cannot}\\(fetch failed: .*ECONNREFUSED.*give as from`))
})

const wrong: readonly (readonly [object, RegExp])[] = [
  [{ from: 7 }, /^pretrained\.from must be the address of nmnist\.safetensors or .*, got 7$/],
  [{ from: 'http://[' }, /from http:\/\/\[ \(Invalid/],
  [{ from: `data:,${'x'.repeat(1000)}` }, /^pretrained: data:,x{194} must be nmnist/],
  [{ form: 7 }, /^pretrained\.form is not an option; known are from, input, timeSteps, /],
  [{ batchSize: 0 }, /^pretrained\.batchSize must be an integer from 1 to/],
]
test('wrong options are told as its own; addresses that are none, or long, as they are, cut', async () => {
  for (const [given, why] of wrong) await expectRefusal(() => pretrained('nmnist', given), why)
})

test('where there is no SHA-256, as in pages that come by http, it says what to do', async () => {
  const usual = Object.getOwnPropertyDescriptor(globalThis, 'crypto') as PropertyDescriptor
  Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true })
  try {
    await expectRefusal(() => pretrained('nmnist'), /must come by https or from local.*loadModel/)
  } finally {
    Object.defineProperty(globalThis, 'crypto', usual)
  }
})

test('what no release has must be given, by name', async () => {
  if (table.isPublished) return
  const why = /cifar10-cnn does not come with the package, .*; give cifar10-cnn.safetensors as from/
  await expectRefusal(() => pretrained('cifar10-cnn'), why)
  const { code, stderr } = await run(['eval', '--pretrained', 'cifar10-cnn', '--data', 'DATA'])
  assert.is(code, 1)
  assert.match(stderr, why)
})

const judges = {
  cartpole: ['actor.mjs', '500.0 steps an episode, 200 of 200 to the end of 500'],
  'digit-rows': ['digit-rows.mjs', '93.52 % of 355 test digits are right'],
} as const
for (const [name, [program, says]] of Object.entries(judges))
  test(`${name}: its program says what the card says`, () => {
    const path = fileURLToPath(new URL(`examples/models/${program}`, root))
    const file = `${folder}/${name}.safetensors`
    const text = execFileSync(process.execPath, [path, '--judge', file], { encoding: 'utf8' })
    const rows = [...page.split(`## ${name}\n`)[1].matchAll(/^\| (spikes|energy) \| (.*) \|$/gm)]
    const [spikes, energy] = rows.map(([, , value]) => value)
    assert.is(text, `${says}\nspikes ${spikes}, ${energy}\n`)
  })

/** Numbers of a sample. */
const size = ({ input, frames, timeSteps }: Model): number =>
  input.reduce((a, b) => a * b, 1) * (frames ? timeSteps : 1)

test('the file can be given', async () => {
  const file = `${folder}/nmnist.safetensors`
  for (const from of [file, new URL(`data/models/nmnist.safetensors`, root), readFileSync(file)]) {
    const model = await pretrained('nmnist', { from })
    assert.is(model.classes, 10)
    await model.dispose()
  }
})

test('they train on, or take one step at a time, where that is asked for', async () => {
  for (const name of packed) {
    const trained = await own(pretrained(name, { purpose: 'train', batchSize: 2 }))
    const { loss } = await trained.trainStep(uniform(2 * size(trained), 1, 3), [0, 1])
    assert.ok(Number.isFinite(loss))
    const whole = await pretrained(name, { batchSize: 1 })
    const stream = await pretrained(name, { purpose: 'stream' })
    const x = uniform(size(whole), 0, 1)
    const { logits } = await whole.predict(x)
    const step = stream.input.reduce((a, b) => a * b, 1)
    let last: Awaited<ReturnType<Model['step']>> | undefined
    for (let t = 0; t < whole.timeSteps; t++)
      last = await stream.step(whole.frames ? x.subarray(t * step, (t + 1) * step) : x)
    last!.logits.forEach((value, i) => {
      assert.ok(Math.abs(value - logits[i]) < 1e-4, `${name}: ${value}, not ${logits[i]}`)
    })
    await whole.dispose()
    await stream.dispose()
  }
})

test('another name on the command line: the names that there are', async () => {
  const { code, stderr } = await run(['eval', '--pretrained', 'mnist'])
  assert.equal(
    [code, stderr],
    [1, `spikewasm: --pretrained must be one of ${pretrainedNames.join(', ')}, got "mnist"\n`],
  )
})

test('--pretrained stands alone, and brings its data set', async () => {
  const both = await run(['eval', '--pretrained', packed[0], '--weights', 'w'])
  assert.match(
    both.stderr,
    /: --run, --weights and --nir must be left out with --pretrained, got w\n$/,
  )
  const none = await run(['eval', '--pretrained', 'fashion-mnist-cnn'])
  assert.match(
    none.stderr,
    /--data must be the folder with .* for --dataset fashion-mnist, got none/,
  )
  const on = await run(['eval', '--pretrained', packed[0], '--on', 'net.wasm'])
  assert.match(on.stderr, /: --pretrained must be left out with --on, got /)
})

const checks: [PretrainedName, string, string[], RegExp][] = [
  ['fashion-mnist-cnn', 'fashion-mnist', ['--limit-test', '1000'], /([\d.]+) % of the first 1,000/],
  ['nmnist', 'nmnist', [], /^## nmnist$[\s\S]*?\| accuracy \| ([\d.]+) %/m],
]
for (const [name, dataset, few, wanted] of checks) {
  const data = `/usr/share/datasets/${dataset}`
  if (!existsSync(data)) continue
  test(`${name}: the accuracy of the card`, async () => {
    const { stdout } = await succeed([
      'eval',
      '--pretrained',
      name,
      '--data',
      data,
      '--json',
      ...few,
    ])
    const [{ testAccuracy }] = parseLines(stdout)
    const said = page.match(wanted)?.[1] ?? ''
    assert.is(((testAccuracy as number) * 100).toFixed(said.split('.')[1].length), said)
  })
}

test.run()
