// The line budget: how many lines of code each room may have (tools/budget.json), and how many bytes
// all tracked text, gzipped. A line counts where it holds more than a comment. A room that grows
// takes lines away elsewhere in it. Run by `npm run lint`.
//
//   node tools/lint-lines.mjs [--table]
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import ts from 'typescript'

/** Files of code in other languages, and what a comment is there. */
const others = { py: /^\s*#/, c: /^\s*(\/\/|\/?\*)/, h: /^\s*(\/\/|\/?\*)/, vue: /^\s*(<!--|\/\/)/ }
const parsed = /\.(ts|mjs|js|cjs)$/
const TEXT = /\.(ts|mjs|js|cjs|json|md|py|c|h|vue|css|html|sh|yml|yaml|txt|svg)$/

/** Lines on which a token stands. */
function linesOf(path, text) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const lines = new Set()
  const lineOf = (position) => file.getLineAndCharacterOfPosition(position).line
  const visit = (node) => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode)
      return
    const children = node.getChildren(file)
    const [start, end] = [node.getStart(file), node.getEnd()]
    if (children.length === 0 && end > start)
      for (let line = lineOf(start); line <= lineOf(end - 1); line++) lines.add(line)
    for (const child of children) visit(child)
  }
  visit(file)
  return lines.size
}

function codeOf(path, text) {
  if (parsed.test(path)) return linesOf(path, text)
  const comment = others[path.split('.').at(-1)]
  if (!comment) return 0
  return text.split('\n').filter((line) => line.trim() !== '' && !comment.test(line)).length
}

/** What the engine is made of besides its own folder: schemas, and what writes code from them. */
const engine = /^(src\/kernels\/records\/|tools\/(records|unroll)\.mjs$)/

/** A folder of src is a room, and each other folder at the top. */
function roomOf(path) {
  if (engine.test(path)) return 'assembly'
  const folders = path.split('/').slice(0, -1)
  return folders.slice(0, folders[0] === 'src' ? 2 : 1).join('/') || 'top'
}

const listed = spawnSync('git', ['ls-files', '-z'], { encoding: 'utf8', maxBuffer: 2 ** 26 })
if (listed.status !== 0) {
  console.log('lines are not counted: this is no checkout of git')
  process.exit()
}
const paths = listed.stdout.split('\0').filter((name) => TEXT.test(name))
const texts = paths.map((path) => readFileSync(path, 'utf8'))
const found = { bytes: gzipSync(texts.join('\n'), { level: 9 }).length }
for (const [i, path] of paths.entries())
  found[roomOf(path)] = (found[roomOf(path)] ?? 0) + codeOf(path, texts[i])

const budget = JSON.parse(readFileSync('tools/budget.json', 'utf8'))
const counts = Object.entries(found).filter(([, count]) => count > 0)
for (const [room, count] of counts.sort((a, b) => b[1] - a[1])) {
  if (process.argv.includes('--table'))
    console.log(`${room.padEnd(16)} ${String(count).padStart(8)} ${budget[room]}`)
  if (count <= (budget[room] ?? 0)) continue
  process.exitCode = 1
  const what = room === 'bytes' ? 'bytes of all text, gzipped' : `lines of code in ${room}`
  console.error(`${count} ${what}; tools/budget.json allows ${budget[room] ?? 0}`)
}
