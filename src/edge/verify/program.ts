/**
 * The measurement, for every host that runs JavaScript. It must not import anything: pages, gjs and
 * Bun load the built file as it is. c/run.c is the same for hosts in C.
 */

import type { JobNumbers, Outcome } from './job.js'

/** What differs from host to host. */
export interface Surroundings {
  /** Milliseconds from any moment on. */
  now(): number
  /** What this process holds, in bytes; null: unknown. */
  resident(): number | null
}

type Exports = Readonly<Record<string, () => number>>

/** Rounds of timing, and how long one takes at least. */
const ROUNDS = 11
const ROUND_MS = 5

/**
 * Runs a module over samples, compares all outputs, then takes the time.
 *
 * @param input the samples as bytes, one after the other
 * @param expected bits of the expected outputs
 */
export function measure(
  wasm: Uint8Array<ArrayBuffer>,
  input: Uint8Array,
  expected: Uint32Array,
  job: JobNumbers,
  { now, resident }: Surroundings,
): Outcome {
  const began = now()
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm))
  const { buffer } = exports.memory as WebAssembly.Memory
  const functions = exports as unknown as Exports
  const show = shower(functions, new Uint8Array(buffer), input, job)
  show(0)
  const coldMs = now() - began
  const residentBytes = resident()

  const output = new Uint32Array(buffer, functions.output_ptr(), functions.output_len())
  const end = now() + 1000 * job.seconds
  let differ = 0
  let first: Outcome['first'] = null
  let samples = 0
  while (samples < job.samples && (samples === 0 || now() < end)) {
    show(samples)
    for (let k = 0; k < job.classes; k++) {
      const want = expected[samples * job.classes + k]
      if (output[k] === want) continue
      differ++
      first ??= { sample: samples, output: k, got: output[k], want }
    }
    samples++
  }
  const us = 1000 * time(show, samples, now, 250 * job.seconds)
  return { samples, differ, first, us, coldMs, residentBytes, memoryBytes: buffer.byteLength }
}

/** @returns what puts a sample through the network */
function shower(
  functions: Exports,
  memory: Uint8Array,
  input: Uint8Array,
  { call, inputType, sampleBytes, frameBytes, steps }: JobNumbers,
): (sample: number) => void {
  const at = inputType === 'u8' ? functions.input_u8_ptr() : functions.input_ptr()
  const frames = sampleBytes / frameBytes
  const frame = (sample: number, t: number): Uint8Array => {
    const begin = sample * sampleBytes + (t % frames) * frameBytes
    return input.subarray(begin, begin + frameBytes)
  }
  if (call === 'infer')
    return (sample) => {
      memory.set(frame(sample, 0), at)
      functions.infer()
    }
  return (sample) => {
    functions.reset()
    for (let t = 0; t < steps; t++) {
      memory.set(frame(sample, t), at)
      functions.step()
    }
  }
}

/**
 * Median over rounds of the milliseconds for one sample. Samples are doubled until a round is long
 * enough for coarse clocks: a page's may stand still for 0.1 ms.
 *
 * @param limit stop after so many milliseconds
 */
function time(
  show: (sample: number) => void,
  samples: number,
  now: () => number,
  limit: number,
): number {
  const end = now() + limit
  let next = 0
  const round = (count: number): number => {
    const began = now()
    for (let i = 0; i < count; i++) {
      show(next)
      next = next + 1 < samples ? next + 1 : 0
    }
    return now() - began
  }
  for (let count = 1; ; count *= 2) {
    const rounds = [round(count)]
    // One long round may be that the processor was busy with something else.
    while (rounds.length < ROUNDS && rounds[0] >= ROUND_MS && now() < end) rounds.push(round(count))
    const middle = rounds.sort((a, b) => a - b)[rounds.length >> 1]
    if (middle >= ROUND_MS || (middle > 0 && now() >= end)) return middle / count
  }
}
