/** The same of a page. */

/**
 * What bundlers copy into every page, of which each loads one engine; they find a file by its
 * address, as it stands here. What few pages load is given by those that do.
 */
export const files: Readonly<Record<string, () => URL>> = {
  'build/wasm/engine.wasm': () => new URL('../wasm/engine.wasm', import.meta.url),
  'build/wasm/engine-threads.wasm': () => new URL('../wasm/engine-threads.wasm', import.meta.url),
  'data/digits.csv.gz': () => new URL('../../data/digits.csv.gz', import.meta.url),
}
