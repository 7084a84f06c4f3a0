/** What is public of data sets in Node and in a page alike. */

export { permutation } from '../base/random.js'
export { type ArraysOptions, fromArrays } from './arrays.js'
export { type AugmentOptions, augment, cifarAugmentation } from './augment.js'
export { Batches, type BatchesOptions } from './batches.js'
export { type BytesOptions, fromBytes } from './bytes.js'
export type { CifarOptions } from './datasets/cifar.js'
export {
  type Dataset,
  type LabelledData,
  type LikeData,
  type Normalization,
  type PixelSource,
  type ReadContext,
  type Split,
  subset,
  type TargetData,
  type TargetSource,
} from './datasets/dataset.js'
export type { NamedFiles } from './datasets/mnist-files.js'
export {
  type ConstantOptions,
  type DeltaOptions,
  encoders,
  type LatencyOptions,
  type PhaseOptions,
  type RateOptions,
} from './encoders.js'
export type {
  EventAugmentOptions,
  EventDatasetOptions,
  EventSplit,
  ReadEventsOptions,
} from './events/options.js'
export { cifar10DvsOfficial } from './events/options.js'
export type { EventFolderOptions } from './events/sets.js'
export type { ImageFolderOptions, PictureOptions } from './pictures/options.js'
export type { ColorJitter, ResizedCrop } from './pictures/transforms.js'
export type { EventFormat } from './recordings/parse.js'
export type { EventArrays, EventRecording, Sensor } from './recordings/recording.js'
export type { EventFrames, FramesOptions, SliceOptions, SplitBy } from './recordings/slices.js'
export type {
  DropEventOptions,
  DropPartOptions,
  EventDraw,
  TimeJitterOptions,
} from './recordings/transforms.js'
