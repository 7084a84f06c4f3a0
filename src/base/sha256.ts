/** SHA-256 (FIPS 180-4): pages that are not served by https have no other. */

/** The first 32 bits behind the point of roots of the first primes. */
function rootsOfPrimes(count: number, power: number): Uint32Array {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p !== 0)) primes.push(n)
  return Uint32Array.from(primes, (p) => (p ** power % 1) * 2 ** 32)
}

const rotated = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

/** The bytes, a one, zeros, and the number of bits in whole blocks of 64 bytes. */
function padded(bytes: Uint8Array): DataView {
  const all = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  all.set(bytes)
  all[bytes.length] = 0x80
  const view = new DataView(all.buffer)
  view.setUint32(all.length - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(all.length - 4, (bytes.length << 3) >>> 0)
  return view
}

/** @returns 64 hexadecimal digits */
export function sha256(bytes: Uint8Array): string {
  const [constants, state] = [rootsOfPrimes(64, 1 / 3), rootsOfPrimes(8, 1 / 2)]
  const [view, w] = [padded(bytes), new Uint32Array(64)]
  for (let block = 0; block < view.byteLength; block += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getUint32(block + 4 * t)
    for (let t = 16; t < 64; t++) {
      const [x, y] = [w[t - 15], w[t - 2]]
      const s0 = rotated(x, 7) ^ rotated(x, 18) ^ (x >>> 3)
      w[t] = w[t - 16] + s0 + w[t - 7] + (rotated(y, 17) ^ rotated(y, 19) ^ (y >>> 10))
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let t = 0; t < 64; t++) {
      const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
      const one = (h + s1 + ((e & f) ^ (~e & g)) + constants[t] + w[t]) | 0
      const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + one) | 0
      d = c
      c = b
      b = a
      a = (one + two) | 0
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] += word
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('')
}
