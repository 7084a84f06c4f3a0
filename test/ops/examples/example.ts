/** Plans that together reach every kernel. Each file of this folder has some, as `examples`. */

/** One plan. */
export interface Example {
  /** The op, and what is special about it. */
  readonly name: string
  /** Plans it. */
  plan(): { readonly kernels: readonly string[] }
}
