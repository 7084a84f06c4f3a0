/** What a benchmark is: a name, the work of a call, and how to prepare it for a build. */

/** A build of the package: this one, or the one that --against names. */
export interface Build {
  readonly name: string
  readonly version: string
  readonly sw: typeof import('../index.js')
  readonly ops: typeof import('../ops/index.js')
}

export type Section = 'kernels' | 'steps' | 'inference' | 'memory'

/** What its rate is held against; `byte-adds` are event-adds of weights of one byte. */
export type Limit = 'multiply-add' | 'event-adds' | 'byte-adds' | 'memory'

/** Work of one call. */
export interface Work {
  readonly amount: number
  /** 'GFLOP', 'GB', 'images', 'GSOP' … */
  readonly unit: string
  readonly limit?: Limit
  /**
   * The least that the limit's unit must do for it, in GFLOP, 1e9 additions or GB, where that is
   * not `amount`: algorithms leave products out, and neurons with equal spikes share additions.
   */
  readonly least?: number
  /** Share of GB that is written; default 0.5. */
  readonly written?: number
}

export interface Benchmark {
  /**
   * Begins with the op: `lif 64x32x32 B16 T4`, `conv2d spikes 64x32x32-64 k3 B16 T4 d0.10`, `train
   * resnet18 rate m B16 T4`, `predict cnn B1`, `memory cnn rate m T4`. ASCII, one line, unique.
   */
  readonly name: string
  readonly section: Section
  readonly threads?: number
  /** Work of one call; undefined: time alone. */
  readonly work?: Work
  prepare(build: Build): Prepared | Promise<Prepared>
}

export interface Prepared {
  /** One call; what it returns counts only where it is a promise. */
  run(): unknown
  /** Density of spikes and what else the figure depends on, printed beside it. */
  readonly density?: string
  /** The work, where it is known only behind the first call; else that of the benchmark. */
  readonly work?: Work
  dispose?(): void | Promise<void>
}
