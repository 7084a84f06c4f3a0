// The tables of docs/exported-file.md: what the package writes beside and into exported networks.
import { exportWasm, lif, linear, netHeader, netInfo, sequential } from 'spikewasm'

/** Options of files that together have all functions. */
const files = {
  infer: { mode: 'infer' },
  step: { mode: 'step' },
  both: { mode: 'both' },
  train: { mode: 'train' },
  bytes: { inputType: 'u8' },
}

/** What the groups of a pattern find in each line of a C header. */
const rowsOf = (text, pattern) =>
  [...text.matchAll(pattern)].map(([, ...parts]) => parts.map((part) => part ?? ''))

/** Each function with its result, what it is for, and the files that have it. */
function functionsOf(headers) {
  const functions = new Map()
  for (const [file, header] of Object.entries(headers))
    for (const [result, name, about] of rowsOf(header, /^ {5}(\w+) +(\w+)\(void\) +(.+)$/gm)) {
      if (!functions.has(name)) functions.set(name, [name, result, about, []])
      functions.get(name)[3].push(file)
    }
  const count = Object.keys(headers).length
  return [...functions.values()].map(([name, result, about, have]) => [
    ...[name, result, about],
    have.length === count ? 'all' : have.join(', '),
  ])
}

/** Words of a struct with their places in bytes. */
const wordsOf = (text) =>
  rowsOf(text, /^ {4}(uint32_t|float) (\w+);(?: \/\* (.*) \*\/)?$/gm).map(
    ([type, name, about], i) => [name, 4 * i, type, about],
  )

/** JSON with a line for each field, and for each entry of a list of objects. */
function linesOf(object) {
  const text = (value) =>
    typeof value?.[0] === 'object'
      ? `[\n${value.map((entry) => `    ${JSON.stringify(entry)}`).join(',\n')}\n  ]`
      : JSON.stringify(value)
  const lines = Object.entries(object).map(([key, value]) => `  "${key}": ${text(value)}`)
  return `{\n${lines.join(',\n')}\n}`
}

export default {
  async load() {
    const net = sequential(linear(2, 3), lif(), linear(3, 2))
    const model = await net.compile({ input: [2], batchSize: 1, seed: 1 })
    const [bytes, headers] = [{}, {}]
    for (const [name, options] of Object.entries(files)) {
      bytes[name] = await exportWasm(model, options)
      headers[name] = netHeader(bytes[name])
    }
    await model.dispose()
    const [struct, options] = headers.train.split('} net_info;')
    const info = wordsOf(struct)
    const [, size] = options.match(/NET_INFO_BYTES (\d+)/)
    if (4 * info.length !== +size) throw new Error(`${info.length} words, but ${size} bytes`)
    return {
      functions: functionsOf(headers),
      info,
      options: wordsOf(options),
      section: linesOf(netInfo(bytes.train)),
    }
  },
}
