/**
 * The one list of operations and of the words of their records, read by the engine (AssemblyScript)
 * and by the planner (TypeScript).
 *
 * A program is a table of records of `Rec.Words` 32-bit words. Words 0–3 are the same for every
 * operation, the rest are named by the enum that the operation's comment gives. A word holds an
 * address (bytes), an integer, or a float32 (marked f32).
 *
 * Legend of shapes: B images, H, W, C channels as stored (padded), T time steps of one call, P =
 * B·H·W pixels, N output channels as stored. Tensors are [B][H][W][T][C] float32 (currents),
 * [B][H][W][C] float32 (means, gradients in rate mode), or [plane][B][H][W][C] bytes (spike masks:
 * bit t & 7 of plane t >> 3).
 */

export enum Rec {
  /**
   * The operation in the bits of `OpMask`; from bit `GroupShift` on, into how many equal parts the
   * units go. Workers have their share of each part.
   */
  Op = 0,
  /**
   * The number of independent units of work. It depends on shapes alone, never on the number of
   * workers.
   */
  Units = 1,
  /** A `When`, or the address of a u32: the record runs only when that is not 0. */
  Condition = 2,
  /**
   * Index of the layer that the record belongs to, for error messages; or `NoLayer`. The
   * optimizer's and clearing records belong to none, since they cover all parameters at once.
   */
  Layer = 3,
  /** The first word that an operation names itself. */
  First = 4,
  /** Words of a record. */
  Words = 64,
  /** Bytes of a record. */
  Bytes = 256,
  OpMask = 0xffff,
  GroupShift = 16,
  NoLayer = 0xffffffff,
}

/** When a record runs. */
export enum When {
  Always = 0,
  /** In calls with a step whose bit is set in the control word `Control.StepMask`. */
  StepMask = 1,
  /** In all calls of a loop but the first: at steps t > 0. */
  Later = 2,
}

/** Words of a program's header. Its sections follow it. */
export enum ProgramWord {
  /** Number of sections. */
  Sections = 0,
  /** Address of the counters, one for each worker (`Counter`). */
  Counters = 1,
  /** Bytes of the header. */
  Bytes = 16,
}

/** Words of a section: records that run `Repeats` times with t = 0, 1, … */
export enum SectionWord {
  /** Address of the first record. */
  Records = 0,
  /** Number of records. */
  Count = 1,
  Repeats = 2,
  /** Index in the program of its first record. */
  Index = 3,
  /** Step of the first call, and steps of each call: call i begins at step From + i · Steps. */
  From = 4,
  Steps = 5,
  /** Bytes of a section. */
  Bytes = 24,
}

/** Masks of spikes. */
export enum Plane {
  /** Steps whose spikes one byte holds. */
  Steps = 8,
}

/** How many of its units of a record a worker has begun, u32: one for each worker. */
export enum Counter {
  /** From one to the next: a cache line. */
  Bytes = 64,
}

/**
 * Byte offsets in the control block, the first bytes of memory. Words that workers write sit on
 * their own 64-byte lines.
 */
export enum Control {
  /** Barrier: number of barriers passed. */
  Epoch = 64,
  /** Barrier: workers that arrived. */
  Arrived = 128,
  /** 0, or why the run has to end: a `Fault`. */
  Poison = 192,
  /** Index of the record that the workers run. */
  Progress = 256,
  /** Address of the images that this run reads, as [B][H][W][T][C] float32 (T only for frames). */
  Input = 320,
  /** Address of this run's labels, i32 [B], or of its wanted outputs, f32 [B][outputs]. */
  Target = 324,
  /** Number of valid images in the batch; those behind them are padding and count nowhere. */
  Valid = 328,
  /** f32: learning rate. */
  LearningRate = 332,
  /** f32: momentum. */
  Momentum = 336,
  /** f32: weight decay of weights. */
  Decay = 340,
  /** f32: weight decay of biases and of normalisation parameters. */
  DecayOther = 344,
  /** Non-zero: Nesterov momentum. */
  Nesterov = 348,
  /** Steps at which records with a condition run: bit t. */
  StepMask = 352,
  /** Seed of the run's random numbers (dropout). */
  Seed = 356,
  /**
   * u32: step at which the loops over t begin. Above 0 when a program goes on where the one before
   * has stopped (a stream).
   */
  FirstStep = 360,
  /** u32: where the images of this run are in the batch (inference runs a batch in passes). */
  FirstImage = 364,
  /** f32 [1]: the loss of the last run. */
  Loss = 384,
  /** i32: correct predictions of the last run. */
  Correct = 388,
  /**
   * 1 when the update left parameters as they were, because it would have made them infinite or not
   * a number; 2 + `Rec.Layer` when a batch's variance is not finite and the running statistics were
   * left as they were; else 0.
   */
  NonFinite = 392,
  /** Bytes of the control block. */
  Bytes = 512,
}

export enum Fault {
  None = 0,
  Aborted = 1,
  TimedOut = 2,
  Trapped = 3,
}

/** Every operation. Behind each its units and the enum of its words. */
export enum Op {
  /** Nothing. */
  None = 0,
  // Convolution; a linear layer is one whose kernel covers its whole input.
  /**
   * Dense forward: Out = In ∗ Weight + Bias; unit = RowsPerUnit rows (pixel, t) of Out. DenseWord.
   */
  ConvDense = 1,
  /**
   * Lists of active neurons by spike pattern, for one group of 4 steps; unit = RowsPerUnit rows of
   * output pixels. SpikeWord.
   */
  SpikeLists = 2,
  /**
   * Forward on those lists; unit = (BlocksPerUnit blocks of output channels, chunk of pixels).
   * SpikeWord.
   */
  SpikeConv = 3,
  /**
   * Both for a few rows of output pixels, without lists in memory; unit = RowsPerUnit rows.
   * SpikeWord.
   */
  SpikeForward = 18,
  /** The same with weights of one byte, without moments. SpikeWord. */
  SpikeForwardBytes = 66,
  /**
   * Weight transposed for the input gradient: [InC/8][tap][OutC][8]; unit = one block of 8 input
   * channels. DenseWord.
   */
  TransposeWeight = 4,
  /**
   * Out = gradient of the input, from Delta; unit = RowsPerUnit rows within one stride class.
   * DenseWord.
   */
  ConvInputGradient = 5,
  /**
   * Out = gradient of the weight in the weight's layout; unit = (split of rows, block of k).
   * DenseWord.
   */
  ConvWeightGradient = 6,
  /** Out = Σ over splits of Partial; unit = block of k. DenseWord. */
  ReduceSplits = 7,
  /** Out = Σ over rows of Delta, bias gradient; unit = 16 channels. DenseWord. */
  BiasGradient = 8,
  /** Tiles of Delta for the input gradient; unit = one tile row. WinogradWord. */
  WinogradInputTransform = 9,
  /**
   * Out = gradient of the input; unit = tile rows, or (tile rows, 8 input channels).
   * WinogradWord.
   */
  WinogradInputGradient = 10,
  /** Tiles of In and Delta for the weight gradient; unit = one tile row of either. WinogradWord. */
  WinogradWeightTransform = 11,
  /** Out = gradient of the weight; unit = (input channels, output channels). WinogradWord. */
  WinogradWeightGradient = 12,
  /**
   * Kernels for the input gradient; unit = (8 input channels, block of output channels).
   * WinogradWord.
   */
  WinogradKernelTransform = 17,
  /**
   * Kernels for WinogradStrideGradient; unit = (8 input channels, block of output channels).
   * WinogradWord.
   */
  WinogradStrideKernels = 74,
  /** Out = gradient of the input of a convolution of stride 2; unit = tile rows. WinogradWord. */
  WinogradStrideGradient = 75,
  /** Weight gradient from lists of active neurons; units: spikes/list-gradient.ts. ListWord. */
  ListWeightGradient = 13,
  /**
   * Lists of active neurons and grids of δ for ListWeightGradient; units: see
   * spikes/rate-lists.ts. ListWord.
   */
  RateLists = 14,
  /**
   * Lists of active neurons by spike pattern, for PatternWeightGradient; unit = (group, 16 input
   * channels). PatternWord.
   */
  PatternLists = 67,
  /**
   * Weight gradient through time from those lists; unit = (split of the groups, 16 output channels,
   * InCPerUnit input channels). PatternWord.
   */
  PatternWeightGradient = 68,
  /** ConvDense for few input channels; unit = RowsPerUnit rows of one image of Out. DenseWord. */
  ConvNarrow = 15,
  /**
   * ConvWeightGradient for few input channels; unit = split of the images, whose blocks are of
   * RowsPerUnit rows of Delta. DenseWord.
   */
  NarrowWeightGradient = 16,

  // Normalisation.
  /** Partial sums of a chunk of rows; unit = chunk. NormWord. */
  NormStatistics = 20,
  /**
   * Mean, inverse deviation, scale and shift; running statistics; unit = NormSize.FinishChannels
   * channels. NormWord.
   */
  NormFinish = 21,
  /** Scale and shift from the running statistics; one unit. NormWord. */
  NormEvaluate = 22,
  /** Partial sums of δ and δ·x̂ of a chunk of rows; unit = chunk. NormWord. */
  NormBackwardReduce = 23,
  /** Gradients of weight and bias, coefficients; one unit. NormWord. */
  NormBackwardFinish = 24,
  /** Gradient of the input; unit = chunk of rows. NormWord. */
  NormBackwardApply = 25,
  /**
   * The affine map from the running statistics (all-time normalisation), which move at the last
   * step; one unit. AllTimeWord.
   */
  NormAllTime = 150,

  // Neurons.
  /**
   * Forward over all T steps, by functions that are made for a plan: neuron/neurons.ts. Unit =
   * PixelsPerUnit pixels. NeuronWord.
   */
  Neuron = 30,
  /** Rate: δ = (Σ contributions) ⊙ eligibility; unit = chunk of pixels. NeuronBackWord. */
  NeuronBackwardRate = 31,
  /** Through time; unit = PixelsPerUnit pixels. NeuronWord. */
  NeuronBackwardTime = 32,
  /** The same of recurrent neurons; unit = an image. NeuronWord, RecurrentWord. */
  Recurrent = 100,
  RecurrentBackward = 101,
  /** A recurrent weight's; unit = four neurons, one of the bias. RecurrentGradientWord. */
  RecurrentGradient = 102,
  /** Gradient of what neurons learn; unit = PixelsPerUnit pixels. LearnWord. */
  LearnGradient = 103,
  /** The end of it; one unit. LearnFinishWord. */
  LearnFinish = 104,
  /** δ = (Σ contributions) ⊙ h' at one step (online methods). NeuronBackWord. */
  NeuronBackwardOnline = 33,
  /** Sums of potentials before they fire; unit = PixelsPerUnit pixels. StabilizedWord. */
  StabilizedSums = 151,
  /** The threshold of a step, from those sums; one unit. StabilizedWord. */
  StabilizedThreshold = 152,

  // Between them.
  /**
   * A sum of terms (currents with affine maps, pooled spikes) written out as floats; unit = chunk
   * of pixels. MaterialiseWord.
   */
  Materialise = 40,
  /** Max pooling of spikes: OR of masks; unit = chunk of pixels. PoolWord. */
  MaxPool = 41,
  /** Max pooling of floats [P][T][C]; unit = chunk of pixels. PoolWord. */
  MaxPoolFloats = 56,
  /** max(0, x) of floats [P][T][C]; unit = chunk of pixels. ReluWord. */
  Relu = 57,
  /** Its gradient; unit = chunk of pixels. ReluBackwardWord. */
  ReluBackward = 58,
  /** Sum over T of a gradient; unit = chunk of pixels. TimeSumWord. */
  TimeSum = 42,
  /** Sum of gradient contributions; unit = chunk of pixels. NeuronBackWord. */
  GradientSum = 43,
  /** Spikes of the neurons that dropout keeps; unit = chunk of pixels. DropoutWord. */
  Dropout = 44,
  /** Presynaptic trace (OTTT): Out = λ Out + In; unit = chunk of pixels. TraceWord. */
  Trace = 45,
  /** Gradients of traces as those of single spikes; unit = chunk of pixels. TraceGradientWord. */
  TraceGradient = 71,
  /** Scaled weight standardisation; unit = block of output channels. StandardiseWord. */
  WeightStandardise = 46,
  /** Its gradient; unit = block of output channels. StandardiseWord. */
  WeightStandardiseBackward = 47,
  /** Gradient of max pooling, to the chosen positions; unit = chunk of source pixels. PoolWord. */
  MaxPoolBackward = 48,
  /**
   * Dropout of floats, and the gradient behind any dropout; unit = chunk of pixels. DropoutWord.
   */
  DropoutFloats = 49,
  /** Counts steps at which inputs that are spikes are not 0; unit = chunk of pixels. ActiveWord. */
  ActiveSpikes = 140,
  /** The same of inputs that are floats. ActiveWord. */
  ActiveFloats = 141,
  /** The spikes of a call among those of all steps; unit = chunk of bytes. RecordWord. */
  RecordSpikes = 142,
  /** Floats floats of Out become 0; unit = PerUnit floats. ClearWord. */
  Clear = 53,
  /** Out[0] = Σ In[0 … Count − 1], in order; one unit. SumScalarsWord. */
  SumScalars = 54,

  // Ends.
  /** Time mean of the last layer's output so far, and predictions; one unit. OutputWord. */
  Output = 52,
  /** Loss of the output, and its gradient; one unit. LossWord. */
  CrossEntropy = 50,
  /** Mean squared error of the output, and its gradient; one unit. LossWord. */
  MeanSquaredError = 90,
  /** Temporal efficient training: a loss of each step's output; one unit. LossWord. */
  Tet = 91,
  /**
   * Self-distillation: a loss of several outputs, and their gradients; one unit. LossWord.
   */
  SelfDistillation = 154,
  /** Penalty on firing rates, and its gradient; unit = PixelsPerUnit pixels. RatePenaltyWord. */
  RatePenalty = 92,
  /** SGD; unit = chunk of the parameters. SgdWord. */
  Sgd = 51,
  /** Begins a step: powers of betas, shares of the moving average; one unit. StepStartWord. */
  StepStart = 80,
  /** Adam and AdamW; unit = chunk of the parameters. AdamWord. */
  Adam = 81,
  /** Sums of squares; unit = chunk of the gradients. NormSumWord. */
  SquaredNorm = 82,
  /** Norm of the gradients, and the factor that clips them; one unit. ClipWord. */
  ClipFinish = 83,
  /** Out = keep·Out + factor·In; unit = chunk of the parameters. BlendWord. */
  Blend = 84,
  /** Chooses between kernels by how many spikes there are; one unit. ChooseWord. */
  Choose = 55,

  // Convolution by groups of channels.
  /** Forward on floats; unit = RowsPerUnit rows of one image of Out. GroupedWord. */
  GroupedForward = 59,
  /** Forward on spikes; unit = RowsPerUnit rows of one image of Out. GroupedWord. */
  GroupedSpikes = 60,
  /** Weight transposed for the input gradient, in each group; unit = group. GroupedWord. */
  GroupedTranspose = 61,
  /** Out = gradient of the input; unit = RowsPerUnit rows of one image of Out. GroupedWord. */
  GroupedInputGradient = 62,
  /** Out = gradient of the weight; unit = (split of the rows, group). GroupedWord. */
  GroupedWeightGradient = 63,
  /** The weight without groups; unit = block of output channels. GroupedWord. */
  GroupedExpand = 64,
  /** Out = the gradient of the weight from that without groups; unit = group. GroupedWord. */
  GroupedExtract = 65,

  // Layers between neurons.
  /** Out = In times constants of channels or neurons; unit = chunk of pixels. ScaledWord. */
  Scaled = 120,
  /** Means over windows of unequal sizes; unit = chunk of pixels of Out. AdaptiveWord. */
  AdaptivePool = 121,
  /** Its gradient; unit = chunk of pixels of Out. AdaptiveWord. */
  AdaptivePoolBackward = 122,
  /** Normalisation of groups of channels of an image; unit = image. GroupNormWord. */
  GroupNorm = 123,
  /** Its gradients; unit = image. GroupNormWord. */
  GroupNormBackward = 124,
  /** Out = In of some steps before, or behind; unit = chunk of pixels. DelayWord. */
  Delay = 125,
  /** The same of spikes; unit = chunk of pixels. DelayWord. */
  DelaySpikes = 126,
  /** Channels of several tensors in a row; unit = image. JoinWord. */
  Join = 127,
  /** The same of spikes; unit = image. JoinWord. */
  JoinSpikes = 128,
  /** Out = some channels of In; unit = image. SplitWord. */
  Split = 129,
}

/**
 * Sizes that records of convolutions have, as far as their kernels read them: those of stored
 * (padded) tensors. The words of a family begin behind them.
 */
export enum ConvWord {
  Images = 4,
  /** Rows per pixel of Out (forward) or Delta (backward); lists of counts: the highest count. */
  T = 5,
  InH = 6,
  InW = 7,
  InC = 8,
  OutH = 9,
  OutW = 10,
  /** N, a multiple of BlockWidth. */
  OutC = 11,
  /** Output channels of a block of Weight: 4, 8, 16 or 32. */
  BlockWidth = 12,
  /** Rows of a block of Weight: KernelH·KernelW·InC + 1, rounded up to a multiple of 4. */
  KRows = 13,
  KernelH = 14,
  KernelW = 15,
  StrideH = 16,
  StrideW = 17,
  PadH = 18,
  PadW = 19,
}

/** Words of dense convolutions, behind `ConvWord`. */
export enum DenseWord {
  Out = 20,
  In = 21,
  /** Non-zero: In is the address of a word that holds the address. */
  InIndirect = 22,
  /** Bytes from one pixel of In to the next. */
  InPixelBytes = 23,
  /** Bytes from one step of In to the next; 0 when In is the same at every step. */
  InStepBytes = 24,
  /** Bytes added to In for each step of a loop over t outside (step mode s). */
  InLoopBytes = 25,
  /**
   * [N / BlockWidth][KRows][BlockWidth] float32, row k = (ky·KernelW + kx)·InC + c; rows from
   * KernelH·KernelW·InC on are zero.
   */
  Weight = 26,
  /** float32 [N], or 0. */
  Bias = 27,
  /** Address of zeros, at least KernelW·InC and OutC floats. */
  Zeros = 28,
  /** Rows (pixel, t) or output-pixel rows of one unit: see the operation. */
  RowsPerUnit = 29,
  /** Gradient of the output, [B][OutH][OutW][T][N]. */
  Delta = 30,
  /** Transposed weight for the input gradient (TransposeWeight's output). */
  Transposed = 31,
  /**
   * Weight gradient: parts into which the rows are split, and their partial results
   * [split][KRows·OutC].
   */
  Splits = 32,
  Partial = 33,
  /** Weight gradient: k of one unit, a multiple of 4. */
  KPerUnit = 34,
  /** f32: factor of the result. */
  Scale = 35,
  /** Non-zero: add to Out instead of writing it (online methods). */
  Accumulate = 36,
  /** Few input channels: pixels of a chunk, a multiple of 5, which stay in the cache. */
  PixelsPerChunk = 37,
  /** Non-zero: δ of a chunk and step is packed first. */
  Packed = 38,
}

/** Sizes that the dense kernels and their plans agree on. */
export enum Dense {
  /** Rows and columns of a tile of sums. */
  TileRows = 5,
  TileColumns = 8,
  /** Worker scratch of one such tile. */
  TileBytes = 192,
  /** Depth of a panel of gathered rows. */
  Depth = 256,
  /** Where a gathered row comes from: worker scratch of one. */
  OriginBytes = 16,
  /** Rows gathered at a time by the weight gradient, and worker scratch in front of them. */
  GradientRows = 128,
  // biome-ignore lint/suspicious/noDuplicateEnumValues: a size of its own
  GradientHeadBytes = 128,
  /** Input channels of a unit of TransposeWeight. */
  TransposedChannels = 8,
  /** Channels of a unit of BiasGradient. */
  BiasChannels = 16,
  /** Rows of the left matrix that a matrix product packs at a time. */
  ProductRows = 130,
}

/** The same for kernels of few input channels. */
export enum Narrow {
  /** Floats of a cache line: copied planes are an odd number of lines apart. */
  LineFloats = 16,
}

/** Words of convolutions of spikes, behind `ConvWord`: the input is Scale · Σ of pooled spikes. */
export enum SpikeWord {
  Out = 20,
  /** As `DenseWord.Weight` and `Bias`; in SpikeForwardBytes Weight is i8 in the same order. */
  Weight = 21,
  Bias = 22,
  /** f32 */
  Scale = 23,
  /** Table of SourceCount entries: see `SourceWord`. */
  Sources = 24,
  SourceCount = 25,
  /** Bytes from one plane of masks to the next (B·SourceH·SourceW·InC). */
  PlaneBytes = 26,
  /** Size of the sources before pooling; InH and InW are the size after it. */
  SourceH = 27,
  SourceW = 28,
  PoolKernelH = 29,
  PoolKernelW = 30,
  PoolStrideH = 31,
  PoolStrideW = 32,
  PoolPadH = 33,
  PoolPadW = 34,
  /** Group of 4 steps: 4·Group … of the T. */
  Group = 35,
  /** Lists of entries; ListBytes: the most that one output pixel can have. */
  Lists = 36,
  ListBytes = 37,
  /**
   * u32 [output pixel][16]: address where the list of pattern p = 1…15 starts at index p − 1; its
   * end is the next index.
   */
  ListPointers = 38,
  /** Non-zero: 7 lists of neurons by pairs of steps instead of 15 by the whole pattern. */
  PairLists = 39,
  /** Non-zero: entries are u16 k, u16 factor instead of u16 k. */
  WeightedLists = 40,
  /** Rows of output pixels of one unit of lists. */
  RowsPerUnit = 41,
  /** Output pixels of one unit of sums. */
  PixelsPerUnit = 42,
  /** Blocks of output channels that one unit sums side by side. */
  BlocksPerUnit = 43,
  /**
   * Moments of Out for a BatchNorm, float32 [slots][`Moments.Rows`][OutC], or 0. A slot is
   * MomentPixels pixels and a group of steps: slot = Group·⌈pixels / MomentPixels⌉ + pixel /
   * MomentPixels. PixelsPerUnit is a multiple of MomentPixels.
   */
  Moments = 44,
  MomentPixels = 45,
  /** SpikeForwardBytes: float32 [OutC], what a weight of 1 stands for in each output channel. */
  WeightScale = 46,
  /** SpikeForwardBytes: bytes of weights whose sum 16 bits hold. */
  MostCounted = 47,
}

/** A tensor of spikes that a convolution reads. */
export enum SourceWord {
  /** Masks u8 [plane][B][SourceH][SourceW][InC]. */
  Masks = 0,
  Words = 2,
  Bytes = 8,
}

/** Sizes that the kernels on spikes and their plans agree on. */
export enum Spike {
  /** Steps of a group, and the patterns that their spikes can have, the empty one included. */
  GroupSteps = 4,
  Patterns = 16,
  /** Bytes of a table of pointers: 4 for each pattern. */
  PointerBytes = 4 * Patterns,
  /** Bytes that a copy of a list may write behind it. */
  ListOverrun = 32,
  /** Vectors of BlockWidth floats of a block's scratch: sums of the patterns, and the bias. */
  SumRows = 17,
  /** The same where weights are bytes: a factor as well. */
  ByteSumRows = 18,
}

/** Partial sums of a BatchNorm: see norm/moments.ts. */
export enum Moments {
  /** float32 rows of a slot, each of as many floats as there are channels. */
  Rows = 4,
}

/** Words of Winograd's kernels, behind `ConvWord`. */
export enum WinogradWord {
  Out = 20,
  /** Float32 [B][InH][InW][InC]. */
  In = 21,
  /** Gradient of the output, [B][InH][InW][N]. */
  Delta = 22,
  /** As `DenseWord.Weight`. */
  Weight = 23,
  /** Shared scratch: transformed tiles or kernels. */
  Scratch = 24,
  /** Bytes between planes of transformed tiles in Scratch. */
  PlaneBytes = 25,
  /**
   * Input gradient: non-zero when the kernels are transformed by a record of their own, and the
   * tiles by each unit.
   */
  KernelFirst = 26,
  /** Tile rows of one unit. */
  RowsPerUnit = 27,
  /** Weight gradient: input and output channels of one unit. */
  InCPerUnit = 28,
  OutCPerUnit = 29,
  /** Weight gradient: as in `DenseWord`; 0 splits: Scratch has the tiles. */
  Splits = 30,
  Partial = 31,
  /** f32: factor of the result. */
  Scale = 32,
  /** Non-zero: add to Out instead of writing it. */
  Accumulate = 33,
}

/** Sizes that Winograd's kernels and their plans agree on. */
export enum Winograd {
  /** Rows and columns of a kernel, and what it needs besides. */
  Kernel = 3,
  Stride = 1,
  // biome-ignore lint/suspicious/noDuplicateEnumValues: a size of its own
  Padding = 1,
  /** Pixels of a tile along each axis. */
  Tile = 4,
  /** Values of a transformed tile, 6×6. */
  Planes = 36,
  /** Keeps planes apart in the cache: at sizes of powers of two all would share their lines. */
  PlanePadding = 192,
  /** The same behind a group of channels of the weight gradient. */
  GroupPadding = 64,
  /** 6×6 vectors of four floats between the two passes of a transform. */
  TransformBytes = 576,
  /** Room for the addresses of the six rows of a patch. */
  RowsBytes = 64,
  /** Input channels of a block of the input gradient, and the bytes of their floats. */
  Block = 8,
  BlockBytes = 4 * Block,
  /** Channels of a group of the weight gradient, and the bytes of their floats. */
  Group = 16,
  GroupBytes = 4 * Group,
  /**
   * Output channels of a chunk of the input gradient. Rows of a chunk are so far apart whatever it
   * holds, since the product wants a constant.
   */
  Chunk = 128,
  ChunkBytes = 4 * Chunk,
}

/** The same for the input gradient of stride 2, where they differ. */
export enum WinogradStride {
  Stride = 2,
  /** Pixels of δ of a tile along each axis. */
  Tile = 4,
  /** Values of a transformed line; planes of transformed tiles and kernels. */
  Line = 9,
  Planes = 81,
  Kernels = 36,
  /** 9×8 vectors of four floats between the two passes of a transform. */
  LineBytes = 1152,
}

/** Words of the weight gradient from lists of active neurons, behind `ConvWord`. */
export enum ListWord {
  Out = 20,
  /** Spikes of each neuron over all steps, one byte [B][InH][InW][InC]. */
  Counts = 21,
  /** Gradient of the output, [B][OutH][OutW][N]. */
  Delta = 22,
  /** δ of 16 channels with margins of zeros, lists and their pointers: see list-gradient.ts. */
  Grids = 23,
  Lists = 24,
  ListPointers = 25,
  /** Images whose pixels one list holds. */
  ImagesPerGroup = 26,
  /** Input channels of one unit of sums. */
  InCPerUnit = 27,
  /** f32: factor of the result. */
  Scale = 28,
  /** Non-zero: add to Out instead of writing it. */
  Accumulate = 29,
  /** Pixels that a byte counts before it is added to a total. */
  MostCounted = 30,
}

/** Sizes that its kernels and their plan agree on. */
export enum RateList {
  /** Output channels of a grid: one cache line of floats. */
  GridChannels = 16,
  GridBytes = 4 * GridChannels,
  /** Input channels of one unit of lists. */
  // biome-ignore lint/suspicious/noDuplicateEnumValues: a size of its own
  Channels = 16,
  /** Taps whose sums of a grid are made together. */
  TapsAtOnce = 2,
  /** Worker scratch of lists for each count and phase of a channel: u32 head, u16 total. */
  HeadBytes = 6,
  /** Pixels that an entry of a list can number. */
  MostPixels = 65536,
  /** The highest count, which a byte holds. */
  MostCount = 255,
}

/** Words of the weight gradient through time from lists of spike patterns, behind `ConvWord`. */
export enum PatternWord {
  Out = 20,
  /** Gradient of the output, [B][OutH][OutW][T][N]. */
  Delta = 21,
  /** The sources and the window that they are pooled by, as in `SpikeWord`. */
  Sources = 22,
  SourceCount = 23,
  PlaneBytes = 24,
  SourceH = 25,
  SourceW = 26,
  PoolKernelH = 27,
  PoolKernelW = 28,
  PoolStrideH = 29,
  PoolStrideW = 30,
  PoolPadH = 31,
  PoolPadW = 32,
  /** Lists, the bytes that each may have, and their ends: see spikes/pattern-lists.ts. */
  Lists = 33,
  ListBytes = 34,
  ListPointers = 35,
  /** Images of a group of lists; with one of them RowsPerGroup rows of a phase. */
  ImagesPerGroup = 36,
  RowsPerGroup = 37,
  /** The grid: zeros above and on the left of an image, and the cells from one to the next. */
  GridTop = 38,
  GridLeft = 39,
  GridH = 40,
  GridW = 41,
  /** Output rows and columns that have cells. */
  GridOutH = 42,
  GridOutW = 43,
  /** Input channels of one unit of sums. */
  InCPerUnit = 44,
  /** As in `DenseWord`. */
  Splits = 45,
  Partial = 46,
  /** f32: factor of the result. */
  Scale = 47,
  /** Non-zero: add to Out instead of writing it. */
  Accumulate = 48,
}

/** Sizes that its kernels and their plan agree on. */
export enum Pattern {
  /** Output channels of a grid: one cache line of floats. */
  GridChannels = 16,
  RowBytes = 4 * GridChannels,
  /** Input channels of one unit of lists, and worker scratch of its lists of one phase. */
  // biome-ignore lint/suspicious/noDuplicateEnumValues: a size of its own
  Channels = 16,
  EndBytes = 4 * Channels,
  /** Rows of a grid that an entry of a list can number. */
  MostRows = 65536,
}

/**
 * Words of normalisation records. Statistics have `Groups` rows: 1, or T when each step has its own
 * (step mode s).
 */
export enum NormWord {
  /** Float tensor [rows][C]; row r belongs to group r % Groups. */
  In = 4,
  Rows = 5,
  C = 6,
  Groups = 7,
  RowsPerUnit = 8,
  /**
   * float32, forward [Units][Groups][Moments.Rows][C], backward
   * [Units][Groups][NormSize.ProductRows][C]: see norm/chunks.ts.
   */
  Partial = 9,
  /** Parameters, float32 [C]; 0 when not affine. */
  Weight = 10,
  Bias = 11,
  RunningMean = 12,
  RunningVar = 13,
  /** Results for the batch, float32 [Groups][C]. */
  Mean = 14,
  InvStd = 15,
  /** y = Scale·x + Shift, float32 [Groups][C]. */
  Scale = 16,
  Shift = 17,
  /** f32 */
  Epsilon = 18,
  /** f32: PyTorch's momentum of the running statistics. */
  Momentum = 19,
  /**
   * How often each row stands for itself: T for a static tensor, else 1 (for the unbiased
   * variance).
   */
  Repeats = 20,
  /** Backward: δ [rows][C]; in the rate method rows = pixels. */
  Delta = 21,
  /** Backward: x̂ [rows][C] (0: x̂ is (In − Mean)·InvStd). */
  Xhat = 22,
  /** Backward: gradient of the input [rows][C]; may be Delta. */
  Out = 23,
  WeightGradient = 24,
  BiasGradient = 25,
  /** dx = a·δ − b − c·x̂: float32 [Groups][NormSize.CoefficientRows][C], rows a, b, c. */
  Coefficients = 26,
  /**
   * Loop over t outside (step mode s): float32 [C], running mean over t of InvStd for the backward
   * pass, 0 otherwise.
   */
  MeanInvStd = 27,
  /** Loop over t outside: its number of steps. */
  TotalSteps = 28,
  /** Chunks that have partial sums. */
  Units = 29,
  /**
   * Non-zero: add to the parameter gradients instead of writing them (online methods); cleared at t
   * = 0 by the planner's choice.
   */
  Accumulate = 30,
  /**
   * How many steps have the same statistics, where there are more than one: so often they move the
   * running ones, and count in the mean of InvStd.
   */
  Moves = 31,
  /** Backward of an all-time normalisation: `AllTimeWord.Used`, or 0. */
  Used = 32,
}

/** Words of `NormAllTime`: see norm/all-time.ts. */
export enum AllTimeWord {
  /** Channels as stored, and as they are. */
  C = 4,
  RealC = 5,
  Groups = 6,
  Weight = 7,
  Bias = 8,
  RunningMean = 9,
  RunningVar = 10,
  /** Of each step, float32 [Groups][C]. */
  Mean = 11,
  InvStd = 12,
  Scale = 13,
  Shift = 14,
  /** float32 [2][C]: running mean and inverse deviation before the first step. */
  Frozen = 15,
  /** float64 [2][C]: sums over the steps so far of the mean, and of the mean square. */
  Totals = 16,
  /** f32 */
  Epsilon = 17,
  Momentum = 18,
  /** f32: how often a step's deviation may go into the running one, or that into it. */
  Bound = 19,
  TotalSteps = 20,
  /** How many steps have the same statistics. */
  Moves = 21,
  /** float32 [Groups][2][C]: mean and inverse deviation that the backward pass takes as given. */
  Used = 22,
  /** Non-zero: one channel beyond the bound counts for all, and the backward pass not at all. */
  ByLayer = 23,
}

/** Sizes that normalisation's kernels and its planner share. */
export enum NormSize {
  /** Rows of the backward's partial sums: see norm/chunks.ts. */
  ProductRows = 2,
  CoefficientRows = 3,
  /** Channels of one unit of NormFinish, and its scratch. */
  FinishChannels = 32,
  FinishScratchBytes = 64,
}

/** What a unit of neurons has counted; bytes from its start. */
export enum ActivityCount {
  /** u64: steps at which a potential was not what it was a step before; the first step is one. */
  Changes = 0,
  /** u64 */
  Spikes = 8,
  Bytes = 16,
}

/** Words of records of neurons: neuron/neurons.ts, src/equations/layer.ts. */
export enum NeuronWord {
  /** Which function of the table. */
  Kernel = 4,
  Pixels = 5,
  C = 6,
  PixelsPerUnit = 7,
  /** Steps of a call. */
  T = 8,
  /**
   * Two currents: float32 [P][T][C] with strides between pixels and steps; scale and shift, mean
   * and inverse deviation [groups][C], with a stride between groups; the time mean of
   * (A − mean)·invStd, float32 [P][C].
   */
  A = 9,
  APixelBytes = 10,
  AStepBytes = 11,
  AScale = 12,
  AShift = 13,
  AGroupBytes = 14,
  AMean = 15,
  AInvStd = 16,
  AXhat = 17,
  B = 18,
  BPixelBytes = 19,
  BStepBytes = 20,
  BScale = 21,
  BShift = 22,
  BGroupBytes = 23,
  BMean = 24,
  BInvStd = 25,
  BXhat = 26,
  /** Masks of spikes that are a current. */
  S = 27,
  SPlaneBytes = 28,
  /** Results: masks and counts as of neurons, or numbers [P][T][C] where nothing spikes. */
  Masks = 29,
  PlaneBytes = 30,
  Counts = 31,
  /** u32 [units]: spikes of each unit, over all steps so far. */
  CountPartials = 32,
  Out = 33,
  /** float32 [P][C]; of each step [P][T][C]; by what is learnt [P][learnt][C]. */
  Eligibility = 34,
  SurrogateOut = 35,
  Traces = 36,
  /** float32 [rows][P][C] from call to call: states, and their derivatives. */
  State = 37,
  /** Backward: from ∂L/∂output to ∂L/∂x, [P][T][C]. */
  Delta = 38,
  Contributions = 39,
  ContributionCount = 40,
  PixelsPerRun = 41,
  H = 42,
  W = 43,
  /** Pixels of an image, where parameters differ from neuron to neuron. */
  ImagePixels = 44,
  /** Channels without padding, whose neurons neither fire nor give anything. */
  RealC = 45,
  /** What evaluation counts: as of neurons; the function that counts changes of potentials. */
  Activity = 46,
  ActivityWanted = 47,
  Counting = 48,
  /** Arrays of parameters that are not learnt, one behind the other. */
  Given = 49,
  /** Addresses of those that are, in their order; up to 13. */
  Learnt = 50,
  /** float32 [P][steps of all calls][recorded names][C]: for who wants to see states. */
  Recorded = 63,
}

/**
 * Words of records of recurrent neurons beside `NeuronWord`: they have one plain current, and these
 * stand in place of all that is of others.
 */
export enum RecurrentWord {
  /** Where copies of the record alone say it: states of each step, and their gradients. */
  Kept = 12,
  Adjoints = 13,
  /** float32 [N][N], or with OneToOne [N], from neuron to neuron as stored; the bias [N], or 0. */
  Weight = 18,
  Bias = 19,
  OneToOne = 20,
  /** What is kept of each step for the way back, [P][T][C]. */
  Inputs = 21,
  Presynaptic = 22,
  /** Non-zero: Presynaptic is a trace of spikes. */
  Traced = 23,
  /** Bytes of State before the spikes of a step as numbers. */
  Fired = 24,
  /** u32 [P][C]: spikes that come to the weight. */
  Arrivals = 25,
  /** Backward: the function that runs forward again, and numbers of a neuron's state. */
  Ahead = 26,
  States = 27,
}

/** Words that make the threshold of stabilised neurons: neuron/stabilized.ts. */
export enum StabilizedWord {
  /** float32 [P][C]: potentials before they fire. */
  Charged = 4,
  Pixels = 5,
  C = 6,
  /** Channels without padding. */
  RealC = 7,
  PixelsPerUnit = 8,
  /** f64 [Units][2]: sums of potentials and of their squares. */
  Moments = 9,
  Units = 10,
  /** f32 [2]: how many deviations above the mean the threshold is, and the threshold. */
  Stability = 11,
  /** f32: θ of the first step. */
  Threshold = 12,
  /** f32 [1], and its f32 share of a step. */
  RunningThreshold = 13,
  Share = 14,
}

/** Words of the gradients of recurrent weights. */
export enum RecurrentGradientWord {
  /** [N][N], from neuron to neuron as stored, with OneToOne [N]; [N], or 0. */
  Out = 4,
  BiasOut = 5,
  /** float32 [images][Pixels][T][C]: what the weight multiplied with, and gradient of the input. */
  In = 6,
  Delta = 7,
  Images = 8,
  /** Pixels of an image. */
  Pixels = 9,
  C = 10,
  T = 11,
  /** Non-zero: add to what is there. */
  Accumulate = 12,
  /** Non-zero: as of `NeuronWord`; there is no bias. */
  OneToOne = 13,
}

/** Words of sums for what neurons learn. */
export enum LearnWord {
  /** float32 [ImagePixels][C] where there is no Partial. */
  Out = 4,
  /** Its row among Rows of Traces [P][Rows][C]. */
  Traces = 5,
  Rows = 6,
  Row = 7,
  /** Gradient of the time mean of the output [P][C], or 0: 1. */
  Delta = 8,
  Pixels = 9,
  ImagePixels = 10,
  C = 11,
  PixelsPerUnit = 12,
  /** float64 [units][C], or 0. */
  Partial = 13,
}

/** Words of their ends. */
export enum LearnFinishWord {
  /** [C], or with Scalar one number. */
  Out = 4,
  /** float64 [Units][C]. */
  Partial = 5,
  Units = 6,
  C = 7,
  Scalar = 8,
}

/** Words of gradients that are summed, times a factor or not. */
export enum NeuronBackWord {
  /** Float tensor [P][T][C]. */
  Out = 4,
  /** Factor [P][C] (eligibility, or h' at one step), or 0. */
  Factor = 5,
  Contributions = 6,
  ContributionCount = 7,
  Pixels = 8,
  H = 9,
  W = 10,
  C = 11,
  PixelsPerUnit = 12,
  /** Rows per pixel: 1 in the rate method. */
  T = 13,
  /** Pixels to which all contributions are added before the next ones. */
  PixelsPerRun = 14,
}

/**
 * A gradient that arrives at a tensor [B][H][W][T][C] from one consumer that saw it pooled:
 * g[b][y][x] += Scale · Σ over windows (oy, ox) that hold (y, x) of Address[b][oy][ox].
 */
export enum ContributionWord {
  Address = 0,
  /** Size of the gradient tensor. */
  OutH = 1,
  OutW = 2,
  KernelH = 3,
  KernelW = 4,
  StrideH = 5,
  StrideW = 6,
  PadH = 7,
  PadW = 8,
  /** f32 */
  Scale = 9,
  /** Bytes between steps of Address; 0: the same gradient at every step. */
  StepBytes = 10,
  /** Bytes between pixels of Address. */
  PixelBytes = 11,
  Words = 16,
  Bytes = 64,
}

export enum MaterialiseWord {
  /** [P][T][C] float32. */
  Out = 4,
  Images = 5,
  H = 6,
  W = 7,
  C = 8,
  T = 9,
  PixelsPerUnit = 10,
  /** Table of terms (`TermWord`). */
  Terms = 11,
  TermCount = 12,
  /** 0: spikes at each step; 1: time means (counts / T, mean of floats over their steps). */
  Mean = 13,
  /** Steps over which counts run. */
  TotalSteps = 14,
  /** Counts whose sum 16 bits hold. */
  MostCounted = 15,
}

/** What a term is. */
export enum TermKind {
  Float = 0,
  Spikes = 1,
}

/** One term of a materialised sum. */
export enum TermWord {
  /** A `TermKind`. */
  Kind = 0,
  /** Float data, or masks. */
  Address = 1,
  Counts = 2,
  PlaneBytes = 3,
  PixelBytes = 4,
  /** Bytes between steps; 0: the same at every step. */
  StepBytes = 5,
  /** Steps that a float term has (1: static). */
  Steps = 6,
  ScaleVector = 7,
  ShiftVector = 8,
  GroupBytes = 9,
  /** f32 */
  Scale = 10,
  SourceH = 11,
  SourceW = 12,
  KernelH = 13,
  KernelW = 14,
  StrideH = 15,
  StrideW = 16,
  PadH = 17,
  PadW = 18,
  Indirect = 19,
  /** Channels that the term has (fewer than C when it is the unpadded input). */
  Channels = 20,
  /** Bytes between steps of a loop over t outside, from the first step of one call to the next. */
  LoopBytes = 21,
  Words = 32,
  Bytes = 128,
}

export enum OutputWord {
  /** Output of the last layer [images][T][C] float32. */
  Logits = 4,
  Images = 5,
  /** Steps of one call. */
  T = 6,
  /** Stored and real number of classes. */
  C = 7,
  Classes = 8,
  /** Sum over the steps so far of logits / TotalSteps, float32 [B][C]. */
  Out = 9,
  TotalSteps = 10,
  /** Bytes between steps of Logits (0: static). */
  StepBytes = 11,
  /** i32 [B]: the class of the greatest output. */
  Predictions = 12,
}

export enum LossWord {
  /** Output of the last layer [images][T][C] float32: what Instantaneous reads. */
  Logits = 4,
  Images = 5,
  T = 6,
  /** Stored and real number of classes. */
  C = 7,
  Classes = 8,
  /** Time mean [B][C], complete at the last step. */
  Output = 9,
  /**
   * Gradient of the output [B][C], or 0. In rate mode divided by TotalSteps. With Instantaneous it
   * has the rows of Logits, [B][T][C] or [B][C].
   */
  Delta = 10,
  /** f32: factor of the gradient: 1/B, or 1/(B·T). */
  GradientScale = 11,
  TotalSteps = 12,
  /** Per-image loss f32 [B], prediction i32 [B]. */
  Losses = 13,
  Predictions = 14,
  /** Bytes between steps of Logits (0: static). */
  StepBytes = 15,
  /**
   * f32: weight of the mean squared error of the logits against one-hot targets, 0 for plain cross
   * entropy (online methods 0.05).
   */
  MseWeight = 16,
  /** Non-zero: the loss is of the instantaneous output at every step (online methods, TET). */
  Instantaneous = 17,
  /** f32: factor of the output, 0 for 1: T for a loss of counts. */
  OutputScale = 18,
  /** f32: share of the target that is spread over all classes. */
  LabelSmoothing = 19,
  /** f32: wanted output of the classes that are not the label's, and of the label's. */
  Low = 20,
  High = 21,
  /** Non-zero: Control.Target holds the wanted outputs, float32 [B][Classes], and no labels. */
  Values = 22,
  /** Non-zero: with Instantaneous every step has a gradient, whatever Control.StepMask says. */
  AllSteps = 23,
  /** Table of `ExitCount` outputs, the last one being the network's: ExitWord. */
  Exits = 24,
  ExitCount = 25,
  /** f32: weights of the cross entropies and of the divergences, and the softmax's temperature. */
  Alpha = 26,
  Beta = 27,
  Temperature = 28,
}

/** One output of a network with several. */
export enum ExitWord {
  /** Its time mean, float32 [B][C]. */
  Output = 0,
  /** Its gradient [B][C], or 0. */
  Delta = 1,
  /** Bytes of an entry. */
  Bytes = 8,
}

export enum RatePenaltyWord {
  /** Spikes of each neuron, u8 [Pixels][C]. */
  Counts = 4,
  /** Gradient by the rates, float32 [Pixels][C]. */
  Out = 5,
  /** Sums of units, f64. */
  Partials = 6,
  Pixels = 7,
  /** Stored and real number of channels. */
  C = 8,
  Channels = 9,
  PixelsPerUnit = 10,
  PixelsPerImage = 11,
  T = 12,
  /** f32: the wanted rate, 0…1. */
  Target = 13,
  /** f32: factor of the gradient; divided by the valid images. */
  Scale = 14,
  /** Non-zero: distances, not their squares. */
  L1 = 15,
}

export enum SgdWord {
  Parameters = 4,
  Gradients = 5,
  Velocities = 6,
  /** Floats, a multiple of 16. */
  Count = 7,
  PerUnit = 8,
  /** Non-zero: `Control.DecayOther` is their decay, else `Control.Decay`. */
  OtherDecay = 9,
  /** 0, or the parameters' `StepGroup`: its numbers hold instead of those of the control block. */
  Group = 10,
}

/** Numbers of a step of the optimizer that all parameters share: byte offsets. */
export enum StepNumbers {
  /** f64: β₁ⁿ and β₂ⁿ behind n steps; 1 at first. */
  Power1 = 0,
  Power2 = 8,
  /** f64: steps that the moving average has taken. */
  Averaged = 16,
  /** f64: norm of the gradients of the last step, before they were clipped. */
  Norm = 24,
  /** f64, by the host: the norm to which gradients are clipped. */
  ClipNorm = 32,
  /** f64, by the host: what the moving average keeps of itself. */
  AverageDecay = 40,
  /** f64: 1/(1 − β₁ⁿ) and 1/√(1 − β₂ⁿ) of this step. */
  Correction1 = 48,
  Correction2 = 56,
  /** f32: the factor that clips gradients. */
  Coefficient = 64,
  /** f32: what this step keeps of the moving average, and its own share. */
  AverageKeep = 68,
  AverageShare = 72,
  /** f32, by the host: 1 where gradients are added to those of batches before, else 0. */
  AccumulateKeep = 76,
  /** f32, by the host: 1. */
  One = 80,
  /** f32, by the host: 1 / batches whose gradients have been added up. */
  AccumulateShare = 84,
  /** f32: `Norm`. */
  SingleNorm = 88,
  /** Bytes; the groups follow. */
  Bytes = 128,
}

/** Numbers of a group of parameters, written by the host before each step: byte offsets. */
export enum StepGroup {
  /** f64: β₁ of Adam, momentum of SGD. */
  Beta1 = 0,
  /** f64: β₂. */
  Beta2 = 8,
  /** f32: learning rate. */
  Rate = 16,
  /** f32: weight decay. */
  Decay = 20,
  /** f32. */
  Eps = 24,
  /** Non-zero: Nesterov momentum (SGD). */
  Nesterov = 28,
  /** Non-zero: weight decay is no part of the gradient (AdamW). */
  Decoupled = 32,
  /** From one group to the next. */
  Bytes = 64,
}

export enum StepStartWord {
  Numbers = 4,
  /** Any group: their betas are the same. */
  Group = 5,
}

export enum AdamWord {
  Parameters = 4,
  Gradients = 5,
  Means = 6,
  Squares = 7,
  /** Floats, a multiple of 16. */
  Count = 8,
  PerUnit = 9,
  Numbers = 10,
  Group = 11,
}

export enum NormSumWord {
  /** f64, one for each unit. */
  Partial = 4,
  In = 5,
  /** Floats, a multiple of 16. */
  Count = 6,
  PerUnit = 7,
}

export enum ClipWord {
  Numbers = 4,
  Partial = 5,
  /** Of the partial sums. */
  Count = 6,
}

export enum BlendWord {
  Out = 4,
  In = 5,
  /** Floats, a multiple of 16. */
  Count = 6,
  PerUnit = 7,
  /** Address of a float32. */
  Factor = 8,
  /** 0, or the address of a float32. */
  Keep = 9,
}

export enum ClearWord {
  Out = 4,
  /** A multiple of 4. */
  Floats = 5,
  PerUnit = 6,
}

/** Out[0] = Σ In[0 … Count − 1]. */
export enum SumScalarsWord {
  Out = 4,
  In = 5,
  Count = 6,
}

/** Flags for `Rec.Condition`: few spikes, or many. */
export enum ChooseWord {
  /** u32 [2]: 1, 0 when the sources have at most Limit spikes, else 0, 1. */
  Out = 4,
  /** Table of SourceCount entries: see `SpikeSumWord`. */
  Sources = 5,
  SourceCount = 6,
  /** Spikes of one call. */
  Limit = 7,
  /** Steps of a call of a loop over t outside, whose counts add up; else 0. */
  CallSteps = 8,
}

/** The spikes of one tensor, summed by units. */
export enum SpikeSumWord {
  /** u32 [Units]: `NeuronWord.CountPartials`. */
  Sums = 0,
  Units = 1,
  Words = 2,
  Bytes = 8,
}

/** Words of max pooling, forward and backward. */
export enum RecordWord {
  /** Masks u8 of a call [plane][PlaneBytes]. */
  In = 4,
  /** Masks u8 of all steps [plane][PlaneBytes]. */
  Out = 5,
  /** Bytes of a plane. */
  PlaneBytes = 6,
  BytesPerUnit = 7,
  /** Steps of one call. */
  T = 8,
}

export enum ActiveWord {
  /** u32 [pixels of an image][C]: counts go on from what is there. */
  Out = 4,
  /** u32 [units]: 1 once a value has come that is neither 0 nor ±1. */
  Others = 5,
  Images = 6,
  /** Pixels of an image, and its width. */
  Pixels = 7,
  W = 8,
  C = 9,
  /** Steps of one call. */
  T = 10,
  PixelsPerUnit = 11,

  // Floats: where they are.
  In = 12,
  /** Non-zero: In is the address of a word that holds the address. */
  Indirect = 13,
  PixelBytes = 14,
  /** Bytes between steps; 0: the same at every step. */
  StepBytes = 15,
  /** Bytes between steps of a loop over t outside. */
  LoopBytes = 16,

  // Spikes, seen through a window.
  /** Table of `SourceWord`s. */
  Sources = 17,
  SourceCount = 18,
  PlaneBytes = 19,
  SourceH = 20,
  SourceW = 21,
  KernelH = 22,
  KernelW = 23,
  StrideH = 24,
  StrideW = 25,
  PadH = 26,
  PadW = 27,
  /** What a byte counts before it is added to Out. */
  MostCounted = 28,
}

export enum PoolWord {
  /** Masks, or floats [P][T][C]. */
  Out = 4,
  /** Counts u8 [P][C]. */
  OutCounts = 5,
  /** Chosen window position u8 [P][C] (rate) or [P][T][C] (through time), or 0. */
  Choice = 6,
  In = 7,
  /**
   * Counts u8 [source pixels][C] that decide the choice. Of floats: float32 [source pixels][C]
   * whose largest value does; 0: In itself.
   */
  InCounts = 8,
  OutPlaneBytes = 9,
  InPlaneBytes = 10,
  /** Steps of one call. */
  T = 11,
  Images = 12,
  /** Size of the pooled tensor, C and size of the source. Backward the other way round. */
  H = 13,
  W = 14,
  C = 15,
  SourceH = 16,
  SourceW = 17,
  KernelH = 18,
  KernelW = 19,
  StrideH = 20,
  StrideW = 21,
  PadH = 22,
  PadW = 23,
  PixelsPerUnit = 24,
  /** Non-zero: choose at each step (through time) and not by the rate. */
  ChoicePerStep = 25,
  /** Non-zero: t is the step of an outer loop, counts add up over it. */
  Loop = 26,
  /** Non-zero: OutCounts are the highest InCounts of windows, and not those of Out's spikes. */
  CountsOfRates = 27,
}

/** Out[P][C] = Σ_t In[P][T][C]. */
export enum TimeSumWord {
  Out = 4,
  In = 5,
  Pixels = 6,
  C = 7,
  T = 8,
  PixelsPerUnit = 9,
  /** Non-zero: Out is added to at steps t > 0 of an outer loop. */
  Loop = 10,
}

/** Out[P][C] = λ Out + In, step by step over In[P][T][C] and an outer loop. */
export enum TraceWord {
  Out = 4,
  In = 5,
  Pixels = 6,
  C = 7,
  PixelsPerUnit = 8,
  /** f32: λ. */
  Lambda = 9,
  T = 10,
}

/** Gradients of spikes' traces: see `traceGradient`. */
export enum TraceGradientWord {
  /** Float tensors [P][T][C]: the gradients of traces, and what a spike at each step meets. */
  Delta = 4,
  Out = 5,
  /** [P][C]: what the trace from before the call meets, or 0. */
  Before = 6,
  Pixels = 7,
  C = 8,
  PixelsPerUnit = 9,
  /** f32: λ. */
  Lambda = 10,
  T = 11,
}

/** Words of dropout, of masks and of floats [P][T][C]. */
export enum DropoutWord {
  Out = 4,
  In = 5,
  /** Counts u8 [P][C], of spikes alone. */
  OutCounts = 6,
  InCounts = 7,
  OutPlaneBytes = 8,
  InPlaneBytes = 9,
  Pixels = 10,
  C = 11,
  T = 12,
  PixelsPerUnit = 13,
  /** f32: probability of dropping. */
  Probability = 14,
  /** Stream of random numbers. */
  Stream = 15,
}

/**
 * w' = gain · (w − mean) / √(var · fanIn + ε) over the inputs of each output channel (Qiao et al.
 * 2019; Brock et al. 2021, as in OTTT's code).
 */
export enum StandardiseWord {
  Weight = 4,
  Out = 5,
  /** float32 [N], or 0. */
  Gain = 6,
  Taps = 7,
  /** Stored and real input channels. */
  InC = 8,
  RealC = 9,
  BlockWidth = 10,
  KRows = 11,
  /** f32 */
  Epsilon = 12,
  /** Backward: gradient of w' (overwritten by that of w), gradient of the gain or 0. */
  Gradient = 13,
  GainGradient = 14,
}

/** Sizes that the kernels of groups and their plans agree on, in bytes of worker scratch. */
export enum Grouped {
  /** In front of the table of taps: zeros, a tile at the edge and its bias. */
  HeadBytes = 192,
  /** Patterns of four steps. */
  PatternBytes = 1024,
  /** One input of a table or list. */
  TapBytes = 8,
}

/**
 * Words of convolutions by groups of channels, behind the sizes of `ConvWord`. Group g reads the
 * channels g·GroupIn … and makes the channels g·GroupOut … of a pixel.
 */
export enum GroupedWord {
  Out = 20,
  In = 21,
  /** Non-zero: In is the address of a word that holds the address. */
  InIndirect = 22,
  /** Bytes from one pixel of In to the next. */
  InPixelBytes = 23,
  /** Bytes from one step of In to the next; 0 when In is the same at every step. */
  InStepBytes = 24,
  /** Bytes added to In for each step of a loop over t outside (step mode s). */
  InLoopBytes = 25,
  /**
   * Float32. Depthwise [tap][C], tap = ky·KernelW + kx; otherwise [Groups][tap][GroupIn][R] with R
   * = GroupOut rounded up to a multiple of 4, and zeros behind GroupOut.
   */
  Weight = 26,
  /** float32 [OutC], or 0. */
  Bias = 27,
  /** Gradient of the output, [B][OutH][OutW][T][OutC]. */
  Delta = 28,
  /** The weight as the input gradient reads it, [Groups][tap][GroupOut][R'], R' from GroupIn. */
  Transposed = 29,
  Groups = 30,
  /** Channels of one group. */
  GroupIn = 31,
  GroupOut = 32,
  /** Non-zero: each channel is a group of its own, and InC is OutC. */
  Depthwise = 33,
  /** Rows of pixels of one unit. */
  RowsPerUnit = 34,
  /** Weight gradient: parts of the rows, and their results [split][floats of the weight]. */
  Splits = 35,
  Partial = 36,
  /** f32: factor of the weight's gradient. */
  Scale = 37,
  /** Non-zero: add to Out instead of writing it (online methods). */
  Accumulate = 38,
  /** Spikes: masks [plane][B][InH][InW][InC], and bytes between planes. */
  Masks = 39,
  PlaneBytes = 40,
  /** The weight, or its gradient, as of a convolution without groups. */
  Dense = 41,
}

export enum ReluWord {
  /** float32 [P][T][C]; Out may be In. */
  In = 4,
  Out = 5,
  /** Bytes [P][C]: at how many steps Out is above 0; or 0. */
  Counts = 6,
  Pixels = 7,
  C = 8,
  T = 9,
  PixelsPerUnit = 10,
}

export enum ReluBackwardWord {
  /** float32 [P][T][C]. */
  Delta = 4,
  /** float32 [P][T][C]: the output, where there are no Counts. */
  Activity = 5,
  /** Bytes [P][C], or 0. */
  Counts = 6,
  Out = 7,
  Pixels = 8,
  C = 9,
  /** Rows of a pixel: of Delta, Activity and Out. */
  T = 10,
  PixelsPerUnit = 11,
  /** f32: what Counts are multiplied by, one over the number of steps. */
  Factor = 12,
}

/** An entry of the table of an exported network's weights that are stored without padding. */
export enum ExpandWord {
  /** Address of the numbers, without gaps. */
  From = 0,
  /** Address of the tensor. */
  To = 1,
  /** Output channels. */
  Columns = 2,
  /** Columns of a block. */
  Width = 3,
  Taps = 4,
  /** Rows of a tap that hold numbers. */
  InRows = 5,
  /** Rows of a tap as stored. */
  InC = 6,
  /** Rows of a block. */
  BlockRows = 7,
  /** Of bytes: address of float32 [groups][Columns], by which they become floats; 0: they stay. */
  Scales = 8,
  /** Of bytes: taps of one group of output channels. */
  GroupTaps = 9,
  /** Bytes of an entry. */
  Bytes = 40,
}

export enum ScaledWord {
  /** float32 [P][T][C]; Out may be In. */
  In = 4,
  Out = 5,
  /** float32 [FactorPixels][C]. */
  Factor = 6,
  /** Pixels that have factors of their own: 1, or those of an image. */
  FactorPixels = 7,
  Pixels = 8,
  C = 9,
  T = 10,
  PixelsPerUnit = 11,
}

/** Backward, In is the gradient of the output, and Out that of the input. */
export enum AdaptiveWord {
  /** float32 [B][H][W][T][C], of its own height and width. */
  In = 4,
  Out = 5,
  Images = 6,
  /** Of the layer's input. */
  InH = 7,
  InW = 8,
  /** Of the layer's output. */
  OutH = 9,
  OutW = 10,
  C = 11,
  T = 12,
  PixelsPerUnit = 13,
}

export enum GroupNormWord {
  /** float32 [B][Pixels][T][C]. */
  In = 4,
  /** The same shape: the output; backward the gradient of the input. */
  Out = 5,
  /** float32 [AffinePixels][C], or 0; with PerPixel float32 [AffinePixels]. */
  Weight = 6,
  Bias = 7,
  /**
   * 1: a weight for each channel; else Pixels: one for each neuron. With PerPixel at least Pixels,
   * a multiple of 4.
   */
  AffinePixels = 8,
  /** Of an image. */
  Pixels = 9,
  /** Channels as stored, and those that hold numbers. */
  C = 10,
  Channels = 11,
  Groups = 12,
  /** Rows of a pixel. */
  T = 13,
  /** f32: added to the variance. */
  Epsilon = 14,
  /** float32 [B][T][Groups], or 0. */
  Mean = 15,
  InvStd = 16,
  /** float32 [B][Pixels][C] and [B][Groups]: means over time of x̂ and 1/σ; or 0. */
  Xhat = 17,
  MeanInvStd = 18,
  /** f32: share of one row in these means. */
  Share = 19,
  /** Backward: float32 [B][Pixels][T][C]; Out may be Delta. */
  Delta = 20,
  /** Backward: parts of the gradients of Weight and Bias, of each image as these are; or 0. */
  WeightPartial = 21,
  BiasPartial = 22,
  /** Non-zero: a weight for each pixel, which all channels share. */
  PerPixel = 23,
}

export enum DelayWord {
  /** float32 [P][InRows][C], or masks. Out is never In. */
  In = 4,
  Out = 5,
  /** Rows of a pixel of In: T, or 1 where all steps have the same. */
  InRows = 6,
  /** Steps, where all channels have the same. */
  Steps = 7,
  /** i32 [C]: steps of each channel; or 0. */
  Delays = 8,
  /** The most of these, and how many steps the history holds. */
  Most = 9,
  /**
   * What came before this call, in rings by step modulo Most: float32 [P][Most][C], of spikes bits
   * [P][C][⌈Most / 8⌉]; or 0 where a call has all steps.
   */
  History = 10,
  Pixels = 11,
  C = 12,
  T = 13,
  PixelsPerUnit = 14,
  /** Non-zero: backward, Out is In of some steps behind. */
  Back = 15,
  /** Spikes: bytes between planes, and counts u8 [P][C]. */
  PlaneBytes = 16,
  Counts = 17,
  InPlaneBytes = 18,
}

export enum JoinWord {
  /** float32 [B][Pixels][T][C], or masks. */
  Out = 4,
  /** Table of JoinPart, and its length. */
  Parts = 5,
  Count = 6,
  /** Of an image. */
  Pixels = 7,
  C = 8,
  T = 9,
  /** Spikes: bytes between planes, and counts u8 [B][Pixels][C]. */
  PlaneBytes = 10,
  Counts = 11,
}

/** One tensor of a row. */
export enum JoinPart {
  /** float32 [B][Pixels][Rows][C], or masks [plane][B][Pixels][C]. */
  From = 0,
  /** Of an image: those of the whole, or with one pixel there all of them become channels. */
  Pixels = 1,
  /** Channels as stored, and those that hold numbers. */
  C = 2,
  Channels = 3,
  /** Rows of a pixel: T, or 1 where all steps have the same. */
  Rows = 4,
  /** The first channel that it has in Out. */
  Offset = 5,
  /** Spikes. */
  PlaneBytes = 6,
  Counts = 7,
  /** Bytes of an entry. */
  Bytes = 32,
}

export enum SplitWord {
  /** float32 [B][InPixels][T][InC]. */
  In = 4,
  /** float32 [B][Pixels][T][C]. */
  Out = 5,
  InPixels = 6,
  InC = 7,
  Pixels = 8,
  C = 9,
  /** Channels of Out that hold numbers. */
  Channels = 10,
  /** The first channel that they have in In. */
  Offset = 11,
  T = 12,
}
