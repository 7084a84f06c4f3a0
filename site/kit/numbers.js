// Numbers of data sets and of runs, as lessons need them.

/** Samples of a data set, one behind the other, and their labels. */
export function samplesOf(data, count = data.length, from = 0) {
  const size = data.shape.reduce((a, b) => a * b) * (data.timeSteps ?? 1)
  const images = new Float32Array(size * count)
  const labels = Int32Array.from({ length: count }, (_, i) =>
    data.read(from + i, images.subarray(size * i, size * (i + 1))),
  )
  return { images, labels }
}

/** How dark the dots of a normalised picture are: 0…1. */
export const shadesOf = (picture, { mean, std }) =>
  Array.from(picture, (value) => +Math.max(0, value * std[0] + mean[0]).toFixed(2))

const product = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0)
/** 1 where two lists point the same way. */
export const cosineOf = (a, b) => product(a, b) / Math.sqrt(product(a, a) * product(b, b))

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`

/** A fingerprint of all weights: equal only where each bit is equal. */
export async function fingerprint(state) {
  const bytes = await new Blob(Object.values(state).map(({ data }) => data.slice())).arrayBuffer()
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return [...digest.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
