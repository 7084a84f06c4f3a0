/** `spikewasm export` of networks whose samples are no images, and of runs with other losses. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openNet } from '../../src/edge/net.js'
import { conv2d, flatten, lif, linear, mlp, sequential } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { uniform } from '../support/measure.js'
import { run, tiny } from './in-process.js'

const ESCAPE = '\u001b'

async function succeeds(args: readonly string[], cwd: string): Promise<void> {
  const { code, stderr } = await run([...args, '--json'], { cwd })
  assert.equal([code, stderr], [0, ''], args.join(' '))
}

async function refuses(args: string, message: RegExp, cwd: string): Promise<void> {
  const { code, stdout, stderr } = await run(args.split(' '), { cwd })
  assert.equal([code, stdout], [1, ''], args)
  assert.match(stderr, /^spikewasm: .*\n$/, args)
  assert.match(stderr, message, args)
}

test('export of networks of vectors and series, by the file and by --input', () =>
  withFolder(async (folder) => {
    const vector = await mlp([64], 10).compile({ input: [64] })
    const conv = sequential(conv2d(2, 4, [1, 3]), lif(), flatten(), linear(4 * 10, 3))
    const series = await conv.compile({ input: [2, 12] })
    await vector.save(join(folder, 'vector.safetensors'))
    await series.save(join(folder, 'series.safetensors'))
    const named = 'vector.safetensors --model mlp --classes 10 --input'
    for (const [args, model, shape] of [
      ['vector.safetensors', vector, [64, 1, 1]],
      ['series.safetensors', series, [2, 1, 12]],
      [`${named} 64`, vector, [64, 1, 1]],
      [`${named} 4,16`, vector, [4, 1, 16]],
    ] as const) {
      await succeeds(['export', '--weights', ...args.split(' '), '--out', 'x.wasm'], folder)
      const net = await openNet(await readFile(join(folder, 'x.wasm')))
      assert.equal(net.info.input.slice(-3), shape, args)
      const x = uniform(shape[0] * shape[1] * shape[2], 1, 5)
      net.input.set(x)
      net.infer()
      assert.equal(net.output, (await model.predict(x)).logits, args)
    }
    for (const wrong of ['1,2,3,4', '1.5,3'])
      await refuses(
        `export --weights ${named} ${wrong} --out y.wasm`,
        /--input must be C,H,W, of a series C,L, or of a vector F, integers ≥ 1, got /,
        folder,
      )
    await Promise.all([vector.dispose(), series.dispose()])
  }))

test('export --mode train: what a run did beside plain steps is refused by name', () =>
  withFolder(async (folder) => {
    const train = ['train', ...tiny, '--model', 'mlp']
    const more = ['--clip-norm', '1', '--loss', 'mse', '--rate-penalty', '1']
    assert.is((await run([...train, ...more, '--out', 'odd'], { cwd: folder })).code, 0)
    await refuses(
      'export --run odd --mode train --out a.wasm',
      /--mode train must be left out for a run with --loss mse, --rate-penalty, --clip-norm, which/,
      folder,
    )
    const weights = 'odd/weights.safetensors'
    await succeeds(['export', '--weights', weights, '--mode', 'train', '--out', 'b.wasm'], folder)
  }))

test('export in a terminal: a bar says what is done, and is gone behind it', () =>
  withFolder(async (folder) => {
    const model = await mlp([1, 8, 8], 10).compile({ input: [1, 8, 8] })
    await model.save(join(folder, 'm.safetensors'))
    await model.dispose()
    const { now } = Date
    // A bar is drawn anew when some time has passed.
    let time = 0
    Date.now = () => (time += 1000)
    try {
      const args = ['export', '--weights', 'm.safetensors', '--out', 'm.wasm', '--target', 'both']
      const { stderr } = await run([...args, '--dataset', 'digits', '--limit-test', '100'], {
        cwd: folder,
        columns: 80,
      })
      const ofFile = (file: string) => [`testing ${file} 0 %`, `testing ${file} 100 %`]
      assert.equal(
        [...stderr.matchAll(/\[1G(\w[^[]*) \[[=-]{20}\]( \d+ %)/g)].map(([, a, b]) => a + b),
        [
          'testing the model 0 %',
          ...['0', '30', '60', '100'].map((share) => `exporting ${share} %`),
          ...[...ofFile('m.simd.wasm'), ...ofFile('m.scalar.wasm')],
        ],
      )
      assert.ok(stderr.endsWith(`${ESCAPE}[?25h${ESCAPE}[?7h${ESCAPE}8${ESCAPE}[1G${ESCAPE}[2K`))
    } finally {
      Date.now = now
    }
  }))

test.run()
