/**
 * Numbers that the engine (AssemblyScript) and the planner (TypeScript) agree on: the layout of
 * programs and of the control block, and sizes of the kernels' data.
 *
 * A program is a table of records of `Rec.Words` 32-bit words. Words 0–3 are the same for every
 * operation; src/kernels/records names the operations and the rest of their words. A word holds an
 * address (bytes), an integer, or a float32.
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
  /** 0, or where StepMask is of more than 32 steps: its bytes, and eight more. */
  StepMasks = 368,
  /** Address of this run's weights of images, f32 [B]; 0: all are 1. */
  Weights = 372,
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
  /** i32: of how many predictions `Correct` is: of images, or of steps that are not ignored. */
  Answers = 396,
  /** f64: what the sum of the images' losses was divided by. */
  Weight = 400,
  /** Between two programs of a run: not 0 while workers wait for the host (`Pause`). */
  Pause = 448,
  /** Bytes of the control block. */
  Bytes = 512,
}

export enum Fault {
  None = 0,
  Aborted = 1,
  TimedOut = 2,
  Trapped = 3,
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
  /** Sources of a sum up to which they are sorted: levels in registers. */
  MostSorted = 8,
}

/** Partial sums of a BatchNorm: see norm/moments.ts. */
export enum Moments {
  /** float32 rows of a slot, each of as many floats as there are channels. */
  Rows = 4,
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

/** What a term is. */
export enum TermKind {
  Float = 0,
  Spikes = 1,
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
  /** f32: 1/(1 − β₁ⁿ) and 1/(1 − β₂ⁿ) of this step, for rules that are texts. */
  SingleCorrection1 = 92,
  SingleCorrection2 = 96,
  /** f32: n, steps so far; 2²⁴ stands for more. */
  Steps = 100,
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
  /** f32 each, up to the end: other numbers of a rule that is a text. */
  Own = 36,
  /** From one group to the next. */
  Bytes = 64,
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
  /** Address of float32 [groups][Columns], by which bytes become floats; 0: they stay. */
  Scales = 8,
  /** Taps of one group of output channels, where weights are bytes. */
  GroupTaps = 9,
  /** An element in the file has 1 << Shift bytes. */
  Shift = 10,
  /** Added to the first number of each word, where rows become words of two; 0: they do not. */
  Offset = 11,
  /** Bytes of an entry. */
  Bytes = 48,
}

/** One tensor of a row. */
