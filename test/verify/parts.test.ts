/** Parts of `verify` by themselves: numbers with a clock of our own, hosts that are scripts. */

import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays, fromBytes } from '../../src/data/index.js'
import {
  type Call,
  callsOf,
  frameBytesOf,
  frameCount,
  type NetInfo,
  sampleBytesOf,
  shownAs,
} from '../../src/edge/abi.js'
import type { ApartNet, AskOptions } from '../../src/edge/verify/apart.js'
import type { Answer } from '../../src/edge/verify/apart-worker.js'
import { flags, sources } from '../../src/edge/verify/compile.js'
import {
  evaluateApart,
  findProgram,
  firstPath,
  HostFailure,
  type JobNumbers,
  type Outcome,
  patience,
  readOutcome,
  refusesSimd,
  runProgram,
  versionOf,
} from '../../src/edge/verify/job.js'
import { measure } from '../../src/edge/verify/program.js'
import { numbersOf, type Trial, takeSamples } from '../../src/edge/verify/trial.js'
import { isExact, verifyNet } from '../../src/edge/verify/verify.js'
import { messageOf, removeFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { expectSnapshot } from '../support/snapshot.js'
import { tinyInfo, tinyNet } from '../support/tiny-net.js'

let folder = ''
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-test-'))
})
test.after(() => removeFolder(folder))

test('sizes of samples and frames', () => {
  const rows: readonly (readonly [Partial<NetInfo>, unknown[]])[] = [
    [{}, [16, 16, 16, 1, ['infer']]],
    [{ inputType: 'u8' }, [4, 4, 4, 1, ['infer']]],
    [{ frames: true }, [64, 64, 16, 4, ['infer']]],
    [{ frames: true, mode: 'both' }, [64, 64, 16, 4, ['infer', 'step']]],
    [{ frames: true, mode: 'step' }, [16, 16, 16, 1, ['step']]],
    [{ mode: 'train', batchSize: 3 }, [16, 16, 16, 1, ['infer']]],
  ]
  for (const [more, expected] of rows) {
    const info = tinyInfo(more)
    const calls = ['infer', 'step'] as const
    const bytes = calls.map((call) => frameBytesOf(info, call))
    const found = [sampleBytesOf(info), ...bytes, frameCount(info), callsOf(info)]
    assert.equal(found, expected, JSON.stringify(more))
  }
  const step = tinyInfo({ mode: 'step' })
  assert.is(shownAs(step, {}), step)
  assert.equal(shownAs(step, { timeSteps: 4 }), { ...step, mode: 'infer', frames: true })
  const both = tinyInfo({ mode: 'both' })
  assert.is(shownAs(both, { timeSteps: 4 }), both)
  const { call, inputType, ...numbers } = numbersOf(
    tinyInfo({ mode: 'both', frames: true }),
    'step',
    new Uint8Array(192),
  )
  assert.equal([call, inputType], ['step', 'f32'])
  assert.equal(numbers, { samples: 3, sampleBytes: 64, frameBytes: 16, steps: 4, classes: 3 })
  assert.is(refusesSimd(tinyInfo()), undefined)
  assert.match(refusesSimd(tinyInfo({ target: 'simd' })) ?? '', /^it has no SIMD; export with/)
})

/** Two outputs by chance of the clock: each look at it takes `tick`, each sample `cost`. */
function measured(job: Partial<JobNumbers>, tick: number, cost: number, wrong: number[] = []) {
  const mode = job.call === 'step' ? 'both' : 'infer'
  const u8 = job.inputType === 'u8'
  const input = Uint8Array.from({ length: 96 }, (_, i) => (u8 ? i : 0))
  const wasm = tinyNet({ info: { mode, ...(u8 ? { inputType: 'u8' } : {}) } })
  const size = { samples: 6, sampleBytes: 16, frameBytes: 16, steps: 1, classes: 3 }
  const numbers: JobNumbers = { call: 'infer', inputType: 'f32', ...size, seconds: 1, ...job }
  let time = 0
  const read = input.subarray.bind(input)
  const begins: number[] = []
  input.subarray = (...range) => {
    time += cost
    begins.push(range[0] ?? 0)
    return read(...range)
  }
  const expected = new Uint32Array(3 * numbers.samples)
  for (const at of wrong) expected[at] = 7
  const now = (): number => (time += tick)
  const outcome = measure(new Uint8Array(wasm), input, expected, numbers, {
    now,
    resident: () => 5,
  })
  return { ...outcome, begins: begins.slice(0, 9), count: begins.length }
}

test('the measurement: samples, differences, times by the clock', () => {
  const { begins, count, ...first } = measured({}, 1, 1)
  const exact = { samples: 6, differ: 0, first: null }
  const memory = { residentBytes: 5, memoryBytes: 65536 }
  assert.equal(first, { ...exact, ...memory, us: 1250, coldMs: 2 })
  assert.equal([begins, count], [[0, 0, 16, 32, 48, 64, 80, 0, 16], 54])
  const short = measured({ samples: 4, seconds: 0.01 }, 2, 3, [4, 7, 11])
  assert.equal([short.samples, short.differ, short.us, short.coldMs], [2, 1, 5000, 5])
  assert.equal(short.first, { sample: 1, output: 1, got: 0, want: 7 })
  assert.equal([short.begins, short.count], [[0, 0, 16, 0], 4])
  const size = { sampleBytes: 8, frameBytes: 4, steps: 3, samples: 2 }
  const step = measured({ call: 'step', inputType: 'u8', ...size }, 0, 10)
  assert.equal(step.begins, [0, 4, 0, 0, 4, 0, 8, 12, 8])
  assert.equal([step.us, step.samples, step.count], [30_000, 2, 36])
  // A first sample, even where there is no time.
  assert.is(measured({ seconds: 0 }, 1, 1).samples, 1)
})

const times = { us: 1.5, coldMs: 2.5 }
const memory = { residentBytes: null, memoryBytes: 65536 }
const OUTCOME: Outcome = { samples: 2, differ: 0, first: null, ...times, ...memory }

test('what hosts print is read, or told', () => {
  const first = { sample: 0, output: 1, got: 2, want: 3 }
  for (const good of [OUTCOME, { ...OUTCOME, first, differ: 1, residentBytes: 0 }])
    assert.equal(readOutcome(JSON.stringify(good)), good)
  const counts = [{ samples: 0 }, { samples: 1.5 }, { differ: -1 }, { memoryBytes: undefined }]
  const numbers = [{ us: '1' }, { coldMs: null }, { residentBytes: -1 }, { memoryBytes: 0.5 }]
  for (const change of [...counts, ...numbers, { first: {} }, { first: { ...first, got: -1 } }]) {
    const text = JSON.stringify({ ...OUTCOME, ...change })
    assert.throws(
      () => readOutcome(text),
      (error: Error) => error instanceof HostFailure && error.message === `answered ${text}`,
      text,
    )
  }
  const long = 'x'.repeat(250)
  assert.throws(() => readOutcome(long), /^answered "x{200}"$/)
  assert.throws(() => readOutcome(`[${long.replaceAll('x', '1')}]`), /^answered \[1{199}$/)
  assert.is(patience({ seconds: 40 }), 70)
})

const onUnix = testUnless(process.platform === 'win32' && 'it takes sh')

/** An executable script. */
async function script(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(folder, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 })
  return path
}

onUnix('programs: found on the path, their output, complaints, version', async () => {
  const { PATH } = process.env
  try {
    const one = await script('one/tool', 'echo out; echo "two $1" >&2; echo tool v1.20.3 beta')
    await script('two/tool', 'exit 3')
    await script('two/other', 'exit 3')
    await writeFile(join(folder, 'two', 'plain'), '')
    process.env.PATH = `:${join(folder, 'one')}:${join(folder, 'two')}`
    assert.is(await findProgram('none', 'tool', 'other'), one)
    assert.is(await findProgram('other'), join(folder, 'two', 'other'))
    assert.is(await findProgram('plain'), undefined)
    assert.is(await findProgram(join(folder, 'two', 'plain'), one), one)
    assert.is(
      await firstPath(join(folder, 'none'), join(folder, 'two', 'plain'), one),
      join(folder, 'two', 'plain'),
    )
    assert.is(await firstPath(join(folder, 'none')), undefined)
    assert.is(await runProgram(one, []), 'out\ntool v1.20.3 beta\n')
    assert.is(await versionOf(one), '1.20.3')
    assert.is(await versionOf(join(folder, 'two', 'tool')), 'unknown')
  } finally {
    process.env.PATH = PATH
  }
  const complaints: readonly (readonly [lines: string[], message: string])[] = [
    [['exit 3'], 'ended with 3'],
    [['kill -9 $$'], 'ended with SIGKILL'],
    [
      ['for i in 1 2 3 4 5; do echo " line $i " >&2; echo >&2; done; exit 1'],
      'line 3 | line 4 | line 5',
    ],
    [['echo a >&2; echo "an Error: b" >&2; echo c >&2; echo d >&2; exit 1'], 'an Error: b | c'],
    [[`echo ${'y'.repeat(300)} >&2; exit 1`], 'y'.repeat(300)],
    [[`echo ${'y'.repeat(301)} >&2; exit 1`], `${'y'.repeat(300)}…`],
  ]
  for (const [lines, message] of complaints) {
    const program = await script('complains', ...lines)
    assert.is(await messageOf(() => runProgram(program, [])), message)
  }
  assert.match(await messageOf(() => runProgram(join(folder, 'none'), [])), /ENOENT/)
  const much = "process.stdout.write('x'.repeat(2 ** 20) + 'end')"
  const kept = await runProgram(process.execPath, ['-e', much])
  assert.equal([kept.length, kept.slice(-4)], [2 ** 20, 'xend'])
  const slow = await script('slow', '/bin/sleep 60 & wait')
  assert.is(
    await messageOf(() => runProgram(slow, [], { seconds: 0.2 })),
    'did not end within 0.2 s; it was stopped',
  )
  assert.is(await runProgram(slow, [], { until: Promise.resolve() }), '')
  assert.is(await runProgram(slow, [], { until: Promise.reject(new Error('enough')) }), '')
})

/** Names of hosts that are scripts here, and what they read. */
const names = 'bun,gjs,wasmedge,wasmedge-aot,wamr,wasm3,wasm2c,wasm2c-aarch64'

/** Files that hosts look for, below our folder. */
const files: Record<string, string> = {
  'wabt/share/wabt/wasm2c/wasm-rt-mem-impl-helper.inc': '',
  'wabt/include/wasm-rt.h': '',
  'simde/simde/wasm/simd128.h': '',
  'edge/include/wasmedge/wasmedge.h': '',
  'wasm3/source/wasm3.h': '#define M3_VERSION "0.5.1"',
  'wasm3/source/m3.c': '',
  'wamr/core/version.h': '#define WAMR_VERSION_MAJOR 2\n#define WAMR_VERSION_MINOR 34\n',
}
const inWamr: Readonly<Record<string, string>> = {
  'iwasm/common': 'a.c a.h wasm_application.c wasm_shared_memory.c arch/invokeNative_general.c',
  'iwasm/interpreter': 'wasm_interp_fast.c wasm_loader.c wasm_runtime.c',
  shared: 'mem-alloc/b.c utils/c.c platform/linux/d.c platform/darwin/d.c',
}
for (const [below, names] of Object.entries(inWamr))
  for (const name of names.split(' ')) files[`wamr/core/${below}/${name}`] = ''

const places = { WABT: 'wabt', SIMDE: 'simde', WASMEDGE: 'edge', WASM3: 'wasm3', WAMR: 'wamr' }

onUnix('hosts: the arguments of compilers and programs', async () => {
  const { env } = process
  const before = { ...env }
  const log = join(folder, 'log')
  const say = `echo "$0 $@" >> '${log}'`
  const answer = `echo '${JSON.stringify(OUTCOME)}'`
  const compile = [
    say,
    'while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done',
    `/bin/cp '${join(folder, 'host')}' "$out"`,
  ]
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  await script('host', say, answer)
  for (const name of ['cc', 'aarch64-linux-gnu-gcc']) await script(`bin/${name}`, ...compile)
  const version = 'if [ "$1" = --version ]; then echo 1.0.36; exit; fi'
  for (const name of ['bun', 'gjs', 'qemu-aarch64'])
    await script(`bin/${name}`, version, say, answer)
  for (const path of ['wabt/bin/wasm2c', 'edge/bin/wasmedge']) await script(path, version, say)
  try {
    delete env.CC
    Object.assign(env, { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') })
    for (const [name, path] of Object.entries(places)) env[`${name}_DIR`] = join(folder, path)
    const info = tinyInfo({ mode: 'both', usedBytes: 9 })
    const size = { samples: 2, sampleBytes: 16, frameBytes: 8, steps: 3, classes: 4 }
    const sample = { ...size, input: new Uint8Array(32), expected: new Float32Array(8) }
    const trials: Trial[] = [
      { call: 'infer', inputType: 'f32', ...sample },
      { call: 'step', inputType: 'u8', ...sample },
    ]
    const told: string[] = []
    const onHost = (name: string) => told.push(name)
    const options = { hosts: names, seconds: 5, onHost }
    const found = await verifyNet(new Uint8Array(8), info, trials, options)
    assert.ok(isExact(found))
    assert.equal(found.absent, [])
    assert.equal(
      told,
      names.split(',').flatMap((name) => [name, name]),
    )
    const versions = { wamr: '2.34.?', wasm3: '0.5.1' }
    for (const { host, version } of found.rows)
      assert.is(version, versions[host as keyof typeof versions] ?? '1.0.36', host)
    const text = (await readFile(log, 'utf8'))
      .replaceAll(/\/\S*spikewasm-verify-\w+/g, 'JOB')
      .replaceAll(folder, '~')
      .replaceAll(flags.join(' '), 'FLAGS')
      .replaceAll(sources, 'C/')
      .replaceAll(/(cache\/spikewasm\/hosts\/\w+)-[\da-f]{16}/g, '$1')
      .replaceAll(/_(linux|darwin)\b/gi, '_OS')
      .replaceAll(/platform\/(linux|darwin)\b/g, 'platform/OS')
      .replaceAll(/BUILD_TARGET_(X86_64|AARCH64)( -DBUILD_TARGET="AARCH64")?/g, 'BUILD_TARGET')
    expectSnapshot('verify/hosts.txt', text, 'verify/parts')
  } finally {
    for (const name of Object.keys(env)) if (!(name in before)) delete env[name]
    Object.assign(env, before)
  }
})

/** A net that answers with the first byte of each sample. */
function echo(info: NetInfo): { net: ApartNet; asked: string[] } {
  const asked: string[] = []
  const ask = async (call: Call, input: Uint8Array, options: AskOptions = {}): Promise<Answer> => {
    const { sampleBytes = 1, onSamples } = options
    const count = input.length / sampleBytes
    asked.push(`${call} ${count} of ${sampleBytes}`)
    onSamples?.(count)
    const predicted = Int32Array.from({ length: count }, (_, i) => input[i * sampleBytes])
    return { outputs: new Float32Array(count), predicted }
  }
  return { net: { info, ask, close: async () => {} }, asked }
}

const pixels = { shape: [1, 200, 200] as const, classes: 4 }
const byteNet = tinyInfo({ inputType: 'u8', input: pixels.shape, classes: 4 })

/** Samples of the bytes 0, 1, 2, 3, 0 … from one index to another; label 8 alone is not its byte. */
function part(from: number, to: number) {
  const images = new Uint8Array((to - from) * 40_000).map((_, i) => (from + i / 40_000) % 4)
  const labels = Array.from({ length: to - from }, (_, i) => (from + i === 8 ? 1 : (from + i) % 4))
  const normalization = { scale: 255, mean: [0], std: [1] }
  return fromBytes({ images, labels, ...pixels, normalization })
}

test('samples go to a thread by 256 KiB, one at least', async () => {
  const { net, asked } = echo(byteNet)
  const shares: number[] = []
  const evaluation = await evaluateApart(net, part(0, 14), (done) => shares.push(done))
  assert.equal(evaluation, { accuracy: 13 / 14, correct: 13, count: 14 })
  assert.equal(asked, ['infer 6 of 40000', 'infer 6 of 40000', 'infer 2 of 40000'])
  assert.equal(shares, [0, 6 / 14, 6 / 14, 12 / 14, 12 / 14, 1, 1])
  const large = echo(tinyInfo({ input: [1, 300, 300], classes: 4, mode: 'step', timeSteps: 2 }))
  const images = new Float32Array(2 * 2 * 90_000)
  const steps = { shape: [1, 300, 300], classes: 4, timeSteps: 2 } as const
  await evaluateApart(large.net, fromArrays({ images, labels: [0, 1], ...steps }))
  assert.equal(large.asked, ['step 1 of 720000', 'step 1 of 720000'])
})

test('hosts are shown the first samples, part by part', () => {
  const { net } = echo(byteNet)
  const data = [part(3, 5), part(0, 3)]
  const first = (samples: number): number[] => {
    const taken = takeSamples({ net, data, samples })
    return Array.from({ length: taken.length / 40_000 }, (_, i) => taken[i * 40_000])
  }
  assert.equal([first(9), first(3), first(2)].join('; '), '3,0,0,1,2; 3,0,0; 3,0')
  const small = { shape: [1, 2, 2], classes: 4 } as const
  const other = fromArrays({ images: new Float32Array(4), labels: [0], ...small })
  const source = { net, data: [data[0], other], samples: 1 }
  assert.throws(() => takeSamples(source), /must have samples of \[1, 200, 200\]/)
})

test.run()
