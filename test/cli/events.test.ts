import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { durations } from '../../src/diagnose/measure.js'
import { datasets, events, loadModel } from '../../src/index.js'
import { nmnistFile, structuredNpy } from '../support/event-files.js'
import { inFolder } from './in-process.js'
import { recording, writeRecordings } from './recordings.js'

const optionsOf = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'run/options.json'), 'utf8'))

test('train and eval on recordings; eval takes the cutting from the run', () =>
  inFolder(async (folder, { lastOf }) => {
    await writeRecordings(folder)
    const cut = '--time-steps 3 --time-window 9000 --binary --event-size 17 --flip --roll 2'
    const few = '--epochs 1 --batch-size 10 --limit-train 10 --threads 1'
    const data = '--dataset nmnist --data nmnist'
    const { model, timeSteps, testLoss } = await lastOf(`train ${data} ${cut} ${few} --out run`)
    assert.equal([model, timeSteps], ['eventCnn', 3])
    const { timeWindow, binary, eventSize, roll, input } = await optionsOf(folder)
    assert.equal([timeWindow, binary, eventSize, roll, input], [9000, true, 17, 2, [2, 17, 17]])
    assert.is((await lastOf('eval --run run --threads 1')).testLoss, testLoss)
  }))

test('a folder of recordings: predict, diagnose, files and hosts cut as the run did', () =>
  inFolder(async (folder, { lastOf, succeed, run }) => {
    await writeRecordings(folder)
    const cut = '--dataset events --data nmnist/Train --time-steps 3 --event-size 17 --threads 1'
    await succeed(`train ${cut} --epochs 1 --batch-size 10 --train-share 0.5 --out run`)
    const { dataset, sensor, trainShare, input, classes } = await optionsOf(folder)
    assert.equal(
      [dataset, sensor, trainShare, input, classes],
      ['events', [34, 34], 0.5, [2, 17, 17], 10],
    )
    const { testAccuracy, samples } = await lastOf('eval --run run --threads 1')
    assert.is(samples, 10)

    // The same events as arrays: their sensor is that of the run, not the largest x and y.
    const list = recording(4)
    await writeFile(join(folder, 'four.npy'), structuredNpy(list))
    const file = 'nmnist/Train/4/1.bin'
    const { logits } = await lastOf(`predict --run run ${file}`)
    assert.equal((await lastOf('predict --run run four.npy')).logits, logits)
    // No data set is named: the name of the file says that it is a recording.
    await writeFile(join(folder, 'four.bs2'), nmnistFile(list))
    const named =
      'predict --weights run/weights.safetensors --sensor 34,34 --event-size 17 four.bs2'
    assert.equal((await lastOf(named)).logits, logits)
    const [x, y, t, p] = [0, 1, 2, 3].map((i) => list.map((event) => event[i]))
    const whole = events.from({ x, y, t, p, sensor: [34, 34] })
    const small = events.downsample(whole, [17, 17])
    const { data: wanted } = events.toFrames(small, { framesNumber: 3, splitBy: 'number' })
    const model = await loadModel(join(folder, 'run/weights.safetensors'))
    assert.equal(logits, [...(await model.predict(wanted)).logits])
    await model.dispose()
    const still = await run(`predict --run run ${file} --event-size 34`)
    assert.match(still.stderr, /must become frames of \[2, 17, 17\]/)

    for (const mode of ['infer', 'step']) {
      await succeed(`export --run run --mode ${mode} --out net.wasm`)
      assert.is((await lastOf('eval --on net.wasm --run run')).testAccuracy, testAccuracy, mode)
      const verified = await lastOf('verify net.wasm --run run --hosts node --samples 4')
      assert.equal([verified.exact, verified.samples], [true, 4])
    }

    // Nobody looks at the times.
    const ofUsers = { ...durations }
    Object.assign(durations, { warmUp: 10, measure: 10 })
    const few = '--train-share 0.5 --methods rate-m --steps 2 --batch-size 5 --out diagnosis'
    await succeed(`diagnose ${cut} ${few}`)
    Object.assign(durations, ofUsers)
  }))

test('spoken words: train, eval, predict, info and export', () =>
  inFolder(async (folder, { lastOf, succeed, refuse }) => {
    for (const part of ['train', 'test'])
      await copyFile(`test/fixtures/speech/shd_${part}.h5`, join(folder, `shd_${part}.h5`))
    const data = '--dataset shd --data . --threads 1'
    const few = '--epochs 1 --batch-size 3 --time-steps 7 --method bptt'
    const { model, timeSteps, testLoss } = await lastOf(`train ${data} ${few} --out run`)
    assert.equal([model, timeSteps], ['mlp', 7])
    const { testLoss: again, samples } = await lastOf('eval --run run --threads 1')
    assert.equal([again, samples], [testLoss, 6])
    const { test } = await datasets.shd(folder, { timeSteps: 7 })
    const sample = new Float32Array(7 * 140)
    test.read(2, sample)
    await writeFile(join(folder, 'word.json'), JSON.stringify([...sample]))
    const { logits } = await lastOf('predict --run run word.json')
    const own = await loadModel(join(folder, 'run/weights.safetensors'))
    assert.equal(logits, [...(await own.predict(sample)).logits])
    await own.dispose()
    await succeed('export --run run --out net.wasm')
    const verified = await lastOf('verify net.wasm --run run --hosts node --samples 4')
    assert.equal([verified.exact, verified.samples], [true, 4])
    const info = await succeed('info --model mlp --dataset shd --batch-size 2')
    assert.match(info.stdout, /140/)
    for (const [args, message] of [
      [`train ${data} --encoder rate`, /--encoder must be left out for --dataset shd/],
      [`train ${data} --roll 2`, /--roll must be left out for --dataset shd/],
      ['train --dataset ssc', /--data must be the folder with ssc_train.h5 and ssc_test.h5/],
      ['train --dataset ssc --data .', /ssc_train.h5/],
    ] as const)
      await refuse(args, message)
  }))

test('show prints a still and writes a page', () =>
  inFolder(async (folder, { run, succeed, lastOf, refuse }) => {
    const file = 'a <b>.bin'
    await writeFile(join(folder, file), nmnistFile(recording(1)))
    const { stdout } = await succeed(['show', file, '--frames', '5', '--out', 'page.html'])
    assert.match(stdout, /34 × 34 pixels, 150 events \(75 ON, 75 OFF\) in 44\.7 ms/)
    assert.match(stdout, /▁|█/)
    assert.not.ok(stdout.includes('\u001b'))
    const html = await readFile(join(folder, 'page.html'), 'utf8')
    assert.match(html, /"begins":\[0,8940,17880,26820,35760\]/)
    assert.not.match(html, /<b>|src=|href=/)
    const { events, duration, out } = await lastOf(['show', file])
    assert.equal([events, duration, out], [150, 44700, null])
    const alone = await run(['show', file, '--frames', '5'])
    assert.match(alone.stderr, /--frames needs --out, got 5 without it; give both/)
    await refuse('show none.bin', /recording must be a readable file/)
  }))

test.run()
