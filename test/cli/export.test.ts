/** `spikewasm export` and `spikewasm eval --on`: files, numbers, and one line for each mistake. */
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { netHeader } from '../../src/edge/header.js'
import { netInfo } from '../../src/edge/net.js'
import { parseState, serializeState } from '../../src/files/state.js'
import { withFolder } from '../files/temporary.js'
import { tinyNet } from '../support/tiny-net.js'
import { run as runProcess } from './command.js'
import { parseLines, run, tiny } from './in-process.js'

/** What the command prints with --json; it must succeed. */
async function json(args: readonly string[], cwd: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...args, '--json'], { cwd })
  assert.equal([code, stderr], [0, ''], args.join(' '))
  const lines = parseLines(stdout)
  assert.is(lines.length, 1)
  return lines[0]
}

/** Asserts that it ends with code 1, one line, and no file beside those that were there. */
async function refuses(args: string, message: RegExp, cwd: string): Promise<void> {
  const before = await readdir(cwd)
  const { code, stdout, stderr } = await run(args.split(' '), { cwd })
  assert.equal([code, stdout], [1, ''], args)
  assert.match(stderr, /^spikewasm: .*\n$/, args)
  assert.match(stderr, message, args)
  assert.equal(await readdir(cwd), before, args)
}

const bytesOf = async (...path: string[]): Promise<Uint8Array> =>
  new Uint8Array(await readFile(join(...path)))

/** A folder with a run `net` of `mlp` on the digits. */
function withRun(body: (folder: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const args = ['train', ...tiny, '--model', 'mlp', '--out', 'net']
    assert.is((await run(args, { cwd: folder })).code, 0)
    await body(folder)
  })
}

test('export of a run: module, header, and the accuracy of the very file', () =>
  withRun(async (folder) => {
    const result = await json(['export', '--run', 'net', '--out', 'mlp.wasm'], folder)
    assert.equal((await readdir(folder)).sort(), ['mlp.h', 'mlp.wasm', 'net'])
    const bytes = await bytesOf(folder, 'mlp.wasm')
    const info = netInfo(bytes)
    assert.is(await readFile(join(folder, 'mlp.h'), 'utf8'), netHeader(bytes, 'mlp.h'))
    const [file] = result.files as Record<string, unknown>[]
    assert.equal(
      [file.file, file.target, file.bytes, file.memoryBytes, file.usedBytes],
      ['mlp.wasm', 'simd', bytes.length, info.memoryBytes, info.usedBytes],
    )
    assert.is(file.overheadBytes, bytes.length - info.weightBytes)
    assert.equal(
      [result.model, result.header, result.mode, result.precision, result.inputType],
      ['mlp', 'mlp.h', 'infer', 'f32', 'f32'],
    )
    // The run tested its network on 71 digits; so does the export.
    assert.is(result.samples, 71)
    assert.is(file.accuracy, result.modelAccuracy)
    assert.ok((result.synopsMean as number) > 0)
    assert.ok((result.synopsMean as number) <= (result.synopsMax as number))
    assert.equal(info.synops, { max: result.synopsMax, mean: result.synopsMean })
    assert.is(info.name, 'mlp')

    const tested = await json(['eval', '--on', 'mlp.wasm', '--run', 'net'], folder)
    assert.equal(
      [tested.testAccuracy, tested.correct, tested.samples, tested.on, tested.name],
      [file.accuracy, file.correct, 71, 'mlp.wasm', 'mlp'],
    )
    const all = await json(['eval', '--on', 'mlp.wasm', '--dataset', 'digits'], folder)
    assert.is(all.samples, 355)
    const { stdout } = await run(['eval', '--on', 'mlp.wasm'], { cwd: folder })
    assert.match(stdout, /^mlp\.wasm \(simd, infer, f32, T 4\) on digits test\n/)
    assert.match(stdout, /test accuracy/)
  }))

test('export with bytes, labels, a name, steps; both targets; from weights alone', () =>
  withRun(async (folder) => {
    await copyFile(join(folder, 'net/weights.safetensors'), join(folder, 'w.safetensors'))
    await writeFile(join(folder, 'labels.txt'), 'o\neins\nzwei\n3\n4\n5\n6\n7\n8\nneun\n')
    const source = ['--weights', 'w.safetensors', '--model', 'mlp']
    const more = ['--labels', 'labels.txt', '--input-type', 'u8', '--name', 'Ziffern']
    const { code, stdout, stderr } = await runProcess(
      ['export', ...source, ...more, '--target', 'both', '--out', 'z.wasm', '--limit-test', '50'],
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
    const shape = ['--input', '1,8,8', '--classes', '10', '--time-steps', '6', '--mode', 'step']
    // Files of an export before it are replaced.
    await json(
      ['export', ...source, ...shape, '--labels', `k,${list.slice(2)}`, '--out', 's.wasm'],
      folder,
    )
    const steps = await json(
      ['export', ...source, ...shape, '--labels', list, '--out', 's.wasm'],
      folder,
    )
    assert.equal([steps.mode, steps.timeSteps, steps.modelAccuracy], ['step', 6, null])
    assert.equal(netInfo(await bytesOf(folder, 's.wasm')).labels, list.split(','))
    const tested = await json(['eval', '--on', 's.wasm'], folder)
    assert.equal([tested.mode, tested.timeSteps, tested.samples], ['step', 6, 355])
  }))

test('export: mistakes', () =>
  withRun(async (folder) => {
    await mkdir(join(folder, 'folder.wasm'))
    await mkdir(join(folder, 'd', 'x.h'), { recursive: true })
    await writeFile(join(folder, 'two.txt'), 'a\nb\n')
    // Weights without their network.
    const saved = await bytesOf(folder, 'net/weights.safetensors')
    await writeFile(join(folder, 'w'), serializeState(parseState(saved, 'net')))
    await writeFile(join(folder, 'by-hand.h'), '/* mine */\n')
    const cases: readonly (readonly [string, RegExp])[] = [
      ['--run net', /required option '--out <file>' not specified; see spikewasm --help/],
      [
        '--out a.wasm',
        /either --run <folder>, --weights <file> or --pretrained <name> must be given, got none; train --out/,
      ],
      ['--run net --weights w --out a.wasm', /got both; leave one out/],
      [
        '--run no --out a.wasm',
        /the run's options\.json must be a readable file, got "no\/options\.json"/,
      ],
      ['--run net --out no/a.wasm', /--out must be a file in a folder that exists, got "no\/a/],
      ['--run net --out folder.wasm', /--out must name a file, such as net\.wasm/],
      ['--run net --out a.wasm --target avx', /--target must be one of simd, scalar, both, got/],
      ['--run net --out a.wasm --mode x', /--mode must be one of infer, step, both, train, got/],
      ['--run net --out a.wasm --precision f16', /--precision must be one of f32, int8, got/],
      [
        '--run net --out a.wasm --labels T-shirt/top,b',
        /got 2 from the list "T-shirt\/top,b" \(there is no file of that name, with one a line\)/,
      ],
      [
        '--run net --out a.wasm --labels nofile.txt',
        /--labels must be names or a file, got "nofile\.txt", which looks like a file, but there is/,
      ],
      [
        '--run net --out a.wasm --labels two.txt',
        /--labels must name each of the 10 classes, got 2 from the file "two\.txt", one a line/,
      ],
      ['--run net --out a.h', /--out must name the module, such as net\.wasm, got "a\.h"/],
      ['--run net --out d/x.wasm', /d\/x\.h: the file could not be written: there is a folder/],
      ['--run net --out by-hand.wasm', /by-hand\.h: must be free for the header, or one that/],
      [
        '--run net --out a.wasm --labels a,b,c,d,e,f,g,,i,j',
        /--labels\[7\] must be text of 1 to 500 characters/,
      ],
      [
        '--run net --out a.wasm --mode train --precision int8',
        /--precision must be f32 with --mode train, got int8/,
      ],
      ['--run net --out a.wasm --mean 0,x', /--mean must be numbers, separated by commas/],
      [
        '--run net --out a.wasm --mean 0',
        /--mean must be left out without --input-type u8, got 0;/,
      ],
      [
        '--run net --out a.wasm --input-type u8 --std 0',
        /--std must hold finite numbers > 0, got 0 for channel 0/,
      ],
      [
        '--run net --out a.wasm --input-type u8 --mean 0,1',
        /--mean must be a list with a number for each of the 1 channels, got 2/,
      ],
      ['--run net --out a.wasm --batch-size 4', /--batch-size must be left out with mode infer/],
      ['--run net --out a.wasm --model cnn', /weights\.safetensors: /],
      ['--run net --out a.wasm --data here', /--data must be left out for --dataset digits/],
      ['--run net --out a.wasm --input 1,8', /--input and --classes must be left out, got one/],
      ['--weights w --out a.wasm --input 1,8,8', /--classes must be given with --input/],
      [
        '--weights w --out a.wasm --input 1,8,8 --limit-test 9',
        /--dataset must be given with --data and --limit-test, got none/,
      ],
    ]
    for (const [args, message] of cases) await refuses(`export ${args}`, message, folder)
    const shape = '--model mlp --input 1,8,8 --classes 10 --input-type u8'
    const weights = '--weights w'
    if (spawnSync('mkfifo', [join(folder, 'pipe')]).status === 0) {
      const pipe = /pipe: the file could not be written: it is a pipe, no regular file/
      await refuses('export --run net --out pipe', pipe, folder)
    }
    assert.equal(await readdir(join(folder, 'd')), ['x.h'])
    assert.is(await readFile(join(folder, 'by-hand.h'), 'utf8'), '/* mine */\n')
    await refuses(
      `export ${weights} ${shape} --out a.wasm`,
      /--mean must be given with --input-type u8, since the data set is not at hand/,
      folder,
    )
  }))

test('eval --on: mistakes, damaged and foreign files', () =>
  withFolder(async (folder) => {
    const good = tinyNet({ info: { input: [1, 8, 8], classes: 10 } })
    await writeFile(join(folder, 'good.wasm'), good)
    await writeFile(join(folder, 'cut.wasm'), good)
    await truncate(join(folder, 'cut.wasm'), good.length - 7)
    await writeFile(join(folder, 'small.wasm'), tinyNet())
    await writeFile(join(folder, 'few.wasm'), tinyNet({ info: { input: [1, 8, 8] } }))
    await writeFile(join(folder, 'text.wasm'), 'hello')
    const { testAccuracy, samples } = await json(['eval', '--on', 'good.wasm'], folder)
    assert.ok((testAccuracy as number) < 0.5)
    assert.is(samples, 355)
    const train = ['eval', '--on', 'good.wasm', '--split', 'train', '--limit-train', '40']
    const trained = await json(train, folder)
    assert.equal([trained.samples, trained.split], [40, 'train'])
    assert.type(trained.trainAccuracy, 'number')
    const cases: readonly (readonly [string, RegExp])[] = [
      ['no.wasm', /--on must be a readable file, got "no\.wasm"/],
      ['text.wasm', /text\.wasm: an exported network must be a WebAssembly module/],
      ['cut.wasm', /cut\.wasm: an exported network must have a section 0 of .* it is cut off/],
      ['small.wasm', /samples of \[1, 2, 2\], as the exported network takes, got \[1, 8, 8\]/],
      ['few.wasm', /must have 3 classes, as the exported network gives, got 10/],
      ['good.wasm --weights w', /--weights must be left out with --on, got w/],
      ['good.wasm --time-steps 4', /--time-steps must be left out with --on, got 4/],
      ['good.wasm --model mlp', /--model must be left out with --on, got mlp/],
      ['good.wasm --run no', /the run's options\.json must be a readable file/],
      ['good.wasm --dataset mnist', /--data must be the folder with .* for --dataset mnist/],
    ]
    for (const [args, message] of cases) await refuses(`eval --on ${args}`, message, folder)
  }))

test.run()
