/** Places of an axis that have a text. */

const STEPS = [1, 2, 5, 10]

/** Round numbers from `low` to `high`, about as many as are wanted. */
export function linearTicks(low: number, high: number, wanted = 5): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / wanted
  const size = 10 ** Math.floor(Math.log10(rough))
  const step = size * (STEPS.find((n) => n * size >= rough * 0.999) ?? 10)
  const first = Math.ceil(low / step - 1e-9)
  const count = Math.floor(high / step + 1e-9) - first + 1
  // 3 × 0.1 is not 0.3.
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Powers of ten; between few of them twos and fives; within less than a decade round numbers. */
export function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low)
  if (decades < 0.9) return linearTicks(low, high)
  const every = Math.max(1, Math.round(decades / 6))
  const digits = decades > 3 ? [1] : [1, 2, 5]
  const all: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    if (every === 1 || power % every === 0)
      for (const digit of digits) all.push(Number(`${digit}e${power}`))
  return all.filter((value) => value >= low * 0.999999 && value <= high * 1.000001)
}
