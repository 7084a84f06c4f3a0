/** Names that the command line needs without reading a data set. */

/** How data sets share a recording among frames; the first two as SpikingJelly, then as Tonic. */
export const eventSplits = ['number', 'time', 'timeBins', 'eventBins'] as const
