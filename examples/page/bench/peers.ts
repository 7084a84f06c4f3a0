// @ts-nocheck: its libraries are installed on demand.
/**
 * Other libraries on dense work of the same shapes. They have no spikes: a convolution of B·T
 * images of floats is what a spiking layer's forward pass is to them, and a step of the rate method
 * needs its gradients once, on B. Loaded only when they are asked for.
 */
import { batchFor } from './batch.js'
import type { Answer, Peer, PeerTimes } from './messages.js'

type Send = (answer: Answer) => void

/** A convolution of 3×3 that keeps the size: channels and side. */
interface Shape {
  readonly C: number
  readonly side: number
}

const shapes: readonly Shape[] = [
  { C: 128, side: 16 },
  { C: 256, side: 8 },
]
const [B, T] = [4, 4]
/** A step of `cnn`: its images at most, each T times, and its sizes. */
const [STEP_BATCH, SIDE, CLASSES] = [64, 32, 10]

const noise = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898))

const workOf = ({ C, side }: Shape, images: number): PeerTimes['work'] => ({
  amount: (2 * images * side * side * 9 * C * C) / 1e9,
  unit: 'GFLOP',
})

/**
 * Times of calls behind a warm-up; each call ends when its result is there.
 * @param alive called behind each of them
 */
async function time(call: () => Promise<void>, ms: number, alive: () => void): Promise<number[]> {
  const times: number[] = []
  const once = async (): Promise<number> => {
    const start = performance.now()
    await call()
    alive()
    return performance.now() - start
  }
  const begin = performance.now()
  const isWithin = (share: number): boolean => performance.now() < begin + share * ms
  do await once()
  while (isWithin(1 / 3))
  // Calls that take longer than all should: one of them is a time, too.
  do times.push(await once())
  while (times.length < 64 && isWithin(times.length < 3 ? 4 : 1))
  return times
}

/** What a library can do with its data already in its memory. */
interface Library {
  readonly name: string
  forward(shape: Shape): () => Promise<void>
  inputGradient(shape: Shape): () => Promise<void>
  weightGradient(shape: Shape): () => Promise<void>
  /** @param images already T times as many */
  step(images: number): () => Promise<void>
  /** How many threads it takes; absent: one, or a GPU. */
  readonly threads?: number
}

async function tensorflow(backend: 'wasm' | 'webgl'): Promise<Library> {
  const tf = await import('@tensorflow/tfjs-core')
  await Promise.all([
    import('@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js'),
    import('@tensorflow/tfjs-core/dist/register_all_gradients.js'),
  ])
  if (backend === 'wasm') {
    const [{ setWasmPath }, { default: url }] = await Promise.all([
      import('@tensorflow/tfjs-backend-wasm'),
      import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'),
    ])
    // One thread, as the kernels of this package beside it.
    setWasmPath(new URL(url, location.href).href)
  } else await import('@tensorflow/tfjs-backend-webgl')
  if (!(await tf.setBackend(backend))) throw new Error(`${backend} cannot be used here`)
  await tf.ready()
  type Tensor = ReturnType<typeof tf.zeros>
  const random = (...shape: number[]): Tensor =>
    tf.tensor(noise(shape.reduce((a, b) => a * b, 1)), shape)
  /** One number of it is enough to know that all is there. */
  const done = async (result: Tensor): Promise<void> => {
    const first = tf.tidy(() => result.flatten().slice([0], [1]))
    await first.data()
    tf.dispose([result, first])
  }
  const parts = ({ C, side }: Shape, images: number) => ({
    x: random(images, side, side, C) as never,
    w: random(3, 3, C, C) as never,
    dy: random(images, side, side, C) as never,
  })
  return {
    name: `tfjs ${backend}`,
    forward(shape) {
      const { x, w } = parts(shape, B * T)
      return () => done(tf.conv2d(x, w, 1, 'same'))
    },
    inputGradient(shape) {
      const { w, dy } = parts(shape, B)
      const { side, C } = shape
      return () => done(tf.conv2dTranspose(dy, w, [B, side, side, C], 1, 'same'))
    },
    weightGradient(shape) {
      const { x, w, dy } = parts(shape, B)
      const gradient = tf.grad((weight) =>
        tf
          .conv2d(x, weight as never, 1, 'same')
          .mul(dy)
          .sum(),
      )
      return () => done(gradient(w))
    },
    step(images) {
      const x = random(images, SIDE, SIDE, 3)
      const labels = Array.from({ length: images }, (_, i) => i % CLASSES)
      const y = tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES)
      const scaled = (...shape: number[]) => tf.variable(random(...shape).mul(0.05))
      const weights = [scaled(3, 3, 3, 16), scaled(3, 3, 16, 32), scaled(32 * 64, CLASSES)]
      const [w1, w2, w3] = weights as never[]
      const loss = () => {
        const half = (value: Tensor, w: never): Tensor =>
          tf.avgPool(tf.relu(tf.conv2d(value as never, w, 1, 'same')), 2, 2, 'valid')
        const flat = half(half(x, w1), w2).reshape([images, -1])
        const logits = tf.matMul(flat as never, w3)
        return tf.neg(tf.mean(tf.sum(tf.mul(y, tf.logSoftmax(logits)), 1))) as never
      }
      return async () => {
        const { value, grads } = tf.variableGrads(loss, weights)
        tf.tidy(() => {
          for (const weight of weights) weight.assign(weight.sub(grads[weight.name].mul(1e-3)))
        })
        tf.dispose(grads)
        await value.data()
        value.dispose()
      }
    },
  }
}

async function jax(device: 'wasm' | 'webgpu'): Promise<Library> {
  const { defaultDevice, grad, init, jit, lax, nn, numpy: np } = await import('@jax-js/jax')
  if (!(await init()).includes(device)) throw new Error(`${device} cannot be used here`)
  defaultDevice(device)
  type Values = ReturnType<typeof np.zeros>
  const random = (...shape: number[]): Values =>
    np.array(noise(shape.reduce((a, b) => a * b, 1))).reshape(shape)
  const done = async (result: Values): Promise<void> => {
    await result.blockUntilReady()
    result.dispose()
  }
  const conv = (x: Values, w: Values): Values => lax.convGeneralDilated(x, w, [1, 1], 'SAME')
  const parts = ({ C, side }: Shape, images: number) => ({
    x: random(images, C, side, side),
    w: random(C, C, 3, 3),
    dy: random(images, C, side, side),
  })
  return {
    name: `jax-js ${device}`,
    // Where memory can be shared it takes all there are.
    ...(device === 'wasm' && globalThis.crossOriginIsolated
      ? { threads: navigator.hardwareConcurrency || 1 }
      : {}),
    forward(shape) {
      const { x, w } = parts(shape, B * T)
      const run = jit(conv)
      return () => done(run(x.ref, w.ref))
    },
    inputGradient(shape) {
      const { x, w, dy } = parts(shape, B)
      const run = jit(
        grad((at: Values, weight: Values, by: Values) => conv(at, weight).mul(by).sum()),
      )
      return () => done(run(x.ref, w.ref, dy.ref))
    },
    weightGradient(shape) {
      const { x, w, dy } = parts(shape, B)
      const run = jit(
        grad((weight: Values, at: Values, by: Values) => conv(at, weight).mul(by).sum()),
      )
      return () => done(run(w.ref, x.ref, dy.ref))
    },
    step(count) {
      const x = random(count, 3, SIDE, SIDE)
      const y = random(count, CLASSES)
      let weights = [random(16, 3, 3, 3), random(32, 16, 3, 3), random(32 * 64, CLASSES)].map(
        (weight) => weight.mul(0.05),
      )
      const loss = ([w1, w2, w3]: Values[], images: Values, targets: Values): Values => {
        const half = (value: Values, w: Values): Values => {
          const active = nn.relu(conv(value, w))
          const [images_, channels, height, width] = active.shape
          return active.reshape([images_, channels, height / 2, 2, width / 2, 2]).mean([3, 5])
        }
        const flat = half(half(images, w1), w2).reshape([count, -1])
        return nn
          .logSoftmax(np.matmul(flat, w3))
          .mul(targets)
          .sum()
          .mul(-1 / count)
      }
      const run = jit((all: Values[], images: Values, targets: Values): Values[] => {
        const gradients = grad(loss)(
          all.map((weight) => weight.ref),
          images,
          targets,
        ) as Values[]
        return all.map((weight, i) => weight.sub(gradients[i].mul(1e-3)))
      })
      return async () => {
        weights = run(weights, x.ref, y.ref)
        for (const weight of weights) await weight.blockUntilReady()
      }
    },
  }
}

/** A library that never gets ready holds nobody up. */
const within = <V>(seconds: number, promise: Promise<V>): Promise<V> =>
  Promise.race([
    promise,
    new Promise<V>((_, fail) => {
      setTimeout(() => fail(new Error(`not ready within ${seconds} seconds`)), 1000 * seconds)
    }),
  ])

const open: Readonly<Record<Peer, () => Promise<Library>>> = {
  'tfjs wasm': () => tensorflow('wasm'),
  'tfjs webgl': () => tensorflow('webgl'),
  'jax-js wasm': () => jax('wasm'),
  'jax-js webgpu': () => jax('webgpu'),
}

/** Measures what the library can do; what it cannot is told with its reason. */
export async function measurePeer(title: Peer, seconds: number, send: Send): Promise<void> {
  const failed = (name: string, error: unknown): void =>
    send({ kind: 'failed', name, reason: String(error?.message ?? error).slice(0, 200) })
  const count = 3 * shapes.length + 1
  let index = 0
  let library: Library
  send({ kind: 'begin', name: title, index, count })
  try {
    library = await within(20, open[title]())
  } catch (error) {
    failed(title, error)
    return
  }
  const { threads = 1 } = library
  const measure = async (
    what: string,
    prepare: () => () => Promise<void>,
    work: PeerTimes['work'],
  ): Promise<void> => {
    const name = `${title} ${what}${threads > 1 ? ` threads ${threads}` : ''}`
    send({ kind: 'begin', name, index: index++, count })
    try {
      send({
        kind: 'peer',
        times: {
          ...{ name, work },
          ms: await time(prepare(), (1000 * seconds) / count, () => send({ kind: 'alive' })),
        },
      })
    } catch (error) {
      failed(name, error)
    }
  }
  for (const shape of shapes) {
    const of = `${shape.C}x${shape.side}x${shape.side}-${shape.C} k3 B${B}`
    const { forward, inputGradient, weightGradient } = library
    await measure(`conv2d dense ${of} T${T}`, () => forward(shape), workOf(shape, B * T))
    await measure(`conv2dInputGradient ${of}`, () => inputGradient(shape), workOf(shape, B))
    await measure(`conv2dWeightGradient ${of}`, () => weightGradient(shape), workOf(shape, B))
  }
  const images = await stepBatch(library, () => send({ kind: 'alive' }))
  const work = { amount: images, unit: 'images' }
  await measure(`train cnn relu B${images} T${T}`, () => library.step(images * T), work)
}

/** So many images a step that a call takes some seconds at most. */
async function stepBatch({ step }: Library, alive: () => void): Promise<number> {
  try {
    const call = step(T)
    let ms = 0
    // The first one compiles.
    for (let i = 0; i < 3; i++) {
      const start = performance.now()
      await call()
      alive()
      ms = performance.now() - start
    }
    return batchFor(ms, STEP_BATCH)
  } catch {
    // The measurement says why.
    return STEP_BATCH
  }
}
