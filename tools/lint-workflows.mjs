// Checks workflows, by the parser that GitHub's editors use: keys, expressions, jobs that need each
// other. Run by `npm run lint`.
//
//   node tools/lint-workflows.mjs [file …]     all of .github/workflows, without files
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire, Module } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}.github/workflows/`

/** The packages import JSON as bundlers do, not as Node does. */
function load() {
  const contents = `export { validate } from '@actions/languageservice'
    export { TextDocument } from 'vscode-languageserver-textdocument'`
  const stdin = { contents, resolveDir: root }
  const to = { bundle: true, platform: 'node', format: 'cjs', write: false }
  const { outputFiles } = buildSync({ stdin, ...to, logLevel: 'error' })
  const bundle = new Module(`${root}build/workflows.cjs`)
  bundle.require = createRequire(import.meta.url)
  bundle._compile(outputFiles[0].text, bundle.id)
  return bundle.exports
}

/** What is wrong in workflows, given as their texts by the names of their files. */
export async function check(texts) {
  const { validate, TextDocument } = load()
  const problems = []
  for (const [file, text] of Object.entries(texts)) {
    const document = TextDocument.create(pathToFileURL(file).href, 'yaml', 1, text)
    for (const { message, range } of await validate(document))
      problems.push(`${file}:${range.start.line + 1}: ${message}`)
  }
  return problems
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = process.argv.slice(2)
  const files = given.length > 0 ? given : readdirSync(folder).map((name) => folder + name)
  const problems = await check(
    Object.fromEntries(files.map((file) => [file, readFileSync(file, 'utf8')])),
  )
  for (const problem of problems) console.error(problem)
  console.error(`${files.length} workflows, ${problems.length} problems`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
