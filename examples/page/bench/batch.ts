/** How many images a step of another library gets: it may take a minute for what others do in 20 ms. */

/** A call that would take longer gets half the images, and half of these again. */
const MOST_MS = 20_000

/**
 * The largest batch whose call is not too long.
 * @param ms of a call of one image, code that is compiled already
 * @param most images
 */
export function batchFor(ms: number, most: number): number {
  let images = most
  while (images > 1 && ms * images > MOST_MS) images = Math.ceil(images / 2)
  return images
}
