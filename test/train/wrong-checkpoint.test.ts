/** Checkpoints with a right hash and wrong content: one clear error, and nothing changed. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { changed, checkpoints, readers } from '../support/checkpoints.js'
import { expectSameBits } from '../support/measure.js'

/** Places in the JSON, and what does not belong there. */
type Changes = readonly (readonly [path: string, value: unknown])[]

const everywhere: Changes = [
  ['callbacks', null],
  ['records', [{ a: 'a'.repeat(40) }]],
  ['progress.sums.rates', null],
  ['progress.sums.rates', { a: 'b' }],
  ['progress.sums.loss', 'b'],
  ['progress.sums.steps', 7],
  ['progress.epoch', 99],
  ['progress.step', 1e9],
  ['steps', 1e300],
  ['optimizer.averaged', 1e308],
  ['version', 5],
  ['setting', []],
  ['setting.optimizer', undefined],
]

const ofFit: Changes = [
  ['records', []],
  ['records.0.epoch', 3],
  ['records.0.firingRates', null],
  ['callbacks.earlyStopping', null],
  ['callbacks.earlyStopping', { best: 'x' }],
  ['callbacks.earlyStopping', { $: '__proto__' }],
  ['callbacks.csvLogger', null],
  ['callbacks.csvLogger', { kind: 'csvLogger', bytes: -5 }],
]

const ofModel: Changes = [
  ['setting.training', {}],
  ['setting.training', null],
  ['setting.training.rule', 'x'],
  ['setting.training.rule', '__proto__'],
  ['setting.training.groups', 'abc'],
  ['setting.training.groups', Array(10_000).fill([])],
  ['setting.training.groups', [['nope']]],
  ['setting.training.loss', null],
  ['setting.training.loss', { kind: 'zzz' }],
  ['setting.training.loss.labelSmoothing', 1e9],
  ['setting.training.penalties', [{}]],
  ['setting.training.penalties', null],
  ['setting.training.frozen', 5],
  ['setting.training.frozen', ['nope']],
  ['setting.training.average', true],
  ['setting.method', null],
  ['setting.method', { method: 5 }],
  ['setting.optimizer.groups', [{ params: 'nope', lr: 1 }]],
]

function put(about: unknown, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() as string
  const place = keys.reduce((at, key) => at[key] as never, about as Record<string, unknown>)
  assert.ok(last in place, path)
  place[last] = value
}

for (const [kind, more] of Object.entries({ fit: ofFit, model: ofModel }))
  test(`a checkpoint of ${kind}: what is wrong is refused in one message`, () =>
    withFolder(async (folder) => {
      const { [kind as 'fit']: good } = await checkpoints()
      const { resume, load, model } = await readers(folder)
      const read = kind === 'fit' ? resume : load
      await read(good)
      const before = model.stateDict()
      for (const [path, value] of [...everywhere, ...more]) {
        const name = `${path} ${JSON.stringify(value)?.slice(0, 40)}`
        const error = await read(await changed(good, (about) => put(about, path, value))).then(
          () => assert.unreachable(`${name}: accepted`),
          (thrown: unknown) => thrown,
        )
        assert.instance(error, SpikewasmError, `${name}: ${(error as Error).stack}`)
        assert.not.match((error as Error).message, '\n', name)
        expectSameBits(name, before, model.stateDict())
      }
      await model.dispose()
    }))

test.run()
