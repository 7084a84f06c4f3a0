/** The programs in examples/cifar10 on a few pictures of their own. */

import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  crossEntropy,
  type Dataset,
  exportWasm,
  loadModel,
  type NamedTensor,
} from '../../src/index.js'
import { run } from '../cli/command.js'
import { folderFor } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'

const programs = fileURLToPath(new URL('../../../examples/cifar10/', import.meta.url))
const load = (name: string): Promise<unknown> => import(pathToFileURL(join(programs, name)).href)

/** What the tests read of recipe.mjs and pictures.mjs. */
interface Recipe {
  readonly recipe: {
    readonly schedule: { readonly warmup: number; readonly fall: number; readonly shape: string }
    readonly parts: readonly { readonly epochs: number }[]
  }
  scheduleOf(schedule: Recipe['recipe']['schedule'], before: number, all: number): Rate
}
type Rate = (epoch: number, epochs: number, at: object) => number
interface Pictures {
  readData(options: Record<string, unknown>): Promise<{ train: Dataset; test: Dataset }>
  changedFor(data: Dataset, part: object): Dataset
}
interface Filters {
  setFirstFilters(model: object, data: Dataset, recipe: object): void
}

/** What result.json has. */
interface Result {
  readonly accuracy: number
  readonly mirroredAccuracy: number
  readonly microjoules: number
  readonly fileBytes: number
  readonly parts: readonly { name: string; steps: number; median: number; minutes: number }[]
  readonly minutes: { readonly whole: number; readonly byMedians: number }
  readonly histories: readonly { readonly epochs: readonly { testAccuracy: number }[] }[]
}

const [B, TRAIN, TEST] = [16, 160, 40]
const part = { epochs: 2, timeSteps: 2, change: { flip: true } }
const small = {
  batchSize: B,
  stages: [[8], [8, 8]],
  residual: true,
  directions: 4,
  neuron: { tau: 1.5 },
  thresholds: [1, 2],
  compile: { weights: 'int8' },
  schedule: { warmup: 1, fall: 2 },
  parts: [
    { ...part, name: 'windows', size: 24 },
    {
      ...{ ...part, name: 'pictures', size: 32, timeSteps: 3 },
      ...{ optimizer: { lr: 0.05 }, fit: { ema: 0.8 } },
    },
  ],
}

/** Records whose first byte of a picture is its number, and whose left side tells the class. */
function records(count: number, seed: number): Uint8Array {
  const random = testRandom(seed)
  const bytes = new Uint8Array(count * 3073)
  for (let i = 0; i < count; i++) {
    const label = i % 10
    const own = bytes.subarray(i * 3073, (i + 1) * 3073)
    for (let k = 0; k < 3072; k++) {
      const [c, x] = [k >> 10, k % 32]
      const isBright = x < 16 && (label >> c) % 2 === 1
      own[1 + k] = (isBright ? 150 : 20) + 60 * random()
    }
    own[0] = label
    own[1] = i
  }
  return bytes
}

const folder = folderFor(test)
let args: string[] = []
const at = (...names: string[]): string => join(folder, ...names)
const train = (out: string): string[] => [
  join(programs, 'train.mjs'),
  ...args,
  ...['--threads', '1', '--out', at(out)],
]
const resultOf = async (out: string): Promise<Result> =>
  JSON.parse(await readFile(at(out, 'result.json'), 'utf8')) as Result

test.before(async () => {
  await writeFile(at('data_batch_1.bin'), records(TRAIN, 1))
  await writeFile(at('test_batch.bin'), records(TEST, 2))
  await writeFile(at('recipe.json'), JSON.stringify(small))
  args = ['--data', folder, '--recipe', at('recipe.json'), '--seed', '3']
})

test('a run tells accuracy, energy and file sizes of the weights that it saves', async () => {
  const { code, stdout, stderr } = await run(train('a'), { node: true })
  assert.equal([code, stderr], [0, ''])
  assert.is(stdout.match(/^epoch \d\/4, (windows|pictures) {2}loss/gm)?.length, 4, stdout)
  assert.match(stdout, /^[\d.]+ % right; [\d.]+ % with mirror images$/m)
  const result = await resultOf('a')
  const model = await loadModel(at('a', 'weights.safetensors'))
  const { readData } = (await load('pictures.mjs')) as Pictures
  const { test: data } = await readData({ data: folder })
  const samples = new Float32Array(TEST * 3072)
  const labels = Array.from({ length: TEST }, (_, i) =>
    data.read(i, samples.subarray(i * 3072, (i + 1) * 3072)),
  )
  const other = samples.map((_, k) => samples[k - (k % 32) + 31 - (k % 32)])
  const [{ logits }, { logits: more }] = [await model.predict(samples), await model.predict(other)]
  assert.is.not(logits.join(), more.join())
  const shareOf = (of: (k: number) => number): number =>
    labels.filter((label, i) => {
      const row = Array.from({ length: 10 }, (_, c) => of(10 * i + c))
      return row.indexOf(Math.max(...row)) === label
    }).length / TEST
  assert.is(
    result.accuracy,
    shareOf((k) => logits[k]),
  )
  assert.is(
    result.mirroredAccuracy,
    shareOf((k) => logits[k] + more[k]),
  )
  assert.ok(result.accuracy > 0.3, `${result.accuracy}`)
  // Behind each epoch the averages were judged, too.
  assert.is(result.histories[1].epochs[1].testAccuracy, result.accuracy)
  const { operations } = await model.evaluate(data)
  assert.is(result.microjoules, operations!.energy.microjoules)
  assert.is(result.fileBytes, (await exportWasm(model, { weights: 'int8' })).length)
  await model.dispose()
})

test('its times are those of steps.csv, by part, and so are its learning rates', async () => {
  const { parts, minutes } = await resultOf('a')
  const rows = (await readFile(at('a', 'steps.csv'), 'utf8')).trimEnd().split('\n').slice(1)
  const times = rows.map((row) => Number(row.split(',')[3]))
  assert.is(rows.length, 40)
  const rates = [0, 19, 20].map((row) => Number(rows[row].split(',')[2]))
  assert.equal(rates, [0.1, 0.1, 0.05])
  let byMedians = 0
  for (const [i, { name, steps, median }] of parts.entries()) {
    assert.equal([name, steps], [small.parts[i].name, 20])
    const own = times.slice(20 * i, 20 * i + 20)
    const smaller = own.filter((ms) => ms < median).length
    assert.ok(smaller <= 10 && own.filter((ms) => ms > median).length <= 10 && own.includes(median))
    byMedians += (steps * median) / 60_000
  }
  assert.ok(Math.abs(minutes.byMedians - byMedians) < 1e-12)
  assert.ok(Math.abs(minutes.whole - times.reduce((a, b) => a + b) / 60_000) < 1e-12)
})

test('a run that was stopped goes on by the same command, to the same bits', async () => {
  const stopped = await run(train('b'), {
    node: true,
    interruptWhen: (out) => out.includes('h 3/'),
  })
  assert.is.not(stopped.code, 0)
  const { code, stdout, stderr } = await run(train('b'), { node: true })
  assert.equal([code, stderr], [0, ''])
  assert.not(stdout.includes('epoch 1/'), 'it began anew')
  const files = ['a', 'b'].map((run) => readFile(at(run, 'weights.safetensors')))
  const [a, b] = await Promise.all(files)
  assert.ok(a.equals(b))
  const results = [await resultOf('a'), await resultOf('b')]
  const [{ mirroredAccuracy, parts }, other] = results
  assert.is(other.mirroredAccuracy, mirroredAccuracy)
  assert.equal(
    other.parts.map(({ steps }) => steps),
    parts.map(({ steps }) => steps),
  )
})

test('the batches for the twin are those of the run, and so are the weights', async () => {
  const start = at('start.safetensors')
  const words = [join(programs, 'batches.mjs'), ...args, '--weights', start, '--steps', '2']
  const { status, stdout, stderr } = spawnSync(process.execPath, words)
  assert.equal([status, stderr.toString()], [0, ''])
  const line = stdout.indexOf('\n')
  const head = JSON.parse(stdout.toString('utf8', 0, line)) as Record<string, unknown>
  assert.equal([head.size, head.timeSteps, head.batch, head.stepsOfEpoch], [24, 2, B, 10])
  assert.equal([head.weightType, head.whole], ['int8', ['4.main.0.weight']])
  const numbers = B * 3 * 24 * 24
  assert.is(stdout.length, line + 1 + 2 * 4 * (numbers + B))
  const { buffer } = Uint8Array.from(stdout.subarray(line + 1))
  const loss = crossEntropy({ labelSmoothing: 0.1 })
  const sizes = { input: [3, 24, 24] as const, timeSteps: 2, batchSize: B }
  const model = await loadModel(start, { ...sizes, loss, purpose: 'train' })
  const x = new Float32Array(buffer, 0, numbers)
  const step = await model.trainStep(x, new Int32Array(buffer, 4 * numbers, B))
  await model.dispose()
  const [, first] = (await readFile(at('a', 'steps.csv'), 'utf8')).split('\n')
  assert.is(step.loss, Number(first.split(',')[1]))
})

test('pictures that are kept back are not trained with; limits draw from all', async () => {
  const { readData } = (await load('pictures.mjs')) as Pictures
  const numbersOf = (data: Dataset): number[] =>
    Array.from({ length: data.length }, (_, i) => {
      const bytes = new Uint8Array(3072)
      data.pixels!.read(i, bytes)
      return bytes[0]
    })
  const options = { data: folder, 'hold-out': 30, 'limit-train': 50, 'limit-test': 20 }
  const { train, test: kept } = await readData(options)
  const [a, b] = [numbersOf(train), numbersOf(kept)]
  assert.equal([a.length, b.length], [50, 20])
  assert.is(new Set([...a, ...b]).size, 70)
  assert.ok(Math.max(...b) > TEST && Math.max(...a) > 120 && Math.min(...a) < 40)
  assert.equal(numbersOf((await readData(options)).test), b)
  const whole = await readData({ data: folder, 'hold-out': 30 })
  assert.equal([whole.train.length, whole.test.length], [TRAIN - 30, 30])
})

test('alternating pictures are mirrored in every other epoch, half of them in the first', async () => {
  const { readData, changedFor } = (await load('pictures.mjs')) as Pictures
  const { train } = await readData({ data: folder })
  const changed = changedFor(train, { change: {}, alternate: true, size: 32 })
  const [plain, seen] = [new Float32Array(3072), new Float32Array(3072)]
  let first = 0
  for (let i = 0; i < TRAIN; i++) {
    train.read(i, plain)
    const other = plain.map((_, k) => plain[k - (k % 32) + 31 - (k % 32)])
    const isMirrored = [0, 1, 2].map((epoch) => {
      assert.is(changed.read(i, seen, { seed: 5, epoch }), i % 10)
      assert.ok([plain, other].some((picture) => picture.every((value, k) => value === seen[k])))
      return other.every((value, k) => value === seen[k])
    })
    assert.equal(isMirrored, [isMirrored[0], !isMirrored[0], isMirrored[0]])
    if (isMirrored[0]) first++
    changed.read(i, seen)
    assert.equal(seen, plain, 'in a test no picture is mirrored')
  }
  assert.ok(Math.abs(first / TRAIN - 0.5) < 0.1, `${first}`)
})

test('first filters whiten patches, with their opposites; others keep their draws', async () => {
  const { readData } = (await load('pictures.mjs')) as Pictures
  const { train } = await readData({ data: folder })
  const random = testRandom(7)
  const tensor = (...shape: number[]): NamedTensor => {
    const length = shape.reduce((a, b) => a * b)
    return { shape, data: Float32Array.from({ length }, random) }
  }
  const state: Record<string, NamedTensor> = {
    '0.weight': tensor(12, 3, 3, 3),
    '1.weight': tensor(12),
    '4.weight': tensor(16, 12, 3, 3),
    '7.weight': tensor(8, 16, 3, 3),
  }
  const before = structuredClone(state)
  const model = { stateDict: () => state, loadStateDict: () => {} }
  const { setFirstFilters } = (await load('filters.mjs')) as Filters
  setFirstFilters(model, train, { directions: 5 })
  const { data } = state['0.weight']
  const products = Array.from({ length: 5 }, () => new Float64Array(5))
  const sample = new Float32Array(3072)
  let patches = 0
  // Every hundredth picture, at every other place.
  for (const index of [0, 100]) {
    train.read(index, sample)
    for (let y = 0; y <= 29; y += 2)
      for (let x = 0; x <= 29; x += 2, patches++) {
        const answers = products.map((_, i) => {
          let sum = 0
          for (let k = 0; k < 27; k++) {
            const [c, dy, dx] = [Math.floor(k / 9), Math.floor(k / 3) % 3, k % 3]
            sum += data[27 * i + k] * sample[c * 1024 + (y + dy) * 32 + x + dx]
          }
          return sum
        })
        for (const [i, row] of products.entries())
          for (const j of row.keys()) row[j] += answers[i] * answers[j]
      }
  }
  for (const [i, row] of products.entries())
    for (const [j, sum] of row.entries())
      assert.ok(Math.abs(sum / patches - (i === j ? 1 : 0)) < 1e-4, `${i}, ${j}: ${sum / patches}`)
  assert.equal(
    data.subarray(5 * 27, 10 * 27),
    data.subarray(0, 5 * 27).map((value) => -value),
  )
  assert.equal(data.subarray(10 * 27), before['0.weight'].data.subarray(10 * 27))
  for (const name of ['4.weight', '7.weight']) assert.equal(state[name], before[name])
})

test('the learning rate rises, stays, and falls to 0 over all parts', async () => {
  const { recipe, scheduleOf } = (await load('recipe.mjs')) as Recipe
  const all = recipe.parts.reduce((sum, { epochs }) => sum + epochs, 0)
  const { warmup, fall } = recipe.schedule
  const rates: number[] = []
  for (const shape of ['cosine', 'line']) {
    let before = 0
    for (const { epochs } of recipe.parts) {
      const rate = scheduleOf({ ...recipe.schedule, shape }, before, all)
      for (let step = 0; step < 10 * epochs; step++) {
        const epoch = Math.floor(step / 10)
        rates.push(rate(epoch, epochs, { epoch, epochs, step, steps: 10 * epochs, records: [] }))
        const place = before + step / 10
        const share = Math.max(0, place - fall) / (all - fall)
        const falls = shape === 'line' ? 1 - share : Math.cos((Math.PI * share) / 2) ** 2
        const wanted = Math.min(1, (before + epoch + 1) / warmup) * falls
        assert.ok(Math.abs(rates.at(-1)! - wanted) < 1e-12, `${shape}, epoch ${place}`)
      }
      before += epochs
    }
    assert.ok(rates.at(-1)! < 0.02)
  }
})

test('a recipe with a wrong name is refused', async () => {
  await writeFile(at('wrong.json'), '{ "stage": [[8]] }')
  const words = [join(programs, 'train.mjs'), '--data', folder, '--recipe', at('wrong.json')]
  const { code, stderr } = await run(words, { node: true })
  assert.is.not(code, 0)
  assert.match(stderr, /wrong\.json: stage must be one of batchSize, stages, /)
})

test.run()
