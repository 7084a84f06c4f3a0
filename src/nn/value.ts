/** What a network is traced with. */

/** Channels, height and width of one sample at one time step, [C, H, W]. */
export type Shape = readonly [number, number, number]

/** A tensor while a network is traced. Only its shape is known. */
export interface Value {
  /** [C, H, W] per sample and step. */
  readonly shape: Shape
  /** Whether `flatten` was applied; it then stands for C·H·W features. */
  readonly flat: boolean
  /** Index of the layer that makes it, in the traced graph. */
  readonly node: number
}

export const show = (value: Value): string =>
  value.flat
    ? `[${value.shape[0] * value.shape[1] * value.shape[2]}]`
    : `[${value.shape.join(', ')}]`
