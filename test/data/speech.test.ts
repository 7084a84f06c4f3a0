/** SHD and SSC: files that h5py wrote (test/fixtures/speech/make.py), and damaged ones. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { shd, ssc } from '../../src/data/speech/speech.js'
import { testRandom } from '../support/engine.js'
import { test } from '../support/models.js'

interface Expected {
  readonly labels: readonly number[]
  readonly times: readonly (readonly number[])[]
  readonly units: readonly (readonly number[])[]
}

const folder = join(process.cwd(), 'test/fixtures/speech')
const all: Record<string, Expected> = JSON.parse(
  await readFile(join(folder, 'expected.json'), 'utf8'),
)

for (const [timeSteps, dt, bins] of [
  [100, 14, 5],
  [20, 50, 700],
  [7, 100, 1],
] as const)
  for (const part of ['train', 'test'] as const)
    test(`shd ${part}: spikes of ${timeSteps} frames of ${dt} ms, ${bins} units together`, async () => {
      const data = (await shd(folder, { timeSteps, dt, bins }))[part]
      const { labels, times, units } = all[`shd_${part}.h5`]
      assert.equal(
        [data.length, data.classes, data.timeSteps, data.shape],
        [6, 20, timeSteps, [700 / bins]],
      )
      const out = new Float32Array((timeSteps * 700) / bins)
      for (const [i, label] of labels.entries()) {
        const expected = new Float32Array(out.length)
        for (const [k, time] of times[i].entries()) {
          const t = Math.floor((1000 * time) / dt)
          if (t < timeSteps) expected[(t * 700) / bins + Math.floor(units[i][k] / bins)]++
        }
        assert.is(data.read(i, out), label)
        assert.equal(out, expected)
      }
    })

const inFolder = async (
  files: Readonly<Record<string, Uint8Array>>,
  use: (path: string) => Promise<void>,
) => {
  const path = await mkdtemp(join(tmpdir(), 'h1-speech-'))
  try {
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(path, name), bytes)
    await use(path)
  } finally {
    await rm(path, { recursive: true })
  }
}
const refusal = (run: () => Promise<unknown>): Promise<Error | undefined> =>
  run().then(
    () => undefined,
    (error) => error,
  )

test("ssc reads h5py's newest layout", async () => {
  const bytes = await readFile(join(folder, 'ssc_train.h5'))
  await inFolder({ 'ssc_train.h5': bytes, 'ssc_test.h5': bytes }, async (path) => {
    const { train } = await ssc(path)
    assert.equal([train.length, train.classes], [6, 35])
  })
})

test('what is missing, no HDF5, or a wrong option is told by name', async () => {
  assert.match(
    String(await refusal(() => shd(folder, { bins: 3 }))),
    /shd.bins must divide the 700 units, got 3/,
  )
  assert.match(String(await refusal(() => ssc(folder))), /ssc_test.h5/)
  await inFolder({ 'shd_train.h5': new Uint8Array(100) }, async (path) => {
    assert.match(
      String(await refusal(() => shd(path))),
      /shd_train.h5: must be a SHD file, which is HDF5, .*download it again/,
    )
  })
})

test('damaged files end in a data set or one error', async () => {
  const whole = await readFile(join(folder, 'shd_train.h5'))
  const random = testRandom(12)
  let refused = 0
  for (let round = 0; round < 40; round++) {
    const bytes = Uint8Array.from(whole)
    for (let n = 0; n < 1 + 8 * random(); n++)
      bytes[8 + Math.floor(random() * (bytes.length - 8))] = Math.floor(256 * random())
    const cut = random() < 0.2 ? bytes.subarray(0, Math.floor(bytes.length * random())) : bytes
    await inFolder({ 'shd_train.h5': cut, 'shd_test.h5': whole }, async (path) => {
      const error = await refusal(() => shd(path))
      if (error) refused++
      assert.ok(error === undefined || error instanceof SpikewasmError, String(error))
    })
  }
  assert.ok(refused > 0 && refused < 40, `${refused} refused`)
})

test.run()
