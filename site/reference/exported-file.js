// Tables of docs/exported-file.md: what the package writes beside and into exported networks.
import { exportWasm, lif, linear, netHeader, netInfo, sequential } from '../../build/dist/index.js'
import { cell, code, jsonBlock, table } from './markdown.js'

/** Options of files that together have all functions. */
const modes = ['infer', 'step', 'both', 'train'].map((mode) => [mode, { mode }])
const files = { ...Object.fromEntries(modes), bytes: { inputType: 'u8' } }

/** Functions in C headers: each with its result, what it is for, and the files that have it. */
function functionTable(headers) {
  const functions = {}
  for (const [file, header] of Object.entries(headers))
    for (const [, result, name, about] of header.matchAll(/^ {5}(\w+) +(\w+)\(void\) +(.+)$/gm)) {
      functions[name] ??= { row: [code(name), result, cell(about)], have: [] }
      functions[name].have.push(file)
    }
  const all = Object.keys(headers).join(', ')
  const filesOf = ({ have }) => have.join(', ').replace(all, 'all')
  const rows = Object.values(functions).map((one) => [...one.row, filesOf(one)])
  return table(['function', 'result', 'meaning', 'files'], rows)
}

/** A struct's words, with their places in bytes. */
function wordTable(struct, size) {
  const words = [...struct.matchAll(/^ {4}(uint32_t|float) (\w+);(?: \/\* (.*) \*\/)?$/gm)]
  if (size && 4 * words.length !== size) throw new Error(`${words.length} words, ${size} bytes`)
  const rowOf = ([, type, name, about = ''], i) => [code(name), 4 * i, type, cell(about)]
  return table(['word', 'byte', 'type', 'meaning'], words.map(rowOf))
}

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
  const [info, options] = headers.train.split('} net_info;')
  const [, size] = options.match(/NET_INFO_BYTES (\d+)/)
  return {
    'exported-file/functions': functionTable(headers),
    'exported-file/info': wordTable(info, +size),
    'exported-file/options': wordTable(options),
    'exported-file/section': jsonBlock(netInfo(bytes.train)),
  }
}
