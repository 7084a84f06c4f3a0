import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openNet } from '../../src/edge/net.js'
import { expectPackageReads } from '../nir/package-rules.js'
import { type Commands, inFolder, lastOf, refuse, succeed } from './in-process.js'
import { writeRecordings } from './recordings.js'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url))

const few = '--epochs 1 --threads 1 --limit-train 64 --limit-test 40'
const digits = '--dataset digits --threads 1 --limit-test 40'
const values = Array.from({ length: 64 }, (_, i) => (i % 5) / 4)

/** A run of `mlp`, the file of NIR that `export` makes of it, which others read, and a sample. */
async function exported(folder: string, { succeed, lastOf }: Commands): Promise<void> {
  await succeed(`train ${few} --model mlp --out run`)
  assert.equal(await lastOf('export --run run --out net.nir'), { model: 'mlp', file: 'net.nir' })
  await expectPackageReads(join(folder, 'net.nir'))
  await writeFile(join(folder, 'x.json'), JSON.stringify(values))
}

test('info --nir: layers, for inference, of a recurrent network too, and up to 4096 steps', async () => {
  const recurrent = `info --nir ${fixture('recurrent')} --dt ${2 ** -10}`
  const { stdout } = await succeed(recurrent)
  for (const line of [
    /\nrecurrent, input \[6\]\n/,
    /\nrnn\.lif +recurrent\(cubaLif\) +\[7\]/,
    /purpose inference/,
    /\nneurons of rnn\.lif; their .*\n {2}i = i\*\(1 - 1\/tauSyn\) \+ /,
    /\nneurons of li\n {2}u = u\*\(1 - 1\/tau\) \+ vRest\/tau \+ x\n {2}output = u\n/,
  ])
    assert.match(stdout, line)
  const { model } = await lastOf(`info --nir ${fixture('conv')} --time-steps 300`)
  const { input, timeSteps, parameters } = model as Record<string, unknown>
  assert.equal([input, timeSteps, parameters], [[2, 8, 8], 300, 4 * 18 + 4 + 6 * 18 + 6 + 5 * 25])
  await refuse(
    `${recurrent} --method rate`,
    /rnn\.lif .*method 'rate' has no gradient of a recurrent weight/,
  )
})

test('export writes a file of NIR that eval and predict read, with the same answers', () =>
  inFolder(async (folder, cli) => {
    const { lastOf } = cli
    await exported(folder, cli)
    const a = await lastOf('eval --run run --threads 1')
    const b = await lastOf(`eval --nir net.nir ${digits}`)
    for (const field of ['testAccuracy', 'testLoss', 'samples', 'timeSteps'])
      assert.is(b[field], a[field], field)
    assert.equal(Object.values(b.spikes as object), Object.values(a.spikes as object))
    assert.is(b.model, 'net')
    const { logits } = await lastOf('predict --run run x.json')
    assert.equal((await lastOf('predict --nir net.nir x.json')).logits, logits)
    // A name with another ending, other time constants, and back.
    await lastOf('export --run run --nir --out other.h5 --dt 0.001 --discretisation exact')
    assert.is((await readFile(join(folder, 'other.h5'))).subarray(1, 4).toString(), 'HDF')
    assert.is((await lastOf(`eval --nir other.h5 ${digits}`)).testAccuracy, a.testAccuracy)
    // A still image is shown for as long as it is asked for.
    const long = await lastOf('eval --run run --threads 1 --time-steps 300')
    assert.equal([long.timeSteps, long.samples], [300, 40])
  }))

test('export makes a module of a file of NIR; --weights takes one wherever it is given', () =>
  inFolder(async (folder, cli) => {
    const { lastOf, succeed } = cli
    await exported(folder, cli)
    const made = await lastOf('export --weights net.nir --time-steps 4 --out net.wasm')
    assert.is(made.model, 'net')
    const net = await openNet(await readFile(join(folder, 'net.wasm')))
    net.input.set(values)
    net.infer()
    assert.equal([...net.output], (await lastOf('predict --run run x.json')).logits)
    await succeed('export --weights net.nir --out copy.nir')
    await expectPackageReads(join(folder, 'copy.nir'))
    const answers: unknown[] = []
    for (const file of ['--nir net.nir', '--weights net.nir', '--nir copy.nir']) {
      const { testAccuracy, spikes } = await lastOf(`eval ${file} ${digits}`)
      answers.push({ testAccuracy, spikes })
    }
    assert.equal(answers, Array(3).fill(answers[0]))
  }))

test('eval --nir with frames of recordings, 300 steps; eval --run with as many', () =>
  inFolder(async (folder, { succeed, lastOf, refuse }) => {
    await writeRecordings(folder)
    const data = '--dataset nmnist --data nmnist --event-size 8 --threads 1'
    await succeed(`train ${data} --time-steps 3 --epochs 1 --batch-size 10 --out run`)
    await succeed('export --run run --out net.nir')
    await expectPackageReads(join(folder, 'net.nir'))
    const long = '--time-window 4500 --time-steps 300'
    const all = await lastOf(`eval --nir net.nir ${data} ${long}`)
    assert.equal([all.final, all.samples, all.timeSteps], [true, 20, 300])
    const spikes = Object.entries(all.spikes as Record<string, number>)
    assert.is(spikes.length, 3)
    const rates = all.firingRates as Record<string, number>
    for (const [name, count] of spikes) {
      assert.ok(Number.isInteger(count) && count >= 0, `${name}: ${count}`)
      assert.ok(rates[name] > 0 === count > 0, `${name}: ${rates[name]}, ${count}`)
    }
    assert.ok(spikes[0][1] > 0)
    assert.is((await lastOf(`eval --run run --data nmnist ${long}`)).timeSteps, 300)
    const many = '--time-window 150 --time-steps 4097'
    await refuse(`eval --run run --data nmnist ${many}`, /must be .*4096, got 4097/)
  }))

test.run()
