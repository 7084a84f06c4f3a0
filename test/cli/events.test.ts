import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { durations } from '../../src/diagnose/cost.js'
import { events, loadModel } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { nmnistFile, structuredNpy } from '../support/event-files.js'
import { parseLines, run, succeed } from './in-process.js'
import { recording, writeRecordings } from './recordings.js'

test('train and eval on recordings; eval takes the cutting from the run', () =>
  withFolder(async (folder) => {
    const data = await writeRecordings(folder)
    const out = join(folder, 'run')
    const own = ['--dataset', 'nmnist', '--data', data, '--threads', '1', '--json']
    const cut = ['--time-steps', '3', '--time-window', '9000', '--binary', '--event-size', '17']
    const more = [
      '--epochs',
      '1',
      '--batch-size',
      '10',
      '--limit-train',
      '10',
      '--flip',
      '--roll',
      '2',
    ]
    const trained = await succeed(['train', ...own, ...cut, ...more, '--out', out])
    const final = parseLines(trained.stdout).at(-1)!
    assert.equal([final.model, final.timeSteps], ['eventCnn', 3])
    const options = JSON.parse(await readFile(join(out, 'options.json'), 'utf8'))
    assert.equal(
      [options.timeWindow, options.binary, options.eventSize, options.roll, options.input],
      [9000, true, 17, 2, [2, 17, 17]],
    )
    const tested = await succeed(['eval', '--run', out, '--threads', '1', '--json'])
    assert.is(parseLines(tested.stdout).at(-1)!.testLoss, final.testLoss)
  }))

test('a folder of recordings: predict, diagnose, files and hosts cut as the run did', () =>
  withFolder(async (folder) => {
    const data = join(await writeRecordings(folder), 'Train')
    const [out, net] = [join(folder, 'run'), join(folder, 'net.wasm')]
    const cut = ['--dataset', 'events', '--data', data, '--time-steps', '3', '--event-size', '17']
    const one = ['--threads', '1', '--json']
    const few = ['--epochs', '1', '--batch-size', '10', '--train-share', '0.5']
    await succeed(['train', ...cut, ...few, ...one, '--out', out])
    const options = JSON.parse(await readFile(join(out, 'options.json'), 'utf8'))
    assert.equal(
      [options.dataset, options.sensor, options.trainShare, options.input, options.classes],
      ['events', [34, 34], 0.5, [2, 17, 17], 10],
    )
    const tested = await succeed(['eval', '--run', out, ...one])
    const { testAccuracy, samples } = parseLines(tested.stdout).at(-1)!
    assert.is(samples, 10)

    // The same events as arrays: their sensor is that of the run, not the largest x and y.
    const list = recording(4)
    const arrays = join(folder, 'four.npy')
    await writeFile(arrays, structuredNpy(list))
    const file = join(data, '4', '1.bin')
    const predicted = await succeed(['predict', '--run', out, file, arrays, '--json'])
    const [first, second] = parseLines(predicted.stdout)
    assert.equal(second.logits, first.logits)
    const [x, y, t, p] = [0, 1, 2, 3].map((i) => list.map((event) => event[i]))
    const whole = events.from({ x, y, t, p, sensor: [34, 34] })
    const small = events.downsample(whole, [17, 17])
    const { data: wanted } = events.toFrames(small, { framesNumber: 3, splitBy: 'number' })
    const model = await loadModel(join(out, 'weights.safetensors'))
    assert.equal(first.logits, [...(await model.predict(wanted)).logits])
    await model.dispose()
    const still = await run(['predict', '--run', out, file, '--event-size', '34', '--json'])
    assert.match(parseLines(still.stdout)[0].error as string, /must become frames of \[2, 17, 17\]/)

    for (const mode of ['infer', 'step']) {
      await succeed(['export', '--run', out, '--mode', mode, '--out', net])
      const on = await succeed(['eval', '--on', net, '--run', out, '--json'])
      assert.is(parseLines(on.stdout)[0].testAccuracy, testAccuracy, mode)
      const hosts = ['--hosts', 'node', '--samples', '4', '--json']
      const verified = await succeed(['verify', net, '--run', out, ...hosts])
      const [{ exact, samples: shown }] = parseLines(verified.stdout)
      assert.equal([exact, shown], [true, 4])
    }

    // Nobody looks at the times.
    const ofUsers = { ...durations }
    Object.assign(durations, { warmUp: 10, measure: 10 })
    await succeed([
      ...[
        'diagnose',
        ...cut,
        ...one,
        '--train-share',
        '0.5',
        '--methods',
        'rate-m',
        '--steps',
        '2',
        '--batch-size',
        '5',
      ],
      ...['--out', join(folder, 'diagnosis')],
    ])
    Object.assign(durations, ofUsers)
  }))

test('encoders on the command line', async () => {
  const tiny = ['--limit-train', '64', '--limit-test', '20', '--epochs', '1', '--threads', '1']
  for (const encoder of ['rate', 'phase']) {
    const own = ['--encoder', encoder, '--time-steps', '3', '--json']
    const { stdout } = await succeed(['train', ...tiny, ...own])
    assert.is(parseLines(stdout).at(-1)!.timeSteps, 3)
  }
})

test('flags that belong elsewhere are refused', async () => {
  const cases: [string[], RegExp][] = [
    [['--split-by', 'time'], /--split-by must be left out for --dataset digits/],
    [
      ['--dataset', 'nmnist', '--data', '.', '--time-window', '5'],
      /--time-window needs --time-steps/,
    ],
    [['--dataset', 'nmnist', '--data', '.', '--encoder', 'rate'], /--encoder must be left out/],
    [['--dataset', 'nmnist', '--data', '.'], /N-MNIST folder: must hold Train/],
  ]
  const results = await Promise.all(cases.map(([flags]) => run(['train', ...flags])))
  for (const [i, { code, stderr }] of results.entries()) {
    assert.is(code, 1)
    assert.match(stderr, cases[i][1])
    assert.is(stderr.trimEnd().split('\n').length, 1, stderr)
  }
})

test('show prints a still and writes a page', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'a <b>.bin')
    await writeFile(file, nmnistFile(recording(1)))
    const page = join(folder, 'page.html')
    const { stdout } = await succeed(['show', file, '--frames', '5', '--out', page])
    assert.match(stdout, /34 × 34 pixels, 150 events \(75 ON, 75 OFF\) in 44\.7 ms/)
    assert.match(stdout, /▁|█/)
    assert.not.ok(stdout.includes('\u001b'))
    const html = await readFile(page, 'utf8')
    assert.match(html, /"begins":\[0,8940,17880,26820,35760\]/)
    assert.not.match(html, /<b>|src=|href=/)
    const told = await run(['show', file, '--json'])
    const [{ events, duration, out }] = parseLines(told.stdout)
    assert.equal([events, duration, out], [150, 44700, null])
    const alone = await run(['show', file, '--frames', '5'])
    assert.match(alone.stderr, /--frames needs --out, got 5 without it; give both/)
    const wrong = await run(['show', join(folder, 'none.bin')])
    assert.match(wrong.stderr, /recording must be a readable file/)
  }))

test.run()
