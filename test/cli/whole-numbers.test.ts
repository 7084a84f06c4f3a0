/** The command line with weights of whole numbers: from training to an exported file. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jobOptions, readJobOptions } from '../../src/cli/rounds/replica.js'
import { readRunOptions } from '../../src/cli/run-folder.js'
import { checkRun } from '../../src/cli/sweep/spec.js'
import { netInfo } from '../../src/edge/net.js'
import { loadModel } from '../../src/index.js'
import { inFolder, small } from './in-process.js'

test('a run with --weights: tested, gone on with, exported and verified with the same bits', () =>
  inFolder(async (folder, { lastOf, succeed, refuse, run }) => {
    const trained = await lastOf(`train ${small} --model mlp --weights int8 --out net`)
    assert.equal([trained.weights, trained.method], ['int8', 'rate'])
    assert.is((await readRunOptions(join(folder, 'net'))).weights, 'int8')
    const model = await loadModel(join(folder, 'net'))
    assert.is(model.weightType, 'int8')
    await model.dispose()

    for (const how of [
      '--run net',
      '--weights net/weights.safetensors',
      '--weights net/weights.safetensors --model mlp',
    ]) {
      const { testLoss, testAccuracy } = await lastOf(`eval ${how} --limit-test 71`)
      assert.ok(Math.abs((testLoss as number) - (trained.testLoss as number)) < 1e-6, how)
      assert.is(testAccuracy, trained.testAccuracy)
    }
    const exported = await lastOf('export --run net --out net.wasm')
    const [{ accuracy }] = exported.files as { accuracy: number }[]
    assert.equal(
      [exported.precision, exported.modelAccuracy, accuracy],
      ['int8', trained.testAccuracy, trained.testAccuracy],
    )
    await lastOf('export --run net --mode train --batch-size 4 --out learner.wasm')
    assert.is(netInfo(new Uint8Array(await readFile(join(folder, 'learner.wasm')))).weights, 'int8')
    for (const file of ['net.wasm', 'learner.wasm']) {
      const verified = await lastOf(`verify ${file} --run net --hosts node --samples 40`)
      assert.equal([verified.exact, verified.precision], [true, 'int8'])
    }
    await succeed(`train ${small} --model mlp --weights int6 --out six`)
    const other = await run('verify net.wasm --run six --hosts node --samples 9')
    assert.match(
      other.stdout,
      /\nthe file has weights int8, the model was trained with int6: export/,
    )
    await refuse(
      'export --run net --precision f32 --out other.wasm',
      /--precision must be int8, as the model was trained, got f32; leave it out/,
    )
    await refuse(
      'export --run net --precision int6 --mode train --out other.wasm',
      /--precision must be int8 with --mode train, as the model was trained, got int6/,
    )

    const { model: facts } = (await lastOf('info --run net')) as {
      model: { weightType: string; memoryBytes: { integers: number } }
    }
    assert.is(facts.weightType, 'int8')
    assert.ok(facts.memoryBytes.integers > 0)
    await refuse('train --resume net --weights int6', /--weights must be left out with --resume/)
    assert.match((await succeed('train --resume net')).stdout, /the run was finished/)
    assert.match(
      (await succeed(`train ${small} --model mlp --load net/weights.safetensors --weights int6`))
        .stdout,
      /mlp: .* weights int6, /,
    )
  }))

test('a run of floats: rounded at export to what verify expects, planned with whole numbers', () =>
  inFolder(async (folder, { lastOf, refuse, succeed }) => {
    await succeed(`train ${small} --model mlp --out net`)
    assert.not.ok('weights' in JSON.parse(await readFile(join(folder, 'net/options.json'), 'utf8')))
    for (const type of ['int8', 'int6']) {
      const found = await lastOf(`export --run net --precision ${type} --out net.wasm`)
      assert.is(found.precision, type)
      const verified = await lastOf('verify net.wasm --run net --hosts node --samples 40')
      assert.equal([verified.exact, verified.precision], [true, type])
    }
    await refuse(
      'export --run net --precision int8 --mode train --out other.wasm',
      /--precision must be f32 with --mode train, as the model was trained, got int8; leave it out/,
    )
    const { stdout } = await succeed('info --model cnn --precision int6')
    assert.match(stdout, /conv2d .* int6 /)
    assert.match(stdout, /of these whole numbers/)
    await refuse(
      `train ${small} --weights net/weights.safetensors`,
      /--weights must be one of f32, int8, int6, got "net.weights.safetensors"; --load starts from those/,
    )
    await refuse(
      'eval --weights int8',
      /--weights must be a file, got "int8"; export and info take the type of weights as --precision/,
    )
    await refuse(
      `train ${small} --precision int8`,
      /unknown option '--precision' \(Did you mean --weights\?\); /,
    )
    await refuse('eval --precision int8', /unknown option '--precision'; /)
  }))

test('sweeps and jobs of replicas hand the type on', () => {
  const { args, normal } = checkRun({ weights: 'int8' }, 'here')
  assert.equal(args, ['--weights=int8'])
  assert.is((normal as Record<string, unknown>).weights, 'int8')
  assert.throws(() => checkRun({ weights: 'int4' }, 'here'), /here: --weights must be one of f32/)
  const options = {
    ...{ version: '', model: 'cnn', dataset: 'digits', method: 'rate', stepMode: 'm', tau: 1.25 },
    ...{ update: 'afterwards', gradientCheckpoint: 'none', augment: false, input: [1, 8, 8] },
    ...{ classes: 10, timeSteps: 4, backwardSteps: 4, epochs: 1, batchSize: 8, optimizer: 'sgd' },
    ...{ lr: 0.1, weightDecay: 0, schedule: 'cosine', loss: 'crossEntropy', seed: 0, threads: 1 },
    weights: 'int6',
  }
  assert.is(readJobOptions(jobOptions(options as never)).weights, 'int6')
})

test.run()
