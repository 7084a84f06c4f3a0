import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { evenly } from '../../src/data/events/sets.js'
import {
  cifar10DvsOfficial,
  compile,
  type Dataset,
  datasets,
  type EventDatasetOptions,
  eventCnn,
  events,
  type FitOptions,
} from '../../src/index.js'
import { expectRefusals } from '../files/temporary.js'
import { aedat2File, aedat3File, type Event, nmnistFile } from '../support/event-files.js'
import { expectSameBits } from '../support/measure.js'

const recording = (seed: number, side = 34, count = 200): Event[] =>
  Array.from({ length: count }, (_, i) => [
    (i * 7 + seed * 5) % side,
    (i * 11 + seed * i) % side,
    100 + 700 * i,
    (i + seed) & 1,
  ])

let folder = ''
const write = async (path: string, bytes: Uint8Array | string): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), bytes)
}
const sizeOf = ({ shape, timeSteps = 1 }: Dataset): number =>
  timeSteps * shape.reduce((a, b) => a * b, 1)
const readOf = (data: Dataset, index: number, epoch?: number): Float32Array => {
  const out = new Float32Array(sizeOf(data)).fill(7)
  data.read(index, out, epoch === undefined ? undefined : { seed: 1, epoch })
  return out
}
const sum = (values: Float32Array): number => values.reduce((a, b) => a + b, 0)
const nmnist = (options?: EventDatasetOptions) => datasets.nmnist(join(folder, 'nmnist'), options)

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-events-'))
  for (let label = 0; label < 10; label++)
    for (let i = 0; i < 3 + (label % 2); i++)
      await write(`nmnist/Train/${label}/${i}.bin`, nmnistFile(recording(label + 10 * i)))
  for (let label = 0; label < 10; label++)
    await write(`nmnist/Test/${label}/9.bin`, nmnistFile(recording(label)))
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship']
  for (const name of [...names, 'truck'])
    for (let i = 0; i < 3; i++)
      await write(`cifar/${name}/cifar10_${name}_${i}.aedat`, aedat2File(recording(i, 128)))
  await write('gesture/trials_to_train.txt', 'user01_lab.aedat\n')
  await write('gesture/trials_to_test.txt', 'user02_lab.aedat\r\n\r\n')
  for (const user of ['user01', 'user02']) {
    await write(`gesture/${user}_lab.aedat`, aedat3File(recording(2, 128)))
    await write(
      `gesture/${user}_lab_labels.csv`,
      'class,startTime_usec,endTime_usec\n1,800,7800\n11,7800,14800\n',
    )
  }
})
test.after(() => rm(folder, { recursive: true, force: true }))

test('N-MNIST: frames are those of toFrames, and the first samples lie evenly over classes', async () => {
  const { train, test: tested } = await nmnist({ timeSteps: 4, splitBy: 'time' })
  assert.equal([train.length, tested.length, train.classes], [35, 10, 10])
  assert.equal([train.timeSteps, ...train.shape], [4, 2, 34, 34])
  const out = new Float32Array(sizeOf(train))
  assert.equal(
    Array.from({ length: 20 }, (_, i) => train.read(i, out)),
    Array.from({ length: 20 }, (_, i) => i % 10),
  )
  const file = await events.read(join(folder, 'nmnist/Train/3/0.bin'))
  const { data } = events.toFrames(file, { framesNumber: 4, splitBy: 'time' })
  assert.equal(readOf(train, 3), data)
  assert.equal(
    evenly([2, 2, 0, 2, 0, 1].map((label, at) => ({ label, at }))).map(({ at }) => at),
    [2, 5, 0, 4, 1, 3],
  )
})

test('a time window cuts and fills up to T frames', async () => {
  // 200 events, 700 µs apart.
  const { test: short } = await nmnist({
    timeSteps: 3,
    timeWindow: 7000,
    startTime: 100,
    rest: 'drop',
  })
  assert.is(sum(readOf(short, 0)), 30)
  const { test: long } = await nmnist({ timeSteps: 30, timeWindow: 7000 })
  assert.is(sum(readOf(long, 0)), 200)
  assert.is(sum(readOf(long, 0).subarray(20 * 34 * 34 * 2)), 0)
  // From time 0, and the last frame takes the rest.
  const { test: usual } = await nmnist({ timeSteps: 3, timeWindow: 7000 })
  const steps = [0, 1, 2].map((t) => sum(readOf(usual, 0).subarray(t * 2312, (t + 1) * 2312)))
  assert.equal(steps, [10, 10, 180])
  // Frames of so many events leave out what comes behind them.
  const { test: numbered } = await nmnist({ timeSteps: 3, eventCount: 50 })
  assert.is(sum(readOf(numbered, 0)), 150)
  const { test: counted } = await nmnist({ timeSteps: 3, eventCount: 50, binary: true })
  assert.ok(readOf(counted, 0).every((value) => value === 0 || value === 1))
})

test('training changes samples by seed, epoch and index; tests do not', async () => {
  const plain = (await nmnist({ timeSteps: 3 })).train
  const moves: EventDatasetOptions['augment'][] = [
    { flip: true },
    { roll: 3 },
    { shift: 3 },
    { timeJitter: 9000 },
    { dropEvent: 0.4 },
    { eventDrop: true },
  ]
  for (const augment of moves) {
    const { train } = await nmnist({ timeSteps: 3, augment })
    const name = JSON.stringify(augment)
    assert.equal(readOf(train, 4), readOf(plain, 4), name)
    const epochs = Array.from({ length: 8 }, (_, epoch) => readOf(train, 4, epoch))
    assert.equal(readOf(train, 4, 2), epochs[2], name)
    assert.ok(new Set(epochs.map((frames) => frames.join())).size > 1, name)
    if (augment?.roll || augment?.flip || augment?.timeJitter)
      assert.ok(
        epochs.every((frames) => sum(frames) === 200),
        name,
      )
    if (augment?.dropEvent) assert.ok(epochs.every((frames) => sum(frames) === 120))
  }
})

test('sizes, sums and the official way of CIFAR10-DVS', async () => {
  const path = join(folder, 'cifar')
  const sums = await datasets.cifar10Dvs(path, { timeSteps: 2, size: [16, 32] })
  assert.equal(
    [sums.train.length, sums.test.length],
    [30, 0].map((n, i) => (i ? 0 : n)),
  )
  assert.equal([...sums.train.shape, sum(readOf(sums.train, 0))], [2, 16, 32, 200])
  const { train } = await datasets.cifar10Dvs(path, cifar10DvsOfficial)
  assert.equal([train.timeSteps, ...train.shape], [10, 2, 48, 48])
  const frames = readOf(train, 0)
  assert.ok(frames.every((value) => value >= 0 && value <= 1) && sum(frames) > 0)
  assert.not.equal(readOf(train, 0, 1), readOf(train, 0, 2))
})

test('DVS128 Gesture: a sample is what lies between the times of its label', async () => {
  const { train, test: tested } = await datasets.dvsGesture(join(folder, 'gesture'), {
    timeSteps: 2,
  })
  assert.equal([train.length, tested.length, train.classes], [2, 2, 11])
  assert.equal(
    [0, 1].map((i) => train.read(i, new Float32Array(sizeOf(train)))),
    [0, 10],
  )
  assert.equal([sum(readOf(train, 0)), sum(readOf(train, 1))], [10, 10])
})

test('a folder of recordings, with and without parts', async () => {
  const parts = await datasets.eventFolder(join(folder, 'nmnist'), { timeSteps: 3, name: 'mine' })
  assert.equal([parts.train.length, parts.test.length, parts.train.name], [35, 10, 'mine train'])
  const whole = pathToFileURL(join(folder, 'nmnist', 'Train'))
  const shared = await datasets.eventFolder(whole, { timeSteps: 3, trainShare: 0.5 })
  assert.equal([shared.train.length, shared.test.length], [20, 15])
  assert.equal(shared.train.classNames?.join(''), '0123456789')
  // Nine tenths of 3 or 4, rounded up, are all.
  const all = await datasets.eventFolder(whole, { timeSteps: 3 })
  assert.is(all.train.length, 35)
  assert.throws(
    () => all.test,
    /trainShare must leave recordings to test with, got 0\.9 for at most 4/,
  )
})

test('epochs are the same with and without a thread', async () => {
  const { train, test: validation } = await nmnist({
    timeSteps: 3,
    augment: { shift: 2, flip: true },
  })
  const states = []
  for (const numWorkers of [0, 1] as FitOptions['numWorkers'][]) {
    const network = eventCnn(train.shape, 10)
    const own = { input: train.shape, timeSteps: 3, frames: true, batchSize: 10 }
    const model = await compile(network, own)
    await model.fit(train, { epochs: 2, numWorkers, validation })
    states.push(model.stateDict())
    await model.dispose()
  }
  expectSameBits('states', states[0], states[1])
})

test('a cache gives the same frames, and they are not read again', async () => {
  const cache = join(folder, 'cache')
  const own = { timeSteps: 3, augment: { roll: 2 } }
  const plain = (await nmnist(own)).train
  for (const more of [{}, { size: 12, resize: 'official' as const }]) {
    const expected = (await nmnist({ ...own, ...more })).train
    for (let round = 0; round < 2; round++) {
      const { train } = await nmnist({ ...own, ...more, cache })
      for (const index of [0, 7]) {
        assert.equal(readOf(train, index), readOf(expected, index))
        assert.equal(readOf(train, index, 3), readOf(expected, index, 3))
      }
    }
  }
  const path = join(folder, 'nmnist/Train/0/0.bin')
  const { train } = await nmnist({ ...own, cache })
  const before = readOf(train, 0)
  const bytes = await readFile(path)
  await rm(path)
  assert.equal(readOf(train, 0), before)
  assert.throws(() => readOf(plain, 0), /no such file/)
  await writeFile(path, bytes)
})

test('the name of a cache follows from files, options and the order of samples alone', async () => {
  const [cache, train] = ['named', 'nmnist/Train'].map((name) => join(folder, name))
  const then = new Date('2020-02-02T02:02:02Z')
  for (const name of await readdir(train, { recursive: true }))
    await utimes(join(train, name), then, then)
  readOf((await nmnist({ timeSteps: 3, cache })).train, 0)
  // Another name costs users what their caches hold: only what samples follow from may change it.
  assert.equal(await readdir(cache), ['N-MNIST-train-4a8a410a212e7740.cache'])
})

test('what is missing or wrong is refused by name', async () => {
  const at = (name: string): string => join(folder, name)
  await expectRefusals([
    [() => nmnist({ timeWindow: 1000 }), 'timeWindow needs timeSteps'],
    [() => nmnist({ timeSteps: 4, eventCount: 5, splitBy: 'time' }), 'must be left out'],
    [() => nmnist({ resize: 'official' }), 'needs size'],
    [() => datasets.nmnist(at('cifar')), /must hold Train or train, got .*airplane/],
    [() => datasets.nmnist(at('none')), /must be a folder, got ".*none"/],
    [() => datasets.cifar10Dvs(at('nmnist')), 'got none for airplane'],
    [() => datasets.dvsGesture(folder), /trials_to_(train|test)\.txt/],
    [() => datasets.eventFolder(at('nmnist/Train/0')), 'folder for each class'],
  ])
  await write('broken/Train/0/a.bin', new Uint8Array(7))
  await write('broken/Test/0/a.bin', nmnistFile([[40, 1, 2, 0]]))
  const { train, test: tested } = await datasets.nmnist(join(folder, 'broken'))
  assert.throws(() => readOf(train, 0), /0\/a\.bin: must have 5 bytes for each event, got 7/)
  assert.throws(() => readOf(tested, 0), /within the sensor's 34 × 34 pixels, got one at \(40, 1\)/)
})

test.run()
