import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { confusionTable } from '../../src/cli/commands/eval.js'
import { firstWeights } from '../../src/cli/commands/train.js'
import { parseRunOptions } from '../../src/cli/run-folder.js'
import { RunFolder } from '../../src/files/folder/folder.js'
import { serializeState } from '../../src/files/state.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { run as runProcess } from './command.js'
import { parseLines, refuse, run, succeed, tiny } from './in-process.js'

const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

test(`train without options: digits beyond 97.5 % (seed ${seed})`, async () => {
  const { code, stdout, stderr } = await runProcess(['train', '--seed', String(seed), '--json'])
  assert.is(code, 0, stderr)
  const final = parseLines(stdout).at(-1)!
  assert.equal(
    [final.dataset, final.model, final.timeSteps, final.seed],
    ['digits', 'cnn', 4, seed],
  )
  assert.ok((final.testAccuracy as number) >= 0.975, `test accuracy ${final.testAccuracy}`)
})

test('train --json: one object an epoch and the final one, with the numbers of the contract', async () => {
  const { stdout, stderr } = await succeed([
    'train',
    ...tiny,
    '--epochs',
    '2',
    '--time-steps',
    '3',
    '--json',
  ])
  assert.is(stderr, '')
  const lines = parseLines(stdout)
  assert.equal([lines.length, ...lines.map(({ epoch, final }) => epoch ?? final)], [3, 1, 2, true])
  for (const line of lines.slice(0, 2)) {
    for (const key of [
      'trainLoss',
      'trainAccuracy',
      'testLoss',
      'testAccuracy',
      'stepMs',
      'samplesPerSecond',
    ])
      assert.type(line[key], 'number', key)
  }
  const final = lines[2]
  for (const key of [
    'testAccuracy',
    'trainLoss',
    'stepMs',
    'samplesPerSecond',
    'peakMemoryMB',
    'parameters',
  ]) {
    assert.ok(Number.isFinite(final[key]), `${key} is ${final[key]}`)
  }
  assert.is(final.testAccuracy, lines[1].testAccuracy)
  assert.is(final.trainLoss, lines[1].trainLoss)
  assert.ok((final.peakMemoryMB as number) > 20, `peakMemoryMB ${final.peakMemoryMB}`)
  const rates = Object.values(final.firingRates as Record<string, number>)
  assert.ok(rates.length === 2 && rates.every((rate) => rate > 0 && rate < 1), `rates ${rates}`)
  // 1·16·9 + 2·16, 16·32·9 + 2·32, 32·2·2·10 + 10
  assert.equal(
    [final.parameters, final.timeSteps, final.threads, final.method, final.aborted, final.out],
    [6138, 3, 1, 'rate', false, null],
  )
})

test('train: a person sees a line an epoch and a table, and no bar without a terminal', async () => {
  const { stdout, stderr } = await succeed(['train', ...tiny, '--epochs', '2'])
  assert.is(stderr, '')
  assert.match(stdout, /96 training samples and 71 test samples/)
  assert.match(
    stdout,
    /epoch 1\/2 {2}loss \d+\.\d{4} {2}train \d+\.\d\d % {2}test \d+\.\d\d % {2}test loss \d\.\d{4} {2}lr [\d.]+ {2}\d+ samples\/s {2}rates 2: 0\.\d\d, 6: 0\.\d\d {2}best\n/,
  )
  for (const row of [
    'test accuracy',
    'median step',
    'peak memory',
    'firing rate, layer 2',
    'firing rate, layer 6',
  ])
    assert.match(stdout, row)
})

test('train: every method and step mode runs', async () => {
  const variants = [
    ['--method', 'rate', '--step-mode', 's'],
    ['--method', 'bptt'],
    ['--method', 'bptt', '--gradient-checkpoint', 'layers'],
    ['--method', 'ottt', '--model', 'mlp', '--tau', '2', '--update', 'everyStep'],
    ['--method', 'sltt', '--model', 'mlp', '--backward-steps', '2', '--schedule', 'constant'],
  ]
  for (const variant of variants) {
    const { code, stdout, stderr } = await run(['train', ...tiny, ...variant, '--json'])
    assert.is(code, 0, `${variant.join(' ')}: ${stderr}`)
    const final = parseLines(stdout).at(-1)!
    assert.is(final.method, variant[1])
    assert.is(final.stepMode, variant.includes('bptt') ? 'm' : 's')
  }
})

test('train: threads do not change the numbers, seeds do', async () => {
  const losses: unknown[] = []
  for (const args of [
    ['--threads', '1'],
    ['--threads', '2'],
    ['--threads', '2', '--seed', '1'],
  ]) {
    losses.push(
      parseLines((await run(['train', ...tiny, ...args, '--json'])).stdout).at(-1)!.trainLoss,
    )
  }
  assert.is(losses[0], losses[1])
  assert.is.not(losses[0], losses[2])
})

test('train: a batch is never larger than a small training set, of which a part may test', async () => {
  const some = ['--limit-train', '10', '--validation-split', '0.3', '--epochs', '1']
  const { stdout } = await succeed(['train', ...some, '--threads', '1'])
  assert.match(
    stdout,
    /^digits: 7 training samples and 3 validation samples, the last of the train/,
  )
  assert.match(stdout, /T 4, batch 7, 1 epoch/)
})

test('train --out: weights, options and history; eval gives the same numbers', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'runs', 'first')
    const options = [
      '--model',
      'mlp',
      '--tau',
      '1.5',
      '--time-steps',
      '5',
      '--epochs',
      '2',
      '--seed',
      '3',
    ]
    const trained = await succeed(['train', ...tiny, ...options, '--out', out, '--json'])
    assert.match(trained.stderr, `saved weights, options and history in ${out}`)
    assert.equal((await readdir(out)).sort(), [
      'best.safetensors',
      'checkpoint.safetensors',
      'history.jsonl',
      'manifest.json',
      'options.json',
      'report.html',
      'weights.safetensors',
    ])
    const lines = parseLines(trained.stdout)
    const final = lines.at(-1)!

    const history = parseLines(await readFile(join(out, 'history.jsonl'), 'utf8'))
    assert.equal(
      history,
      lines.slice(0, -1).map(({ id: _, options: __, ...record }) => record),
    )
    const saved = JSON.parse(await readFile(join(out, 'options.json'), 'utf8'))
    assert.equal(
      [saved.model, saved.dataset, saved.input, saved.tau, saved.seed, saved.stepMode],
      ['mlp', 'digits', [1, 8, 8], 1.5, 3, 'm'],
    )

    const fromRun = await succeed(['eval', '--run', out, '--json'])
    const [evaluated] = parseLines(fromRun.stdout)
    assert.equal(
      [evaluated.final, evaluated.samples, evaluated.testAccuracy, evaluated.testLoss],
      [true, 71, final.testAccuracy, final.testLoss],
    )

    const rebuild = [
      '--model',
      'mlp',
      '--tau',
      '1.5',
      '--time-steps',
      '5',
      '--limit-test',
      '71',
      '--batch-size',
      '32',
    ]
    const fromWeights = await succeed([
      'eval',
      '--weights',
      join(out, 'weights.safetensors'),
      ...rebuild,
      '--json',
    ])
    assert.is(parseLines(fromWeights.stdout)[0].testLoss, final.testLoss)

    const onTrain = await succeed(['eval', '--run', out, '--split', 'train'])
    assert.match(onTrain.stdout, /train accuracy.*%/)
    assert.match(onTrain.stdout, /samples +│ +96 /)
  }))

test('train --load: starts from the weights, also in a run that goes on from its beginning', () =>
  withFolder(async (folder) => {
    assert.is((await run(['train', '--epochs', '3', '--threads', '1', '--out', folder])).code, 0)
    const start = ['--lr', '0', '--load', 'weights.safetensors', '--out', 'run', '--json']
    const { code, stdout, stderr } = await run(['train', ...tiny, ...start], { cwd: folder })
    assert.is(code, 0, stderr)
    const { trainAccuracy, id } = parseLines(stdout).at(-1)!
    assert.ok((trainAccuracy as number) > 0.8, `accuracy of loaded weights is ${trainAccuracy}`)
    // As a run that was killed before its first checkpoint; the command runs somewhere else.
    const begun = await RunFolder.open(join(folder, 'run'))
    const options = await begun.read('options.json')
    await begun.commit({ 'options.json': options }, { alone: true })
    await begun.close()
    const again = await succeed(['train', '--resume', join(folder, 'run'), '--json'])
    const last = parseLines(again.stdout).at(-1)!
    assert.equal([last.trainAccuracy, last.id], [trainAccuracy, id])
    // Another file, and none.
    const path = join(folder, 'weights.safetensors')
    const parsed = parseRunOptions(options, 'options.json')
    await writeFile(path, serializeState({}))
    for (const why of [/\.safetensors must be as it was .* SHA-256 \w{64}, got/, /no such file/]) {
      const message = await messageOf(() => firstWeights(parsed.load!, parsed))
      assert.match(message, /^--resume: .* --load: .*; put that file back, or train anew with --ov/)
      assert.match(message, why)
      await rm(path, { force: true })
    }
  }))

test('train --augment: CIFAR-10 images change', () =>
  withFolder(async (folder) => {
    // Records of a label and 3·32·32 bytes.
    const records = (n: number): Uint8Array =>
      Uint8Array.from({ length: n * 3073 }, (_, i) => (i % 3073 === 0 ? i % 10 : (i * 31) % 251))
    await writeFile(join(folder, 'data_batch_1.bin'), records(24))
    await writeFile(join(folder, 'test_batch.bin'), records(5))
    const finals: Record<string, unknown>[] = []
    for (const option of [[], ['--augment']]) {
      const args = [
        '--dataset',
        'cifar10',
        '--data',
        folder,
        '--epochs',
        '1',
        '--threads',
        '1',
        '--lr',
        '0',
        ...option,
      ]
      const { stdout } = await succeed(['train', ...args, '--json'])
      finals.push(parseLines(stdout).at(-1)!)
    }
    assert.is.not(finals[0].trainLoss, finals[1].trainLoss)
  }))

test('train --out: a run that fails leaves no folder behind', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'a', 'b')
    assert.is((await run(['train', '--lr', '1e38', '--epochs', '1', '--out', out])).code, 1)
    assert.ok(
      await access(join(folder, 'a')).then(
        () => false,
        () => true,
      ),
    )
  }))

test('eval: measures of each class, and of the best answers', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    await run(['train', ...tiny, '--model', 'mlp', '--out', out])
    const own = ['--run', out, '--threads', '1']
    const text = await run(['eval', ...own, '--per-class', '--top-k', '3'])
    assert.match(text.stdout, /label among 3 best *│? *\d+\.\d\d %/)
    assert.match(text.stdout, /class.*samples.*precision.*recall.*f1/)
    const [line] = parseLines((await run(['eval', ...own, '--top-k', '10', '--json'])).stdout)
    const { perClass, confusion, topK, samples, testAccuracy } = line as unknown as {
      perClass: { count: number }[]
      confusion: number[][]
      topK: number
      samples: number
      testAccuracy: number
    }
    assert.equal([topK, perClass.length], [1, 10])
    assert.equal(
      perClass.map(({ count }) => count),
      confusion.map((row) => row.reduce((a, b) => a + b, 0)),
    )
    const [, matrix] = text.stdout.split('label \\ answer')
    const shown = matrix.split('\n').filter((row) => /^│ \d/.test(row))
    assert.equal(
      shown.map((row) => row.match(/\d+/g)!.map(Number)),
      confusion.map((row, label) => [label, ...row]),
    )
    const large = { confusion: Array(21).fill(Array(21).fill(0)) }
    assert.is(confusionTable(large, undefined), undefined)
    assert.is(confusion.reduce((sum, row, c) => sum + row[c], 0) / samples, testAccuracy)
    await refuse(
      ['eval', '--on', 'net.wasm', '--per-class'],
      /--per-class must be left out with --on/,
    )
  }))

test.run()
