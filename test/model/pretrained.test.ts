/** Networks that come with the package: they load, compute and are as small as promised. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type Model, type PretrainedName, pretrained, pretrainedNames } from '../../src/index.js'
import { parseLines, run, succeed } from '../cli/in-process.js'
import { expectRefusal } from '../files/temporary.js'
import { uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'

const root = new URL('../../../', import.meta.url)
const folder = fileURLToPath(new URL('data/models/', root))
const card = readFileSync(new URL('docs/models.md', root), 'utf8')

test('the files of the package are those of the names, 300 kB in all', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  assert.equal(
    files.sort(),
    pretrainedNames.map((name) => `${name}.safetensors`),
  )
  const bytes = files.reduce((sum, name) => sum + statSync(`${folder}/${name}`).size, 0)
  assert.ok(bytes <= 300_000, `${bytes} bytes`)
})

for (const name of pretrainedNames)
  test(`${name}: the library and the command line give the same answers; the card names it`, async () => {
    const model = await own(pretrained(name))

    const training = () => model.trainStep(uniform(size(model), 1, 3), [0])
    await expectRefusal(training, /purpose/)
    const { logits, classes } = await model.predict(uniform(size(model), 1, 3))
    assert.is(logits.length, model.classes)
    assert.ok(logits.every(Number.isFinite) && classes[0] < model.classes)
    assert.match(card, new RegExp(`^## ${name}$`, 'm'))
    const parameters = model.parameterCount.toLocaleString('en')
    assert.ok(card.includes(parameters), `the card must say ${parameters}`)
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
  for (const name of pretrainedNames) {
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
    [1, 'spikewasm: --pretrained must be one of fashion-mnist-cnn, nmnist, got "mnist"\n'],
  )
})

test('--pretrained stands alone, and brings its data set', async () => {
  const both = await run(['eval', '--pretrained', pretrainedNames[0], '--weights', 'w'])
  assert.match(
    both.stderr,
    /: --run, --weights and --nir must be left out with --pretrained, got w\n$/,
  )
  const none = await run(['eval', '--pretrained', 'fashion-mnist-cnn'])
  assert.match(
    none.stderr,
    /--data must be the folder with .* for --dataset fashion-mnist, got none/,
  )
  const on = await run(['eval', '--pretrained', pretrainedNames[0], '--on', 'net.wasm'])
  assert.match(on.stderr, /: --pretrained must be left out with --on, got /)
})

const checks: [PretrainedName, string, string[], RegExp][] = [
  [
    'fashion-mnist-cnn',
    'fashion-mnist',
    ['--limit-test', '1000'],
    /first 1,000 test images: ([\d.]+) %/,
  ],
  ['nmnist', 'nmnist', [], /([\d.]+) % of the 100 test recordings/],
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
    const said = card.match(wanted)?.[1] ?? ''
    assert.is(((testAccuracy as number) * 100).toFixed(said.split('.')[1].length), said)
  })
}

test.run()
