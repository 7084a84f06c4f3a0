/** What a network is traced with. */

/** Channels, height, width of one sample at one step. */
export type Shape = readonly [number, number, number]

/** A tensor while a network is traced: its shape alone is known. */
export interface Value {
  /** [C, H, W] per sample and step. */
  readonly shape: Shape
  /** Whether `flatten` was applied: then C·H·W features. */
  readonly flat: boolean
  /** Index of the node that makes it. */
  readonly node: number
}

export const show = (value: Value): string =>
  value.flat
    ? `[${value.shape[0] * value.shape[1] * value.shape[2]}]`
    : `[${value.shape.join(', ')}]`
