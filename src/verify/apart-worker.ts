/** The thread of apart.ts: it opens a file, and answers questions about it until it is ended. */

import { parentPort, workerData } from 'node:worker_threads'
import { expectAnswer } from '../edge/answers.js'
import { type Net, openNet } from '../edge/net.js'
import { SpikewasmError } from '../errors.js'
import type { Answer, ApartSetup, Question, Report } from './apart.js'
import { frameBytesOf } from './sizes.js'

/** Milliseconds between two signs of life; a sample may take longer. */
const PAUSE_MS = 100

const port = parentPort!
const say = (report: Report): void => port.postMessage(report)

/** Mistakes of the file are told, faults of ours end the thread. */
function telling(error: unknown): void {
  if (!(error instanceof SpikewasmError)) throw error
  say({ kind: 'mistake', message: error.message })
}

function answer(net: Net, { call, input, sampleBytes }: Question): Answer {
  const { info, output } = net
  const frameBytes = frameBytesOf(info, call)
  const steps = call === 'step' ? info.timeSteps : 1
  const samples = input.length / sampleBytes
  const outputs = new Float32Array(samples * info.classes)
  const predicted = new Int32Array(samples)
  const view = new Uint8Array(net.input.buffer, net.input.byteOffset, frameBytes)
  let told = performance.now()
  for (let i = 0; i < samples; i++) {
    if (call === 'step') net.reset()
    for (let t = 0; t < steps; t++) {
      // The input need not survive a step.
      const begin = i * sampleBytes + ((t * frameBytes) % sampleBytes)
      view.set(input.subarray(begin, begin + frameBytes))
      if (call === 'step') net.step()
      else net.infer()
    }
    predicted[i] = net.predictedClass()
    expectAnswer(output, predicted[i])
    outputs.set(output, i * info.classes)
    if (performance.now() - told < PAUSE_MS) continue
    told = performance.now()
    say({ kind: 'alive', samples: i + 1 })
  }
  return { outputs, predicted }
}

async function open(): Promise<void> {
  say({ kind: 'begun' })
  try {
    const net = await openNet((workerData as ApartSetup).bytes)
    port.on('message', (question: Question) => {
      try {
        say({ kind: 'answer', answer: answer(net, question) })
      } catch (error) {
        telling(error)
      }
    })
    say({ kind: 'opened', info: net.info })
  } catch (error) {
    telling(error)
  }
}

void open()
