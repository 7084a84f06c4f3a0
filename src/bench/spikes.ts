/**
 * Spikes as trained networks make them: neurons differ and keep their ways over the steps of an
 * image, so that few of them make most of the spikes.
 */

/** Uniform numbers in 0…1 (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296
  }
}

/** Normal numbers (Box and Muller). */
function normalNumbers(seed: number): () => number {
  const random = randomNumbers(seed)
  return () => Math.sqrt(-2 * Math.log(random() || 1e-12)) * Math.cos(2 * Math.PI * random())
}

/** Normal numbers; the first few thousand repeat. */
export function fillNormal(floats: Float32Array, seed: number): void {
  const normal = normalNumbers(seed)
  for (let i = 0; i < floats.length; i++) floats[i] = i < 4096 ? normal() : floats[i & 4095]
}

/** Share of the variance of a neuron's drive that stays the same over its steps. */
const CONSTANT = 0.8
const LEAK = 0.2

/**
 * LIF neurons (λ = 0.2, θ = 1, soft reset) under a normal drive whose larger part is constant in
 * time; `fired` is told of each spike, neuron by neuron.
 */
function fire(
  neurons: number,
  T: number,
  mean: number,
  seed: number,
  fired: (neuron: number, t: number) => void,
): void {
  const normal = normalNumbers(seed)
  for (let i = 0; i < neurons; i++) {
    const constant = mean + Math.sqrt(CONSTANT) * normal()
    let v = 0
    for (let t = 0; t < T; t++) {
      v = LEAK * v + constant + Math.sqrt(1 - CONSTANT) * normal()
      if (v < 1) continue
      v -= 1
      fired(i, t)
    }
  }
}

const means = new Map<string, number>()
const TRIED = 4000

/** Mean drive at which neurons fire at the given rate. */
function meanOf(T: number, rate: number): number {
  const key = `${T} ${rate}`
  let [low, high] = [-5, 5]
  for (let i = 0; i < 20 && !means.has(key); i++) {
    const mean = (low + high) / 2
    let spikes = 0
    fire(TRIED, T, mean, 1, () => spikes++)
    if (spikes / (TRIED * T) < rate) low = mean
    else high = mean
  }
  const mean = means.get(key) ?? (low + high) / 2
  means.set(key, mean)
  return mean
}

/**
 * Spikes as ops take them, any T: bytes 0 or 1, [B][T][neurons of an image]; spikes per neuron and
 * step; the fraction of the neurons that fire at least once; and the neurons that fire in a group
 * of four steps, over all groups, which kernels add at once.
 */
export type SpikeTrain = Readonly<ReturnType<typeof makeTrain>>

/** @param neurons of all B images together */
export function makeTrain(
  neurons: number,
  { B, T }: { readonly B: number; readonly T: number },
  rate: number,
  seed: number,
) {
  const own = neurons / B
  const bytes = new Uint8Array(T * neurons)
  let [spikes, active, events, last, group] = [0, 0, 0, -1, -1]
  fire(neurons, T, meanOf(T, rate), seed, (i, t) => {
    bytes[(Math.floor(i / own) * T + t) * own + (i % own)] = 1
    spikes++
    if (i !== last) active++
    if (i !== last || t >> 2 !== group) events++
    last = i
    group = t >> 2
  })
  return { bytes, rate: spikes / (neurons * T), active: active / neurons, events }
}
