/** What the page and its workers tell each other. */
import type { PageJob, PageTimes } from 'spikewasm/bench'

/** Kernels and steps of this package, or dense work of another library. */
export type Order =
  | { readonly kind: 'own'; readonly job: PageJob }
  | { readonly kind: 'peers'; readonly title: Peer; readonly seconds: number }

/** Other libraries with their backends; each has a worker of its own. */
export const peers = ['tfjs wasm', 'tfjs webgl', 'jax-js wasm', 'jax-js webgpu'] as const
export type Peer = (typeof peers)[number]

/** A time of another library. */
export interface PeerTimes {
  /** Library, its backend, and what it does. */
  readonly name: string
  readonly ms: readonly number[]
  readonly work?: { readonly amount: number; readonly unit: string }
}

export type Answer =
  | {
      readonly kind: 'begin'
      readonly name: string
      readonly index: number
      readonly count: number
    }
  | { readonly kind: 'measured'; readonly times: PageTimes }
  | { readonly kind: 'peer'; readonly times: PeerTimes }
  /** It has not stopped. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'failed'; readonly name: string; readonly reason: string }
  | { readonly kind: 'done' }
