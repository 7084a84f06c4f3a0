/** What a benchmark is: a name, the work of a call, and how to prepare it for a build. */

/** A build of the package: this one, or the one that --against names. */
export interface Build {
  readonly name: string
  readonly version: string
  readonly sw: typeof import('../index.js')
  readonly ops: typeof import('../ops/index.js')
}

export type Section = 'kernels' | 'steps' | 'inference' | 'start' | 'memory' | 'own'

/** What its rate is held against. */
export type Limit = 'multiply-add' | 'event-adds' | 'memory'

export interface Benchmark {
  /**
   * Begins with the op: `lif 64x32x32 B16 T4`, `conv2d spikes 64x32x32-64 k3 B16 T4 d0.10`, `train
   * resnet18 rate m B16 T4`, `predict cnn B1`, `start cnn load`, `memory cnn rate m T4`. ASCII, one
   * line, unique.
   */
  readonly name: string
  readonly section: Section
  readonly threads?: number
  /** Work of one call: 'GFLOP' | 'GB' | 'images' | 'GSOP' …; undefined: time alone. */
  readonly work?: { readonly amount: number; readonly unit: string; readonly limit?: Limit }
  prepare(build: Build): Prepared | Promise<Prepared>
}

export interface Prepared {
  /** One call. */
  run(): void | Promise<void>
  /** Density of spikes and what else the figure depends on, printed beside it. */
  readonly density?: string
  dispose?(): void | Promise<void>
}
