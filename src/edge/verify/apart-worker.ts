/** The thread of apart.ts: it opens a file, and answers questions about it until it is ended. */

import { serveThread } from '../../engine/node/thread.js'
import type { Ask } from '../../engine/threads/calls.js'
import type { Call, NetInfo } from '../abi.js'
import { expectAnswer, showSample } from '../accuracy.js'
import { type Net, openNet } from '../net.js'

/** A question to the thread. */
export interface Question {
  readonly call: Call
  /** Samples as bytes, one after the other. */
  readonly input: Uint8Array
  /** Bytes of one sample: a frame for each step, or one for all of them. */
  readonly sampleBytes: number
}

/** What a network makes of samples. */
export type Answer = ReturnType<typeof answer>

/** Milliseconds between two signs of life; a sample may take longer. */
const PAUSE_MS = 100

/** @param alive told now and then how many samples are through */
function answer(
  net: Net,
  { call, input, sampleBytes }: Question,
  alive: (samples: number) => void,
) {
  const { info, output } = net
  const samples = input.length / sampleBytes
  const outputs = new Float32Array(samples * info.classes)
  const predicted = new Int32Array(samples)
  let told = performance.now()
  for (let i = 0; i < samples; i++) {
    showSample(net, call, input.subarray(i * sampleBytes, (i + 1) * sampleBytes))
    predicted[i] = net.predictedClass()
    expectAnswer(output, predicted[i])
    outputs.set(output, i * info.classes)
    if (performance.now() - told < PAUSE_MS) continue
    told = performance.now()
    alive(i + 1)
  }
  // [samples][classes], and predicted_class() after each sample.
  return { outputs, predicted }
}

let net: Net | undefined

const calls = {
  async open(bytes: Uint8Array): Promise<NetInfo> {
    net = await openNet(bytes)
    return net.info
  },
  ask(question: Question, { say }: Ask<number>) {
    if (!net) throw new Error('the file was not opened')
    return answer(net, question, say)
  },
}

export type ApartCalls = typeof calls

serveThread(calls)
