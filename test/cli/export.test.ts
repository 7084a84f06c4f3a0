/**
 * `spikewasm export` and `spikewasm eval --on`: files and numbers. One line for each mistake is in
 * printed.test.ts.
 */
import { spawnSync } from 'node:child_process'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { netHeader } from '../../src/edge/header.js'
import { netInfo, openNet } from '../../src/edge/net.js'
import { conv2d, flatten, lif, linear, mlp, sequential } from '../../src/index.js'
import { uniform } from '../support/measure.js'
import { tinyNet } from '../support/tiny-net.js'
import { run as runProcess } from './command.js'
import { type Commands, inFolder, small } from './in-process.js'

const ESCAPE = '\u001b'

const bytesOf = async (...path: string[]): Promise<Uint8Array> =>
  new Uint8Array(await readFile(join(...path)))

/** A folder with a run `net` of `mlp` on the digits. */
const withRun = (body: (folder: string, commands: Commands) => Promise<void>): Promise<void> =>
  inFolder(async (folder, commands) => {
    await commands.succeed(`train ${small} --model mlp --out net`)
    await body(folder, commands)
  })

test('export of a run: module, header, and the accuracy of the very file', () =>
  withRun(async (folder, { lastOf, succeed }) => {
    const result = await lastOf('export --run net --out mlp.wasm')
    assert.equal((await readdir(folder)).sort(), ['mlp.h', 'mlp.wasm', 'net'])
    const bytes = await bytesOf(folder, 'mlp.wasm')
    const { memoryBytes, usedBytes, weightBytes, synops, name } = netInfo(bytes)
    assert.is(await readFile(join(folder, 'mlp.h'), 'utf8'), netHeader(bytes, 'mlp.h'))
    const { files, synopsMean, synopsMax, modelAccuracy } = result
    const [{ accuracy, correct, ...file }] = files as Record<string, unknown>[]
    assert.equal(file, {
      file: 'mlp.wasm',
      target: 'simd',
      bytes: bytes.length,
      overheadBytes: bytes.length - weightBytes,
      memoryBytes,
      usedBytes,
    })
    assert.equal(
      [result.model, result.header, result.mode, result.precision, result.inputType, name],
      ['mlp', 'mlp.h', 'infer', 'f32', 'f32', 'mlp'],
    )
    // The run tested its network on 71 digits; so does the export.
    assert.equal([result.samples, accuracy], [71, modelAccuracy])
    assert.ok((synopsMean as number) > 0 && (synopsMean as number) <= (synopsMax as number))
    assert.equal(synops, { max: synopsMax, mean: synopsMean })

    const tested = await lastOf('eval --on mlp.wasm --run net')
    assert.equal(
      [tested.testAccuracy, tested.correct, tested.samples, tested.on, tested.name],
      [accuracy, correct, 71, 'mlp.wasm', 'mlp'],
    )
    const { stdout } = await succeed('eval --on mlp.wasm')
    assert.match(stdout, /^mlp\.wasm \(simd, infer, f32, T 4\) on digits test\n/)
    assert.match(stdout, /samples +│ +355 /)
  }))

test('export with bytes, labels, a name, steps; both targets; from weights alone', () =>
  withRun(async (folder, { lastOf, succeed }) => {
    await copyFile(join(folder, 'net/weights.safetensors'), join(folder, 'w.safetensors'))
    await writeFile(join(folder, 'labels.txt'), 'o\neins\nzwei\n3\n4\n5\n6\n7\n8\nneun\n')
    const source = 'export --weights w.safetensors --model mlp'
    const more = '--labels labels.txt --input-type u8 --name Ziffern --target both'
    const { code, stdout, stderr } = await runProcess(
      `${source} ${more} --out z.wasm --limit-test 50`.split(' '),
      { cwd: folder },
    )
    assert.equal([code, stderr], [0, ''])
    assert.match(stdout, /^mlp: [\d,]+ parameters; mode infer, weights f32, input u8, T 4\n/)
    for (const file of ['z.simd.wasm', 'z.scalar.wasm', 'z.h']) {
      assert.ok(stdout.includes(file), file)
      await bytesOf(folder, file)
    }
    assert.match(stdout, /the model itself: [\d.]+ % of 50, digits test/)
    const info = netInfo(await bytesOf(folder, 'z.simd.wasm'))
    assert.equal([info.labels?.[0], info.labels?.[9], info.name], ['o', 'neun', 'Ziffern'])
    // Without --mean and --std they are those of the data set.
    assert.equal([info.mean, info.std], [[0.3051], [0.3762]])
    assert.match(await readFile(join(folder, 'z.h'), 'utf8'), /"Ziffern"/)

    const list = 'a,b,c,d,e,f,g,h,i,j'
    const shape = '--input 1,8,8 --classes 10 --time-steps 6 --mode step --out s.wasm'
    // Files of an export before it are replaced.
    await succeed(`${source} ${shape} --labels k,${list.slice(2)}`)
    const steps = await lastOf(`${source} ${shape} --labels ${list}`)
    assert.equal([steps.mode, steps.timeSteps, steps.modelAccuracy], ['step', 6, null])
    assert.equal(netInfo(await bytesOf(folder, 's.wasm')).labels, list.split(','))
    const tested = await lastOf('eval --on s.wasm')
    assert.equal([tested.mode, tested.timeSteps, tested.samples], ['step', 6, 355])
  }))

test('export of networks of vectors and series, by the file and by --input', () =>
  inFolder(async (folder, { succeed }) => {
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
      await succeed(`export --weights ${args} --out x.wasm --json`)
      const net = await openNet(await readFile(join(folder, 'x.wasm')))
      assert.equal(net.info.input.slice(-3), shape, args)
      const x = uniform(shape[0] * shape[1] * shape[2], 1, 5)
      net.input.set(x)
      net.infer()
      assert.equal(net.output, (await model.predict(x)).logits, args)
    }
    await Promise.all([vector.dispose(), series.dispose()])
  }))

test('export --mode train: what a run did beside plain steps is refused by name', () =>
  inFolder(async (_, { succeed, refuse }) => {
    const odd = '--clip-norm 1 --loss mse --rate-penalty 1'
    await succeed(`train ${small} --model mlp ${odd} --out odd`)
    await refuse(
      'export --run odd --mode train --out a.wasm',
      /--mode train must be left out for a run with --loss mse, --rate-penalty, --clip-norm, which/,
    )
    await succeed('export --weights odd/weights.safetensors --mode train --out b.wasm')
  }))

test('export: a pipe is no place for a file, and what is in the way stays', () =>
  withRun(async (folder, { refuse }) => {
    await writeFile(join(folder, 'by-hand.h'), '/* mine */\n')
    await refuse('export --run net --out by-hand.wasm', /by-hand\.h: must be free for the header/)
    assert.is(await readFile(join(folder, 'by-hand.h'), 'utf8'), '/* mine */\n')
    if (spawnSync('mkfifo', [join(folder, 'pipe')]).status !== 0) return
    const pipe = /pipe: the file could not be written: it is a pipe, no regular file/
    await refuse('export --run net --out pipe', pipe)
  }))

test('export in a terminal: a bar says what is done, and is gone behind it', () =>
  inFolder(async (folder, { run }) => {
    const model = await mlp([1, 8, 8], 10).compile({ input: [1, 8, 8] })
    await model.save(join(folder, 'm.safetensors'))
    await model.dispose()
    const { now } = Date
    // A bar is drawn anew when some time has passed.
    let time = 0
    Date.now = () => (time += 1000)
    try {
      const data = '--dataset digits --limit-test 100'
      const { stderr } = await run(
        `export --weights m.safetensors --out m.wasm --target both ${data}`,
        { columns: 80 },
      )
      const ofFile = (file: string) => [`testing ${file} 0 %`, `testing ${file} 100 %`]
      assert.equal(
        [...stderr.matchAll(/\[1G(\w[^[]*) \[[=-]{20}\]( \d+ %)/g)].map(([, a, b]) => a + b),
        [
          'testing the model 0 %',
          ...['0', '30', '60', '100'].map((share) => `exporting ${share} %`),
          ...ofFile('m.simd.wasm'),
          ...ofFile('m.scalar.wasm'),
        ],
      )
      assert.ok(stderr.endsWith(`${ESCAPE}[?25h${ESCAPE}[?7h${ESCAPE}8${ESCAPE}[1G${ESCAPE}[2K`))
    } finally {
      Date.now = now
    }
  }))

test('eval --on: a file without weights of its own is tested as it is, on either part', () =>
  inFolder(async (folder, { lastOf }) => {
    const good = tinyNet({ info: { input: [1, 8, 8], classes: 10 } })
    await writeFile(join(folder, 'good.wasm'), good)
    const { testAccuracy, samples } = await lastOf('eval --on good.wasm')
    assert.ok((testAccuracy as number) < 0.5)
    assert.is(samples, 355)
    const trained = await lastOf('eval --on good.wasm --split train --limit-train 40')
    assert.equal([trained.samples, trained.split], [40, 'train'])
    assert.type(trained.trainAccuracy, 'number')
  }))

test.run()
