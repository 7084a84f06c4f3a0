/** What is public of data sets in Node and in a page alike. */

export type { EventFrames, FramesOptions } from '../events/frames.js'
export type { EventFormat } from '../events/parse.js'
export type { EventArrays, EventRecording, Sensor } from '../events/recording.js'
export type { SliceOptions, SplitBy } from '../events/slices.js'
export type {
  DropEventOptions,
  DropPartOptions,
  EventDraw,
  TimeJitterOptions,
} from '../events/transforms.js'
export { permutation } from '../random.js'
export { type ArraysOptions, fromArrays } from './arrays.js'
export { type AugmentOptions, augment, cifarAugmentation } from './augment.js'
export { Batches, type BatchesOptions } from './batches.js'
export { type BytesOptions, fromBytes } from './bytes.js'
export {
  type Dataset,
  type Normalization,
  type PixelSource,
  type ReadContext,
  type Split,
  subset,
  type TargetSource,
} from './dataset.js'
export {
  type ConstantOptions,
  type DeltaOptions,
  encoders,
  type LatencyOptions,
  type PhaseOptions,
  type RateOptions,
} from './encoders.js'
export { cifar10DvsOfficial } from './events/official-options.js'
export type { EventAugmentOptions, EventDatasetOptions, EventSplit } from './events/options.js'
export type { ReadEventsOptions } from './events/read-options.js'
export type { EventFolderOptions } from './events/sets.js'
export type { NamedFiles } from './mnist-files.js'
export type { PictureOptions } from './pictures/options.js'
export type { ColorJitter, ResizedCrop } from './pictures/transforms.js'
