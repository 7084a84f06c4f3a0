import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { confusionTable } from '../../src/cli/commands/eval.js'
import { firstWeights } from '../../src/cli/commands/train.js'
import { parseRunOptions } from '../../src/cli/run-folder.js'
import { RunFolder } from '../../src/files/folder/folder.js'
import { serializeState } from '../../src/files/state.js'
import { messageOf } from '../files/temporary.js'
import { run as runProcess } from './command.js'
import { inFolder, lastOf, parseLines, small, succeed } from './in-process.js'

const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

test(`train without options: digits beyond 97.5 % (seed ${seed})`, async () => {
  const { code, stdout, stderr } = await runProcess(['train', '--seed', String(seed), '--json'])
  assert.is(code, 0, stderr)
  const { testAccuracy, ...final } = parseLines(stdout).at(-1)!
  assert.equal(
    [final.dataset, final.model, final.timeSteps, final.seed],
    ['digits', 'cnn', 4, seed],
  )
  assert.ok((testAccuracy as number) >= 0.975, `test accuracy ${testAccuracy}`)
})

test('train --json: one object an epoch and the final one, with the numbers of the contract', async () => {
  const { stdout, stderr } = await succeed(`train ${small} --epochs 2 --time-steps 3 --json`)
  assert.is(stderr, '')
  const lines = parseLines(stdout)
  assert.equal([lines.length, ...lines.map(({ epoch, final }) => epoch ?? final)], [3, 1, 2, true])
  const [, last, final] = lines
  const ofAll = ['testAccuracy', 'trainLoss', 'stepMs', 'samplesPerSecond']
  const ofEpoch = [...ofAll, 'trainAccuracy', 'testLoss']
  for (const [line, keys] of [
    [lines[0], ofEpoch],
    [last, ofEpoch],
    [final, [...ofAll, 'peakMemoryMB', 'parameters']],
  ] as const)
    for (const key of keys) assert.ok(Number.isFinite(line[key]), `${key} is ${line[key]}`)
  assert.equal([final.testAccuracy, final.trainLoss], [last.testAccuracy, last.trainLoss])
  assert.ok((final.peakMemoryMB as number) > 20, `peakMemoryMB ${final.peakMemoryMB}`)
  const rates = Object.values(final.firingRates as Record<string, number>)
  assert.ok(rates.length === 2 && rates.every((rate) => rate > 0 && rate < 1), `rates ${rates}`)
  // 1·16·9 + 2·16, 16·32·9 + 2·32, 32·2·2·10 + 10
  assert.equal(
    [final.parameters, final.timeSteps, final.threads, final.method, final.aborted, final.out],
    [6138, 3, 1, 'rate', false, null],
  )
})

test('train: every method and step mode runs', async () => {
  for (const variant of [
    '--method rate --step-mode s',
    '--method bptt',
    '--method bptt --gradient-checkpoint layers',
    '--method ottt --model mlp --tau 2 --update everyStep',
    '--method sltt --model mlp --backward-steps 2 --schedule constant',
    '--encoder rate --time-steps 3',
    '--encoder phase --time-steps 3',
  ]) {
    const { method, stepMode, timeSteps } = await lastOf(`train ${small} ${variant}`)
    const wanted = /--method (\w+)/.exec(variant)?.[1] ?? 'rate'
    assert.is(method, wanted)
    assert.is(stepMode, /bptt|encoder/.test(variant) ? 'm' : 's', variant)
    assert.is(timeSteps, variant.includes('encoder') ? 3 : 4)
  }
})

test('train: threads do not change the numbers, seeds do', async () => {
  const lossOf = async (args: string) => (await lastOf(`train ${small} ${args}`)).trainLoss
  const loss = await lossOf('--threads 1')
  assert.is(await lossOf('--threads 2'), loss)
  assert.is.not(await lossOf('--threads 2 --seed 1'), loss)
})

test('train: a batch is never larger than a small training set, of which a part may test', async () => {
  const some = '--limit-train 10 --validation-split 0.3 --epochs 1 --threads 1'
  const { stdout } = await succeed(`train ${some}`)
  assert.match(
    stdout,
    /^digits: 7 training samples and 3 validation samples, the last of the train/,
  )
  assert.match(stdout, /T 4, batch 7, 1 epoch/)
})

test('train --out: weights, options and history; eval gives the same numbers', () =>
  inFolder(async (folder, { succeed, lastOf }) => {
    const network = '--model mlp --tau 1.5 --time-steps 5'
    const out = join(folder, 'runs', 'first')
    const options = `${network} --epochs 2 --seed 3 --out runs/first --json`
    const trained = await succeed(`train ${small} ${options}`)
    assert.match(trained.stderr, `saved weights, options and history in ${out}`)
    assert.is(
      (await readdir(out)).sort().join(' '),
      'best.safetensors checkpoint.safetensors history.jsonl manifest.json options.json ' +
        'report.html weights.safetensors',
    )
    const lines = parseLines(trained.stdout)
    const { testAccuracy, testLoss } = lines.at(-1)!
    assert.equal(
      parseLines(await readFile(join(out, 'history.jsonl'), 'utf8')),
      lines.slice(0, -1).map(({ id: _, options: __, ...record }) => record),
    )
    const saved = JSON.parse(await readFile(join(out, 'options.json'), 'utf8'))
    assert.equal(
      [saved.model, saved.dataset, saved.input, saved.tau, saved.seed, saved.stepMode],
      ['mlp', 'digits', [1, 8, 8], 1.5, 3, 'm'],
    )
    const found = await lastOf('eval --run runs/first')
    assert.equal(
      [found.final, found.samples, found.testAccuracy, found.testLoss],
      [true, 71, testAccuracy, testLoss],
    )
    const file = '--weights runs/first/weights.safetensors'
    const rebuilt = await lastOf(`eval ${file} ${network} --limit-test 71 --batch-size 32`)
    assert.is(rebuilt.testLoss, testLoss)
    const onTrain = await lastOf('eval --run runs/first --split train')
    assert.equal([onTrain.samples, typeof onTrain.trainAccuracy], [96, 'number'])
  }))

test('train --load: starts from the weights, also in a run that goes on from its beginning', () =>
  inFolder(async (folder, { succeed, lastOf }) => {
    await succeed('train --epochs 3 --threads 1 --out first')
    const load = '--lr 0 --load first/weights.safetensors --out run'
    const { trainAccuracy, id } = await lastOf(`train ${small} ${load}`)
    assert.ok((trainAccuracy as number) > 0.8, `accuracy of loaded weights is ${trainAccuracy}`)
    // As a run that was killed before its first checkpoint.
    const begun = await RunFolder.open(join(folder, 'run'))
    const options = await begun.read('options.json')
    await begun.commit({ 'options.json': options }, { alone: true })
    await begun.close()
    const last = await lastOf('train --resume run')
    assert.equal([last.trainAccuracy, last.id], [trainAccuracy, id])
    // Another file, and none.
    const path = join(folder, 'first/weights.safetensors')
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
  inFolder(async (folder, { lastOf }) => {
    // Records of a label and 3·32·32 bytes.
    const records = (n: number): Uint8Array =>
      Uint8Array.from({ length: n * 3073 }, (_, i) => (i % 3073 === 0 ? i % 10 : (i * 31) % 251))
    await writeFile(join(folder, 'data_batch_1.bin'), records(24))
    await writeFile(join(folder, 'test_batch.bin'), records(5))
    const train = 'train --dataset cifar10 --data . --epochs 1 --threads 1 --lr 0'
    const [plain, changed] = [await lastOf(train), await lastOf(`${train} --augment`)]
    assert.is.not(plain.trainLoss, changed.trainLoss)
  }))

test('eval: measures of each class, and of the best answers', () =>
  inFolder(async (_, { succeed, lastOf }) => {
    await succeed(`train ${small} --model mlp --out run`)
    const { stdout } = await succeed('eval --run run --per-class --top-k 3')
    assert.match(stdout, /label among 3 best *│? *\d+\.\d\d %/)
    assert.match(stdout, /class.*samples.*precision.*recall.*f1/)
    const line = await lastOf('eval --run run --top-k 10')
    const { topK, samples, testAccuracy } = line
    const [perClass, confusion] = [
      line.perClass as { count: number }[],
      line.confusion as number[][],
    ]
    assert.equal([topK, perClass.length], [1, 10])
    assert.equal(
      perClass.map(({ count }) => count),
      confusion.map((row) => row.reduce((a, b) => a + b, 0)),
    )
    const [, matrix] = stdout.split('label \\ answer')
    const shown = matrix.split('\n').filter((row) => /^│ \d/.test(row))
    assert.equal(
      shown.map((row) => row.match(/\d+/g)!.map(Number)),
      confusion.map((row, label) => [label, ...row]),
    )
    const right = confusion.reduce((sum, row, c) => sum + row[c], 0)
    assert.is(right / (samples as number), testAccuracy)
    const large = { confusion: Array(21).fill(Array(21).fill(0)) }
    assert.is(confusionTable(large, undefined), undefined)
  }))

test.run()
