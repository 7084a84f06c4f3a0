/** Spiking neurons, forward and back, and the passes of the online methods. */
import type { Cell, SurrogateName } from '../../layers/index.js'
import type { Build, Work } from '../benchmark.js'
import { makeTrain } from '../spikes.js'
import { densityEnd, describeTrain, USUAL_DENSITY } from './convolutions.js'
import { moved } from './elementwise.js'
import { type KernelOptions, normal, type OpCase, type Planned, sizeOf } from './op.js'
import { nameOf, type TensorShape } from './shape.js'

/** What tells a variant of the neurons from the usual ones. */
interface Variant {
  /** Behind `lif`; '' for the usual ones. */
  readonly name: string
  readonly surrogate?: SurrogateName
  readonly vReset?: number
  readonly learnable?: boolean
  readonly residual?: boolean
  readonly shortcut?: boolean
  /** Surrogates at each step instead of eligibilities. */
  readonly online?: boolean
}

const usual: Variant = { name: '' }
/** Of the paper's networks first: shortcuts of spikes, and of currents. */
const variants: readonly Variant[] = [
  { name: 'shortcut', shortcut: true },
  { name: 'residual', residual: true },
  { name: 'hard', vReset: 0 },
  { name: 'atan', surrogate: 'atan' },
  { name: 'triangle', surrogate: 'triangle' },
  { name: 'rectangle', surrogate: 'rectangle' },
  { name: 'plif', learnable: true },
  { name: 'online', online: true },
]

const titled = (op: string, name: string): string => (name === '' ? op : `${op} ${name}`)

/**
 * What neurons read and write at least: currents, and for each neuron masks, counts, and a number
 * (with `online` a number for each step).
 */
function lifWork(neurons: number, T: number, variant: Variant): Work {
  const read = T * (variant.residual ? 2 : 1) + (variant.shortcut ? 0.25 : 0)
  return moved(neurons, read, 0.5 + (variant.online ? T : 1))
}

/** Spikes of each neuron and step, from what `ops.lif` returns. */
function rateOf(result: unknown, T: number): number {
  const { counts } = result as { counts: Uint8Array }
  return counts.reduce((sum, count) => sum + count, 0) / (counts.length * T)
}

/** @param density of the spikes that a shortcut adds */
function lifCase(
  shape: TensorShape,
  options: KernelOptions,
  variant: Variant,
  density: number,
): OpCase {
  const { B, T, threads } = options
  const { C } = shape
  const input = [B, T, C, shape.H, shape.W]
  const neurons = sizeOf(input) / T
  const end = variant.shortcut ? densityEnd(density) : ''
  const { surrogate, vReset, learnable, residual = false, shortcut = false, online } = variant
  return {
    name: `${titled('lif', variant.name)} ${nameOf(shape)} B${B} T${T}${end}`,
    threads,
    work: lifWork(neurons, T, variant),
    plan({ ops }: Build): Planned {
      const [ones, zeros] = [new Float32Array(C).fill(1), new Float32Array(C)]
      const spikes = shortcut ? makeTrain(neurons, { B, T }, density, 7) : undefined
      return {
        make: () =>
          ops.lif.plan({
            input,
            affine: true,
            outputs: ['spikes', 'counts', online ? 'surrogates' : 'eligibilities'],
            ...(surrogate && { surrogate }),
            ...(vReset !== undefined && { vReset }),
            ...(learnable && { learnable }),
            residual,
            shortcut,
            threads,
          }),
        args: [
          normal(neurons * T),
          ones,
          zeros,
          ...(residual ? [normal(neurons * T, 2)] : []),
          ...(spikes ? [spikes.bytes] : []),
          ...(learnable ? [new Float32Array(1)] : []),
        ],
        densityOf: (result) =>
          [
            `rate ${rateOf(result, T).toFixed(2)}`,
            ...(spikes ? [`shortcut ${describeTrain(spikes)}`] : []),
          ].join(', '),
      }
    },
  }
}

function backwardCases(shape: TensorShape, { B, T, threads }: KernelOptions): OpCase[] {
  const one = [B, shape.C, shape.H, shape.W]
  const [neurons, timed] = [sizeOf(one), [B, T, ...one.slice(1)]]
  const of = (mode: 'rate' | 'time' | 'online', read: number, written: number): OpCase => ({
    name: `lifBackward ${mode} ${nameOf(shape)} B${B}${mode === 'rate' ? '' : ` T${T}`}`,
    threads,
    work: moved(neurons, read, written),
    plan: ({ ops }: Build): Planned => {
      const count = mode === 'rate' ? neurons : neurons * T
      return {
        make: () => ops.lifBackward.plan({ mode, input: mode === 'rate' ? one : timed, threads }),
        args: [normal(count), normal(count, 2)],
      }
    },
  })
  return [of('rate', 2, 1), of('time', 2 * T, T), of('online', 2 * T, T)]
}

/** Cells, and their backward pass through time. */
function cellCases(shape: TensorShape, { B, T, threads }: KernelOptions): OpCase[] {
  const input = [B, T, shape.C, shape.H, shape.W]
  const neurons = sizeOf(input) / T
  const name = `${nameOf(shape)} B${B} T${T}`
  const x = normal(neurons * T)
  const cells: Readonly<Record<string, (sw: Build['sw']) => unknown>> = {
    cubaLif: (sw) => sw.cubaLif(),
    alif: (sw) => sw.alif(),
    leakyIntegrator: (sw) => sw.leakyIntegrator(),
  }
  return Object.entries(cells).flatMap(([kind, make]): OpCase[] => {
    const spikes = kind !== 'leakyIntegrator'
    const outputs = [spikes ? 'spikes' : 'potentials'] as const
    const op = (sw: Build['sw']) => ({ input, cell: make(sw) as Cell, threads })
    return [
      {
        name: `cell ${kind} ${name}`,
        threads,
        work: moved(neurons, T, spikes ? 0.5 : T),
        plan: ({ ops, sw }: Build): Planned => ({
          make: () => ops.cell.plan({ ...op(sw), outputs }),
          args: [x],
        }),
      },
      {
        name: `cellBackward ${kind} ${name}`,
        threads,
        work: moved(neurons, 2 * T, T),
        plan: ({ ops, sw }: Build): Planned => ({
          make: () => ops.cellBackward.plan(op(sw)),
          args: [normal(neurons * T, 2), x],
        }),
      },
    ]
  })
}

/** @param all variants too */
export function neuronCases(shape: TensorShape, options: KernelOptions, all: boolean): OpCase[] {
  const chosen = all ? [usual, ...(options.quick ? variants.slice(0, 2) : variants)] : [usual]
  return [
    ...chosen.flatMap((variant) =>
      (variant.shortcut ? options.densities : [USUAL_DENSITY]).map((density) =>
        lifCase(shape, options, variant, density),
      ),
    ),
    ...(all ? [...backwardCases(shape, options), ...cellCases(shape, options)] : []),
  ]
}

/** Traces and sums over time, of OTTT. */
export function onlineCases(shape: TensorShape, { B, T, threads }: KernelOptions): OpCase[] {
  const input = [B, T, shape.C, shape.H, shape.W]
  const neurons = sizeOf(input) / T
  return [
    {
      name: `trace ${nameOf(shape)} B${B} T${T}`,
      threads,
      work: moved(neurons, T, 1),
      make: ({ ops }) => ops.trace.plan({ input, threads }),
      args: () => [normal(neurons * T)],
    },
    {
      name: `timeSum ${nameOf(shape)} B${B} T${T}`,
      threads,
      work: moved(neurons, T, 1),
      make: ({ ops }) => ops.timeSum.plan({ input, threads }),
      args: () => [normal(neurons * T)],
    },
  ]
}
