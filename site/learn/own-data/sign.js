// Signs of 8 × 8 dots: rings, crosses and pluses, computed.
const isInk = {
  ring: (x, y) => [4, 5].includes(x * x + y * y),
  cross: (x, y) => x * x === y * y && x * x < 9,
  plus: (x, y) => x * y === 0 && (x + y) ** 2 < 9,
}
export const names = Object.keys(isInk)

/** Each sign at some of 16 places: its dots, 0 or 1, and what it is. */
const signsAt = (places) =>
  places.flatMap((place) =>
    names.map((label) => {
      const dotAt = (_, i) => +isInk[label]((i % 8) - 2 - (place % 4), (i >> 3) - 2 - (place >> 2))
      return { label, shades: Array.from({ length: 64 }, dotAt) }
    }),
  )
export const middle = signsAt([5, 6, 9, 10])
export const elsewhere = signsAt([0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15])
