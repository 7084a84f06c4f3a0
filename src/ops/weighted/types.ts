/** The types of convolutions, linear layers and their gradients, as their options make them. */

import type {
  ActivityInput,
  Asks,
  Certain,
  If,
  Image,
  ImageInput,
  InputOf,
  Only,
  OnlyWith,
  OpTypes,
  Option,
  Ranked,
  Rows,
  With,
} from '../types.js'

/** Ranks of a convolution's options. */
export type ConvRanks = ImageInput & {
  /** [N, C / groups, kernelH, kernelW]. */
  readonly weight: 4
}
/** Ranks of a linear layer's options. */
export type LinearRanks = ActivityInput & {
  /** [N, features]. */
  readonly weight: 2
}
/** Ranks of options. */
export type ImageDelta = {
  /** [B, N, H, W], or that behind T. */
  readonly delta: Image
}
/** Ranks of options. */
export type RowsDelta = {
  /** [B, N], or that behind T. */
  readonly delta: Rows
}

/** Whether weights are bytes; boolean: only a run knows. */
export type ByteWeights<O> =
  Option<O, 'weightType', 'float32'> extends infer W ? (W extends 'int8' ? true : false) : never

/** Further sources of spikes behind the first, as arguments. */
export type MoreSources<
  N,
  Names extends unknown[] = [unknown],
  More extends readonly Uint8Array[] = [],
> = number extends N
  ? Uint8Array[]
  : Names['length'] extends N | 16
    ? More
    : MoreSources<N, [...Names, unknown], [...More, Uint8Array]>

/** Names of these: input2 … */
export type SourceNames<N, Names extends unknown[] = [unknown], Found = never> = number extends N
  ? `input${number}`
  : Names['length'] extends N | 16
    ? Found
    : SourceNames<N, [...Names, unknown], Found | `input${[...Names, unknown]['length'] & number}`>

/** The same in a plan's own memory. */
export type SourceMemory<O> = {
  readonly [K in SourceNames<Option<O, 'sources', 1>>]: Uint8Array
}

/** Options that need spikes say that there are spikes. */
export type ForwardRules<O> =
  Asks<O, 'spikes'> extends false
    ? [Certain<O, 'sources' | 'pool' | 'moments' | 'training'>, ByteWeights<O>] extends [
        never,
        false,
      ]
      ? unknown
      : {
          /** The options need it. */
          readonly spikes: true
        }
    : unknown

/** Results with `moments`. */
export type ForwardResults = {
  /** Of the convolution. */
  readonly output: Float32Array
  /** Partial sums of its moments, [units, 4, channels as stored]. */
  readonly moments: Float32Array
}

/** The plan's own memory. */
export type ForwardMemory<O> = {
  /** Floats, or masks of spikes. */
  readonly input: InputOf<O>
  /** In blocks of output channels. */
  readonly weight: If<ByteWeights<O>, Int8Array, Float32Array>
  /** The result. */
  readonly output: Float32Array
} & SourceMemory<O> &
  With<
    ByteWeights<O>,
    {
      /** What 1 stands for, of each output. */
      readonly scales: Float32Array
    }
  > &
  With<
    Asks<O, 'bias'>,
    {
      /** A number for each output. */
      readonly bias: Float32Array
    }
  > &
  With<
    Asks<O, 'moments'>,
    {
      /** Partial sums of the output's moments. */
      readonly moments: Float32Array
    }
  >

/** `ops.conv2d` and `ops.linear`: arguments are input, weight, and what the options ask for. */
export interface ForwardTypes<Ranks> extends OpTypes {
  /** Shapes have the right rank; what is of spikes needs `spikes`. */
  readonly rules: Ranked<this['options'], Ranks> & ForwardRules<this['options']>
  /** Input and its further sources, weight, scales, bias. */
  readonly args: [
    input: InputOf<this['options']>,
    ...sources: MoreSources<Option<this['options'], 'sources', 1>>,
    weight: If<ByteWeights<this['options']>, Int8Array, Float32Array>,
    ...scales: Only<ByteWeights<this['options']>, [scales: Float32Array]>,
    ...bias: Only<Asks<this['options'], 'bias'>, [bias: Float32Array]>,
  ]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** With `moments` two results, else one. */
  readonly result: If<Asks<this['options'], 'moments'>, ForwardResults, Float32Array>
  /** The plan's own memory by name. */
  readonly memory: ForwardMemory<this['options']>
}

/** The plan's own memory. */
export type InputGradientMemory = {
  /** In blocks of output channels. */
  readonly weight: Float32Array
  /** The output's gradient. */
  readonly delta: Float32Array
  /** The result. */
  readonly inputGradient: Float32Array
}

/** Gradients of a bias. */
export interface BiasGradientTypes<Ranks> extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], Ranks>
  /** The output's gradient. */
  readonly args: [delta: Float32Array]
  /** With `accumulate` the gradient so far. */
  readonly updated: Only<Asks<this['options'], 'accumulate'>, [biasGradient: Float32Array]>
  /** None. */
  readonly settings: never
  /** The gradient. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: {
    /** The output's gradient. */
    readonly delta: Float32Array
    /** The result. */
    readonly biasGradient: Float32Array
  }
}

/** Whether the input holds spikes or counts. */
export type OfBytes<O> =
  Asks<O, 'spikes'> extends infer S ? (S extends false ? Asks<O, 'counts'> : true) : never

/** Counts need steps, and are no spikes; what is of spikes needs either; means are of floats. */
export type WeightGradientRules<O> =
  Asks<O, 'counts'> extends true
    ? {
        /** Steps that the counts run over. */
        readonly timeSteps: number
        /** The input holds counts. */
        readonly spikes?: false | OnlyWith<'counts: false'>
        /** The mean is of floats. */
        readonly mean?: false | OnlyWith<'counts: false'>
      }
    : Asks<O, 'spikes'> extends true
      ? {
          /** The mean is of floats. */
          readonly mean?: false | OnlyWith<'spikes: false'>
          /** The steps are of counts. */
          readonly timeSteps?: OnlyWith<'counts: true'>
        }
      : OfBytes<O> extends false
        ? {
            /** Sources are of spikes and counts. */
            readonly sources?: OnlyWith<'spikes: true' | 'counts: true'>
            /** Windows are of spikes and counts. */
            readonly pool?: OnlyWith<'spikes: true' | 'counts: true'>
            /** The steps are of counts. */
            readonly timeSteps?: OnlyWith<'counts: true'>
          }
        : unknown

/** The plan's own memory. */
export type WeightGradientMemory<O> = {
  /** Floats, masks of spikes, or counts, at most `timeSteps`. */
  readonly input: If<OfBytes<O>, Uint8Array, Float32Array>
  /** The output's gradient. */
  readonly delta: Float32Array
  /** The result, in blocks of output channels. */
  readonly weightGradient: Float32Array
} & SourceMemory<O>

/** Gradients of a weight. */
export interface WeightGradientTypes<Ranks> extends OpTypes {
  /** Shapes have the right rank, and options go together. */
  readonly rules: Ranked<this['options'], Ranks> & WeightGradientRules<this['options']>
  /** Input and its further sources, and the output's gradient. */
  readonly args: [
    input: If<OfBytes<this['options']>, Uint8Array, Float32Array>,
    ...sources: MoreSources<Option<this['options'], 'sources', 1>>,
    delta: Float32Array,
  ]
  /** With `accumulate` the gradient so far. */
  readonly updated: Only<Asks<this['options'], 'accumulate'>, [weightGradient: Float32Array]>
  /** None. */
  readonly settings: never
  /** The gradient. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: WeightGradientMemory<this['options']>
}
