import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openNet } from '../../src/edge/net.js'
import { withFolder } from '../files/temporary.js'
import { expectPackageReads } from '../nir/package-rules.js'
import { parseLines, refuse, run, succeed } from './in-process.js'
import { writeRecordings } from './recordings.js'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url))

/** The last line of a command that works. */
async function lastOf(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await succeed([...args, '--json'])
  const last = parseLines(stdout).at(-1)!
  const isNir = /\.(nir|h5)$/.test(`${last.file}`)
  if (args[0] === 'export' && isNir) await expectPackageReads(last.file as string)
  return last
}

const tiny = ['--epochs', '1', '--threads', '1', '--limit-train', '64', '--limit-test', '40']

test('info --nir: layers, for inference, of a recurrent network too, and up to 4096 steps', async () => {
  const step = ['--dt', String(2 ** -10)]
  const { code, stdout, stderr } = await run(['info', '--nir', fixture('recurrent'), ...step])
  assert.is(code, 0, stderr)
  assert.match(stdout, /\nrecurrent, input \[6\]\n/)
  assert.match(stdout, /\nrnn\.lif +recurrent\(cubaLif\) +\[7\]/)
  assert.match(stdout, /purpose inference/)
  assert.match(stdout, /\nneurons of rnn\.lif; their .*\n {2}i = i\*\(1 - 1\/tauSyn\) \+ /)
  assert.match(
    stdout,
    /\nneurons of li\n {2}u = u\*\(1 - 1\/tau\) \+ vRest\/tau \+ x\n {2}output = u\n/,
  )
  const { model } = await lastOf('info', '--nir', fixture('conv'), '--time-steps', '300')
  const { input, timeSteps, parameters } = model as Record<string, unknown>
  assert.equal([input, timeSteps, parameters], [[2, 8, 8], 300, 4 * 18 + 4 + 6 * 18 + 6 + 5 * 25])
  await refuse(
    ['info', '--nir', fixture('recurrent'), '--method', 'rate', ...step],
    /rnn\.lif .*method 'rate' has no gradient of a recurrent weight/,
  )
  const program = ['--program', 'train']
  const asked = await run(['info', '--nir', fixture('conv'), ...program])
  assert.match(asked.stderr, /--program must be one of evaluate, single, stream, got "train"/)
})

test('export writes a file of NIR that eval and predict read, with the same answers', () =>
  withFolder(async (folder) => {
    const [out, file, input] = ['run', 'net.nir', 'x.json'].map((name) => join(folder, name))
    const own = ['--model', 'mlp', '--out', out]
    await lastOf('train', ...tiny, ...own)
    assert.equal(await lastOf('export', '--run', out, '--out', file), { model: 'mlp', file })
    const data = ['--dataset', 'digits', '--threads', '1', '--limit-test', '40']
    const [a, b] = [
      await lastOf('eval', '--run', out, '--threads', '1'),
      await lastOf('eval', '--nir', file, ...data),
    ]
    for (const field of ['testAccuracy', 'testLoss', 'samples', 'timeSteps'])
      assert.is(b[field], a[field], field)
    assert.equal(Object.values(b.spikes as object), Object.values(a.spikes as object))
    assert.is(b.model, 'net')
    await writeFile(input, JSON.stringify(Array.from({ length: 64 }, (_, i) => (i % 5) / 4)))
    const [c, d] = [
      await lastOf('predict', '--run', out, input),
      await lastOf('predict', '--nir', file, input),
    ]
    assert.equal(d.logits, c.logits)
    // A name with another ending, other time constants, and back.
    const other = join(folder, 'other.h5')
    const how = ['--dt', '0.001', '--discretisation', 'exact']
    await lastOf('export', '--run', out, '--nir', '--out', other, ...how)
    assert.equal((await readFile(other)).subarray(1, 4).toString(), 'HDF')
    const again = await lastOf('eval', '--nir', other, ...data)
    assert.is(again.testAccuracy, a.testAccuracy)
  }))

test('export makes a module of a file of NIR; --weights takes one wherever it is given', () =>
  withFolder(async (folder) => {
    const [out, file, input] = ['run', 'net.nir', 'x.json'].map((name) => join(folder, name))
    const [wasm, copy] = ['net.wasm', 'copy.nir'].map((name) => join(folder, name))
    await lastOf('train', ...tiny, '--model', 'mlp', '--out', out)
    await lastOf('export', '--run', out, '--out', file)
    const made = await lastOf('export', '--weights', file, '--time-steps', '4', '--out', wasm)
    assert.is(made.model, 'net')
    await writeFile(input, JSON.stringify(Array.from({ length: 64 }, (_, i) => (i % 5) / 4)))
    const { logits } = await lastOf('predict', '--run', out, input)
    const net = await openNet(await readFile(wasm))
    net.input.set(Array.from({ length: 64 }, (_, i) => (i % 5) / 4))
    net.infer()
    assert.equal([...net.output], logits)
    await lastOf('export', '--weights', file, '--out', copy)
    const data = ['--dataset', 'digits', '--threads', '1', '--limit-test', '40']
    const { testAccuracy, spikes } = await lastOf('eval', '--nir', file, ...data)
    for (const how of ['--weights', '--nir']) {
      const again = await lastOf('eval', how, how === '--nir' ? copy : file, ...data)
      assert.equal([again.testAccuracy, again.spikes], [testAccuracy, spikes])
    }
    await refuse(['eval', '--nir', file, '--weights', file, ...data], /got both; leave one out/)
  }))

test('eval --nir with frames of recordings, 300 steps; eval --run with as many', () =>
  withFolder(async (folder) => {
    const data = await writeRecordings(folder)
    const [out, file] = ['run', 'net.nir'].map((name) => join(folder, name))
    const of = ['--dataset', 'nmnist', '--data', data, '--event-size', '8', '--threads', '1']
    const short = ['--time-steps', '3', '--epochs', '1', '--batch-size', '10']
    await lastOf('train', ...of, ...short, '--out', out)
    await lastOf('export', '--run', out, '--out', file)
    const long = ['--time-window', '4500', '--time-steps', '300']
    const all = await lastOf('eval', '--nir', file, ...of, ...long)
    assert.equal([all.final, all.samples, all.timeSteps], [true, 20, 300])
    const spikes = Object.entries(all.spikes as Record<string, number>)
    assert.is(spikes.length, 3)
    const rates = all.firingRates as Record<string, number>
    for (const [name, count] of spikes) {
      assert.ok(Number.isInteger(count) && count >= 0, `${name}: ${count}`)
      assert.ok(rates[name] > 0 === count > 0, `${name}: ${rates[name]}, ${count}`)
    }
    assert.ok(spikes[0][1] > 0)
    const ours = await lastOf('eval', '--run', out, '--data', data, ...long)
    assert.is(ours.timeSteps, 300)
    const few = ['--time-window', '150', '--time-steps', '4097']
    await refuse(['eval', '--run', out, '--data', data, ...few], /must be .*4096, got 4097/)
  }))

test('eval --time-steps 300 shows a still image for as long', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    await lastOf('train', ...tiny, '--model', 'mlp', '--out', out)
    const long = await lastOf('eval', '--run', out, '--threads', '1', '--time-steps', '300')
    assert.equal([long.timeSteps, long.samples], [300, 40])
  }))

test('options around NIR that do nothing are refused', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'net.nir')
    const conv = fixture('conv')
    const cases: [args: string[], message: RegExp][] = [
      [['eval', '--pretrained', 'fashion-mnist-cnn', '--dt', '1'], /--dt must come with --nir/],
      [['eval', '--nir', conv, '--model', 'cnn'], /--model must be left out with --nir, got cnn/],
      [['eval', '--nir', conv, '--tau', '2'], /--tau must be left out with --nir, got 2/],
      [['eval', '--nir', conv, '--dt', '0'], /--dt must be the seconds of a time step, .*, got 0/],
      [['eval', '--nir', conv], /the model takes samples of \[2, 8, 8\], got .* with \[1, 8, 8\]/],
      [['info', '--nir', join(folder, 'none.nir')], /none\.nir/],
      [
        ['export', '--pretrained', 'fashion-mnist-cnn', '--out', file, '--precision', 'int8'],
        /--precision must be left out for a file of NIR, got int8; it is for modules/,
      ],
      [
        ['export', '--pretrained', 'fashion-mnist-cnn', '--out', 'a.wasm', '--dt', '0.1'],
        /--dt must come with --nir or a NIR file, got 0\.1/,
      ],
      [
        ['export', '--pretrained', 'fashion-mnist-cnn', '--out', file, '--reset', 'zero'],
        /--reset must come with --weights and a NIR file, got zero/,
      ],
    ]
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await run(args)
      assert.equal([code, stdout], [1, ''], args.join(' '))
      assert.match(stderr, message)
      assert.is(stderr.trimEnd().split('\n').length, 1, stderr)
    }
  }))

test.run()
