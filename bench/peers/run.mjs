// What other WebAssembly libraries do with the same convolutions, on one thread. Reads { shapes,
// forwardImages, gradientImages, warmupMs, measureMs } as JSON from its argument; the last line
// that it writes is JSON: versions, and for each product and shape milliseconds, or why it cannot
// do the work.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { convModel } from './onnx.mjs'
import { createSession, loadOrt } from './ort.mjs'

const require = createRequire(import.meta.url)
const version = (name) => {
  const entry = require.resolve(name)
  const root = entry.slice(
    0,
    entry.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length,
  )
  return require(join(root, 'package.json')).version
}
const { shapes, forwardImages, gradientImages, warmupMs, measureMs } = JSON.parse(process.argv[2])

const noise = (length) => Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898))

/** Median milliseconds of a call behind a warm-up, its first call, and their number. */
async function time(call) {
  const times = []
  const once = async () => {
    const start = performance.now()
    await call()
    return performance.now() - start
  }
  const first = await once()
  for (let end = performance.now() + warmupMs; performance.now() < end; ) await once()
  for (let end = performance.now() + measureMs; performance.now() < end || times.length < 3; )
    times.push(await once())
  times.sort((a, b) => a - b)
  const median = times[times.length >> 1]
  const spread = times.map((t) => Math.abs(t - median)).sort((a, b) => a - b)[times.length >> 1]
  return { first, median, spread: (100 * spread) / median, samples: times.length }
}

/** The first line of an error. */
const reason = (error) =>
  String(error?.message ?? error)
    .split('\n')[0]
    .slice(0, 160)

async function attempt(result, product, work, shape, call) {
  try {
    result.push({ product, work, shape, ...(await time(call)) })
  } catch (error) {
    result.push({ product, work, shape, cannot: reason(error) })
  }
}

async function tensorflow(result) {
  const tf = require('@tensorflow/tfjs')
  const { setWasmPaths, setThreadsCount } = require('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'))
  setThreadsCount(1)
  await tf.setBackend('wasm')
  await tf.ready()
  const product = 'tfjs-backend-wasm'
  for (const s of shapes) {
    const out = s.inH / s.stride
    const many = tf.tensor4d(noise(forwardImages * s.inH * s.inH * s.inC), [
      forwardImages,
      s.inH,
      s.inH,
      s.inC,
    ])
    const x = many.slice(0, gradientImages)
    const w = tf.tensor4d(noise(s.kernel * s.kernel * s.inC * s.outC), [
      s.kernel,
      s.kernel,
      s.inC,
      s.outC,
    ])
    const dy = tf.tensor4d(noise(gradientImages * out * out * s.outC), [
      gradientImages,
      out,
      out,
      s.outC,
    ])
    const timed = (work, make) => attempt(result, product, work, s, () => make().dispose())
    // Kernels run when they are called, on memory of the backend: nothing has to be read back.
    await timed('forward, dense', () => tf.conv2d(many, w, s.stride, 'same'))
    await timed('input gradient', () => tf.conv2dTranspose(dy, w, x.shape, s.stride, 'same'))
    await timed('weight gradient', () =>
      tf.grad((weight) => tf.conv2d(x, weight, s.stride, 'same').mul(dy).sum())(w),
    )
    tf.dispose([many, x, w, dy])
  }
}

async function onnx(result) {
  const ort = loadOrt()
  const product = 'onnxruntime-web'
  for (const s of shapes) {
    const out = s.inH / s.stride
    const dims = {
      x: [forwardImages, s.inC, s.inH, s.inH],
      w: [s.outC, s.inC, s.kernel, s.kernel],
      y: [forwardImages, s.outC, out, out],
    }
    const model = convModel(
      dims.x,
      dims.w,
      dims.y,
      noise(s.outC * s.inC * s.kernel * s.kernel),
      s.stride,
      (s.kernel - 1) / 2,
    )
    let session
    try {
      session = await createSession(ort, new Uint8Array(model))
    } catch (error) {
      result.push({ product, work: 'forward, dense', shape: s, cannot: reason(error) })
      continue
    }
    const x = new ort.Tensor('float32', noise(forwardImages * s.inC * s.inH * s.inH), dims.x)
    await attempt(result, product, 'forward, dense', s, () => session.run({ x }))
    await session.release()
  }
}

const result = []
for (const [product, run] of [
  ['tfjs-backend-wasm', tensorflow],
  ['onnxruntime-web', onnx],
]) {
  try {
    await run(result)
  } catch (error) {
    result.push({ product, work: 'everything', cannot: reason(error) })
  }
}
const versions = Object.fromEntries(
  ['@tensorflow/tfjs-backend-wasm', 'onnxruntime-web'].map((name) => [name, version(name)]),
)
process.stdout.write(`\n${JSON.stringify({ versions, result })}\n`)
