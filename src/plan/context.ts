/** What one plan is made for, and the parameters and statistics that all its programs share. */

import type { Graph } from '../nn/trace.js'
import type { ParameterLayout } from './layout.js'
import type { Buffer, ProgramBuilder, Reference } from './program.js'
import { ref } from './program.js'

export type Method = 'rate' | 'bptt' | 'ottt' | 'sltt'
export type StepMode = 'm' | 's'

export interface MethodOptions {
  /**
   * rate: rate-based backpropagation (the paper's). bptt: the ordinary gradient through time. ottt,
   * sltt: online through space. Default 'rate'.
   */
  method?: Method
  /**
   * m: the loop over T is inside each layer. s: it is outside the network. Default 'm' ('s' for
   * ottt and sltt, which know no other).
   */
  stepMode?: StepMode
  /**
   * Online methods: one optimizer step after all T steps, or one at each step. Default
   * 'afterwards'.
   */
  update?: 'afterwards' | 'everyStep'
  /**
   * Online methods: weight m of the loss (1 − m)·cross entropy + m·mean squared error. Default
   * 0.05.
   */
  mseWeight?: number
  /** sltt: backpropagate at this many random steps only (SLTT-K). Default: all. */
  backwardSteps?: number
}

export interface PlanOptions extends Required<Omit<MethodOptions, 'backwardSteps'>> {
  readonly graph: Graph
  readonly input: readonly [number, number, number]
  /** Inputs differ from step to step: [T, B, C, H, W]. */
  readonly frames: boolean
  readonly timeSteps: number
  readonly batchSize: number
  readonly backwardSteps: number
  /** Keep rates and eligibilities readable after a step. */
  readonly inspect: boolean
}

export interface Parameter {
  /** PyTorch's name: `layer1.0.conv1.weight`. */
  readonly name: string
  readonly layout: ParameterLayout
  /** Byte offset in the parameter, gradient and velocity buffers. */
  readonly offset: number
  /** Weights decay apart from biases and normalisation parameters. */
  readonly decays: boolean
  /** Index of the graph's node. */
  readonly node: number
  readonly role: 'weight' | 'bias' | 'gain' | 'norm.weight' | 'norm.bias' | 'w'
}

/** A running statistic: part of the state dict, not trained. */
export interface Statistic {
  readonly name: string
  readonly layout: ParameterLayout
  readonly offset: number
  readonly node: number
  readonly role: 'running_mean' | 'running_var'
}

export class Context {
  /** The loop over T is outside the network: a call is one step. */
  readonly outer: boolean
  /** Steps of one call. */
  readonly callSteps: number
  /** Rows per pixel of gradients. */
  readonly gradientSteps: number
  readonly online: boolean

  constructor(
    readonly options: PlanOptions,
    readonly builder: ProgramBuilder,
    readonly parameters: readonly Parameter[],
    readonly statistics: readonly Statistic[],
    readonly buffers: {
      readonly parameters: Buffer
      readonly gradients: Buffer
      readonly statistics: Buffer
      readonly zeros: Buffer
      readonly output: Buffer
      readonly losses: Buffer
      readonly predictions: Buffer
    },
  ) {
    this.online = options.method === 'ottt' || options.method === 'sltt'
    this.outer = this.online || (options.method === 'rate' && options.stepMode === 's')
    this.callSteps = this.outer ? 1 : options.timeSteps
    this.gradientSteps = options.method === 'bptt' ? options.timeSteps : 1
  }

  private find(
    node: number,
    role: Parameter['role'] | Statistic['role'],
  ): Parameter | Statistic | undefined {
    return [...this.parameters, ...this.statistics].find((p) => p.node === node && p.role === role)
  }

  parameter(node: number, role: Parameter['role']): Reference | 0 {
    const found = this.find(node, role)
    return found ? ref(this.buffers.parameters, found.offset) : 0
  }

  gradient(node: number, role: Parameter['role']): Reference | 0 {
    const found = this.find(node, role)
    return found ? ref(this.buffers.gradients, found.offset) : 0
  }

  statistic(node: number, role: Statistic['role']): Reference {
    const found = this.find(node, role)
    if (!found) throw new Error(`node ${node} has no ${role}`)
    return ref(this.buffers.statistics, found.offset)
  }
}
