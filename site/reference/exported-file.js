// Tables of docs/exported-file.md: what the package writes beside and into exported networks.
import { exportWasm, lif, linear, netHeader, netInfo, sequential } from '../../build/dist/index.js'
import { jsonBlock } from './commands.js'
import { cell, code, table } from './declarations.js'

/** Options of files that together have all functions. */
const files = {
  infer: { mode: 'infer' },
  step: { mode: 'step' },
  both: { mode: 'both' },
  train: { mode: 'train' },
  bytes: { inputType: 'u8' },
}

/** Functions in C headers: each with its result, what it is for, and the files that have it. */
function functionTable(headers) {
  const functions = {}
  for (const [file, header] of Object.entries(headers))
    for (const [, result, name, about] of header.matchAll(/^ {5}(\w+) +(\w+)\(void\) +(.+)$/gm)) {
      functions[name] ??= { row: [code(name), result, cell(about)], have: [] }
      functions[name].have.push(file)
    }
  const count = Object.keys(headers).length
  const rows = Object.values(functions).map(({ row, have }) => {
    return [...row, have.length === count ? 'all' : have.join(', ')]
  })
  return table(['function', 'result', 'meaning', 'files'], rows)
}

/** Rows of a struct's words, with their places in bytes. */
const wordsOf = (text) =>
  [...text.matchAll(/^ {4}(uint32_t|float) (\w+);(?: \/\* (.*) \*\/)?$/gm)].map(
    ([, type, name, about = ''], i) => [code(name), 4 * i, type, cell(about)],
  )

/** Parts of the page, by the paths of their files. */
export async function exportedFileParts() {
  const net = sequential(linear(2, 3), lif(), linear(3, 2))
  const model = await net.compile({ input: [2], batchSize: 1, seed: 1 })
  const [bytes, headers] = [{}, {}]
  for (const [name, options] of Object.entries(files)) {
    bytes[name] = await exportWasm(model, options)
    headers[name] = netHeader(bytes[name])
  }
  await model.dispose()
  const [struct, options] = headers.train.split('} net_info;')
  const [info, heads] = [wordsOf(struct), ['word', 'byte', 'type', 'meaning']]
  const [, size] = options.match(/NET_INFO_BYTES (\d+)/)
  if (4 * info.length !== +size) throw new Error(`${info.length} words, but ${size} bytes`)
  return {
    'exported-file/functions': functionTable(headers),
    'exported-file/info': table(heads, info),
    'exported-file/options': table(heads, wordsOf(options)),
    'exported-file/section': jsonBlock(netInfo(bytes.train)),
  }
}
