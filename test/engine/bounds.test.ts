// runs: apart
/** Options of all sizes: each gives a model that works, or one error, and neither takes long. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RandomStream } from '../../src/base/random.js'
import * as api from '../../src/index.js'
import { soon } from '../support/soon.js'

const MIB = 2 ** 20
/** What the network of one trial may take, so that it is made, or must be refused. */
const SMALL = 16 * MIB
const FAR_TOO_LARGE = 2 ** 32

class Choices {
  private readonly stream = new RandomStream(1)

  constructor(trial: number) {
    this.stream.start(11, 0, trial)
  }

  one<T>(list: readonly T[]): T {
    return list[this.stream.next() % list.length]
  }

  /** An integer from 1 to `most`, small ones as often as large ones. */
  size(most: number): number {
    return Math.floor((most + 1) ** (this.stream.next() / 2 ** 32))
  }

  /** Mostly a usable one. */
  wild(most: number, usable = most): unknown {
    const odd = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '3', 1n, null, most, most + 1]
    return this.stream.next() % 8 === 0 ? this.one(odd) : this.size(usable)
  }
}

interface Trial {
  readonly kind: string
  readonly shape: api.InputShape
  readonly outputs: number
  readonly options: api.CompileOptions
}

function trialOf(seed: number): Trial {
  const choose = new Choices(seed)
  const large = choose.one([false, false, true])
  const most = large ? 100_000 : 40
  const [C, H, W] = [choose.size(60), choose.size(most), choose.size(most)]
  const given = {
    batchSize: large ? 2 ** 20 - choose.size(2 ** 19) : choose.wild(2 ** 20, 16),
    timeSteps: choose.wild(255, choose.one([6, 255])),
    threads: choose.one([undefined, undefined, choose.wild(256, 3)]),
    seed: choose.one([undefined, choose.wild(2 ** 32 - 1)]),
    method: choose.one([undefined, 'rate', 'bptt', 'ottt', 'sltt']),
    stepMode: choose.one([undefined, 's', 'm']),
    frames: choose.one([undefined, false, true]),
    inspect: choose.one([undefined, true]),
    purpose: choose.one([undefined, 'train', 'inference', 'stream']),
    gradientCheckpoint: choose.one([undefined, undefined, 'layers', true]),
  }
  const shape = choose.one<api.InputShape>([[C], [C, W], [C, H, W]])
  const options = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined))
  return {
    kind: choose.one(['linear', 'conv', 'mlp']),
    shape,
    outputs: choose.size(choose.one([20, 70_000, 10_000_000])),
    options: { input: shape, ...options } as api.CompileOptions,
  }
}

/** Bytes of what is largest in its memory without regard to steps, and with it. */
function bytesOf({ shape, outputs, options }: Trial): { least: number; most: number } {
  const number = (value: unknown, other: number): number =>
    typeof value === 'number' && value >= 1 && value < 2 ** 33 ? value : other
  const floats = shape.reduce<number>((a, b) => a * b, 1)
  const least = 4 * number(options.batchSize, 64) * floats
  const values = floats + Math.min(outputs, 65536) + 256
  const steps = number(options.timeSteps, 4)
  const weights = 16 * values * 256 + 16 * floats * Math.min(outputs, 65536)
  return { least, most: 8 * number(options.batchSize, 64) * values * steps + weights }
}

async function compileAndRun({ kind, shape, outputs, options }: Trial): Promise<void> {
  const floats = shape.reduce<number>((a, b) => a * b, 1)
  const [C] = shape
  const nets = {
    linear: () => api.sequential(api.flatten(), api.linear(floats, outputs)),
    mlp: () => api.mlp(shape, outputs),
    conv: () =>
      api.sequential(
        ...[api.conv2d(C, 8, 1), api.batchNorm2d(8), api.lif(), api.flatten()],
        api.linear((8 * floats) / C, Math.min(outputs, 100)),
      ),
  }
  const model = await nets[kind as keyof typeof nets]().compile(options)
  try {
    const x = new Float32Array(model.batchSize * model.session.imageFloats)
    const { purpose = 'train' } = options
    if (purpose === 'train') await model.trainStep(x, new Int32Array(model.batchSize))
    else if (purpose === 'inference') await model.predict(x)
    else await model.step(x)
  } finally {
    await model.dispose()
  }
}

test('options of any size: a model that works, or one error', async () => {
  const outcomes = { works: 0, refused: 0, tooLarge: 0 }
  for (let seed = 0; seed < 300; seed++) {
    const trial = trialOf(seed)
    const { least, most } = bytesOf(trial)
    // What lies between would take gigabytes here.
    if (most > SMALL && least < FAR_TOO_LARGE) continue
    const about = `trial ${seed}: ${trial.kind} ${trial.shape} ${trial.outputs}`
    try {
      await soon(compileAndRun(trial))
      assert.ok(most <= SMALL, `${about} needs too much`)
      outcomes.works++
    } catch (error) {
      const { name, message } = error as Error
      assert.is(name, 'SpikewasmError', `${about}: ${message}`)
      assert.not.match(message, /\n|call stack|NaN GiB/, about)
      if (/4 GiB/.test(message)) outcomes.tooLarge++
      else outcomes.refused++
    }
  }
  // Each kind of outcome has been seen.
  for (const [kind, count] of Object.entries(outcomes))
    assert.ok(count >= 5, `too few of ${kind}: ${JSON.stringify(outcomes)}`)
})

test.run()
