/**
 * Every host that this machine has runs a hand-made network: it gives the expected bits, and it
 * tells when they are others. Hosts that are missing are named.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callsOf } from '../../src/edge/abi.js'
import { netInfo } from '../../src/edge/net.js'
import { openApart } from '../../src/edge/verify/apart.js'
import { hosts } from '../../src/edge/verify/hosts/index.js'
import { measure } from '../../src/edge/verify/program.js'
import { numbersOf, type Trial, takeSamples } from '../../src/edge/verify/trial.js'
import { findHosts, isExact, verifyNet } from '../../src/edge/verify/verify.js'
import { datasets } from '../../src/index.js'
import { folderFor, messageOf } from '../files/temporary.js'
import { skip, testUnless } from '../support/runner.js'
import { tinyInfo, tinyNet } from '../support/tiny-net.js'

const SAMPLES = 20
const weights = Array.from({ length: 640 }, (_, i) => Math.sin(i * i))
const bytes = tinyNet({
  weights,
  info: { input: [1, 8, 8], classes: 10, mode: 'both', inputType: 'u8', mean: [0.3], std: [0.7] },
})
const info = netInfo(bytes)
let exact: readonly Trial[] = []
const folder = folderFor(test)

/** Trials whose expected outputs are those of the file itself: no model is needed. */
async function ownTrials(file: Uint8Array, samples: number): Promise<Trial[]> {
  const net = await openApart(file, 'the tiny net')
  try {
    const { test: data } = await datasets.digits()
    const input = takeSamples({ net, data: [data], samples })
    const trials: Trial[] = []
    for (const call of callsOf(net.info)) {
      const { outputs: expected } = await net.ask(call, input)
      trials.push({ ...numbersOf(net.info, call, input), input, expected })
    }
    return trials
  } finally {
    await net.close()
  }
}

/** The trial with one bit of one expected float changed. */
function changed(trial: Trial, at: number): Trial {
  const expected = trial.expected.slice()
  new Uint32Array(expected.buffer)[at] ^= 1
  return { ...trial, expected }
}

test.before(async () => {
  process.env.XDG_CACHE_HOME = folder // compiled hosts stay here
  exact = await ownTrials(bytes, SAMPLES)
})

for (const host of hosts) {
  const found = await host.find()
  if (found === undefined) skip(`there is no ${host.name}: ${host.install}`)
  else
    test(`${host.name} ${found.version} gives the same bits, and tells when they differ`, async () => {
      const [infer, step] = exact
      const options = { hosts: host.name, seconds: 1 }
      const trials = [infer, changed(step, 13)]
      const { rows, absent } = await verifyNet(bytes, info, trials, options)
      assert.equal(absent, [])
      assert.equal(
        rows.map(({ call, failure }) => [call, failure]),
        [
          ['infer', undefined],
          ['step', undefined],
        ],
      )
      const [same, other] = rows.map(({ outcome }) => outcome!)
      assert.is(same.samples, SAMPLES)
      assert.is(same.differ, 0)
      assert.is(same.first, null)
      assert.is(other.differ, 1)
      const want = new Uint32Array(step.expected.buffer)[13]
      assert.equal(other.first, { sample: 1, output: 3, got: want, want: (want ^ 1) >>> 0 })
      assert.not.ok(isExact({ rows, absent }))
      for (const { us, coldMs, residentBytes, memoryBytes } of [same, other]) {
        assert.ok(us > 0 && coldMs > 0, `${us} µs, ${coldMs} ms`)
        assert.ok(residentBytes === null || residentBytes > 1e6, `${residentBytes} bytes`)
        assert.ok(memoryBytes > 0, `${memoryBytes} bytes`)
      }
    })
}

test('a slow first sample and a coarse clock: the time of a sample is never 0', () => {
  const trial = exact[0]!
  let [time, slow] = [0, 0]
  // A sample that is read takes a hundredth of a millisecond.
  const input = new Uint8Array(trial.input.buffer, trial.input.byteOffset, trial.input.byteLength)
  const read = input.subarray.bind(input)
  input.subarray = (...range) => {
    time += 0.01
    return read(...range)
  }
  // As in a page: the clock stands still between its ticks; and the processor was busy at first.
  const lost = (): number => {
    const at = 2 * Math.floor((time + slow) / 2)
    slow += slow < 400 ? 100 : 0
    return at
  }
  const want = new Uint32Array(trial.expected.buffer)
  const job = { ...trial, seconds: 2 }
  const { us } = measure(new Uint8Array(bytes), input, want, job, {
    now: lost,
    resident: () => null,
  })
  assert.ok(us > 5 && us < 20, `${us} µs`)
})

test('inputs of float32, and a net that traps: the reason is told', async () => {
  const changes = { inputType: 'f32' as const, mode: 'infer' as const }
  const { mean: _, std: __, usedBytes: ___, ...rest } = { ...info, ...changes }
  const good = tinyNet({ weights, info: rest })
  const bad = tinyNet({ weights, info: rest, flaws: { bodies: { infer: [0] } } })
  const trials = await ownTrials(good, 5)
  const options = { hosts: 'node', seconds: 1 }
  assert.ok(isExact(await verifyNet(good, info, trials, options)))
  const failed = await verifyNet(bad, info, trials, options)
  assert.not.ok(isExact(failed))
  assert.is(failed.rows[0].outcome, undefined)
  assert.match(failed.rows[0].failure ?? '', /unreachable/)
})

test('a slow host stops after its time, and tells how many samples ran', async () => {
  // Four million products for each sample: the time is enough for a hundred at most.
  const slow = tinyNet({ info: { input: [1, 8, 8], classes: 10 }, repeats: 6250 })
  const samples = 1000
  const frame = 4 * 8 * 8
  const trial: Trial = {
    call: 'infer',
    inputType: 'f32',
    samples,
    sampleBytes: frame,
    frameBytes: frame,
    steps: 1,
    classes: 10,
    input: new Uint8Array(frame * samples),
    expected: new Float32Array(10 * samples),
  }
  const options = { hosts: 'node', seconds: 0.2 }
  const { rows } = await verifyNet(slow, netInfo(slow), [trial], options)
  const outcome = rows[0].outcome!
  assert.is(outcome.differ, 0)
  assert.ok(outcome.samples > 0 && outcome.samples < samples, `${outcome.samples} samples`)
})

const onUnix = testUnless(process.platform === 'win32' && 'Windows has no signals')
onUnix('Chromium runs in its sandbox; without, only where it says that it has none', async () => {
  const { CHROME_BIN } = process.env
  const [program, log] = ['chromium.sh', 'chromium.log'].map((name) => join(folder, name))
  /** Arguments of each start of a browser that complains and ends. */
  const starts = async (complaint: string): Promise<string[]> => {
    const lines = ['#!/bin/sh', `echo "$@" >> '${log}'`, `echo '${complaint}' >&2`, 'exit 1']
    await writeFile(log, '')
    await writeFile(program, `${lines.join('\n')}\n`, { mode: 0o755 })
    process.env.CHROME_BIN = program
    const { rows } = await verifyNet(bytes, info, exact.slice(0, 1), { hosts: 'browser' })
    assert.ok(rows[0].failure?.includes(complaint), rows[0].failure)
    // The first one asked for its version.
    return (await readFile(log, 'utf8')).trim().split('\n').slice(1)
  }
  try {
    for (const complaint of [
      'ERROR: Running as root without --no-sandbox is not supported.',
      'FATAL: No usable sandbox! Update your kernel',
    ]) {
      const [first, second, ...more] = await starts(complaint)
      assert.not.match(first, /--no-sandbox/)
      assert.match(second, /--headless --no-sandbox/)
      assert.equal(more, [])
    }
    const [first, ...more] = await starts('ERROR: no space left for the profile')
    assert.not.match(first, /--no-sandbox/)
    assert.equal(more, [])
  } finally {
    if (CHROME_BIN === undefined) delete process.env.CHROME_BIN
    else process.env.CHROME_BIN = CHROME_BIN
  }
})

test('hosts are chosen by name; what is unknown, missing or unable is refused', async () => {
  const { found } = await findHosts('node', info)
  assert.equal(
    found.map(([{ name }]) => name),
    ['node'],
  )
  const all = await findHosts('all', info)
  assert.is(all.found.length + all.absent.length, hosts.length)
  assert.match(
    await messageOf(() => findHosts('node,nod', info)),
    /^--hosts must be all or any of node,.*, got "nod"$/,
  )
  const simd = tinyInfo({ target: 'simd' })
  assert.match(
    await messageOf(() => findHosts('wasm3', simd)),
    /wasm3: it has no SIMD; export with/,
  )
  const { WASM3_DIR } = process.env
  process.env.WASM3_DIR = folder
  try {
    assert.match(
      await messageOf(() => findHosts('wasm3', info)),
      /got wasm3: it was not found; git clone/,
    )
  } finally {
    if (WASM3_DIR === undefined) delete process.env.WASM3_DIR
    else process.env.WASM3_DIR = WASM3_DIR
  }
})

test.run()
