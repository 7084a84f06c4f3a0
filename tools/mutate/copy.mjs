// A copy of the project into which one mutant after the other is built.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { wayOf } from '../runner/schedule.mjs'
import { runTestFiles } from './coverage.mjs'

const OPCODES = 'assembly/opcodes.ts'
const ENGINES = ['release', 'threads', 'debug']
/** A test hangs that takes longer than its file does, several times, and these seconds. */
const [TIMES_LONGER, SECONDS_MORE] = [4, 30]
/** Files that take so many seconds share a process. */
const GROUP_SECONDS = 10

const { config } = ts.parseConfigFileTextToJson('', readFileSync('tsconfig.json', 'utf8'))
const compilerOptions = {
  ...ts.convertCompilerOptionsFromJson(config.compilerOptions, '.').options,
  // A file alone has no package.json that says so.
  module: ts.ModuleKind.ES2022,
}

/** Groups of tests that share a process, in their order. */
function groupsOf(tests) {
  const groups = []
  let seconds = 0
  for (const row of tests) {
    const apart = wayOf(row.test) !== 'shared'
    const isNew = apart || row.inPage !== groups.at(-1)?.[0].inPage
    if (isNew || seconds + row.seconds > GROUP_SECONDS) {
      groups.push([])
      seconds = apart ? GROUP_SECONDS : 0
    }
    groups.at(-1).push(row)
    seconds += row.seconds
  }
  return groups
}

/** A copy of the project, in which one mutant after the other is built. */
export class Copy {
  folder = mkdtempSync(join(tmpdir(), 'spikewasm-mutate-'))
  #passes = new Map()

  constructor() {
    const left = new Set(['.git', 'node_modules'].map((name) => resolve(name)))
    cpSync('.', this.folder, { recursive: true, filter: (path) => !left.has(resolve(path)) })
    symlinkSync(resolve('node_modules'), join(this.folder, 'node_modules'))
  }

  #runTool(...args) {
    const options = { cwd: this.folder, encoding: 'utf8' }
    return spawnSync(process.execPath, args, options).status === 0
  }

  #buildEngines() {
    return this.#runTool('tools/build-wasm.mjs', '--fast', ...ENGINES)
  }

  /** Writes a source, and what is built of it alone. @returns false: it does not compile */
  write(path, text) {
    writeFileSync(join(this.folder, path), text)
    if (path.startsWith('assembly/') && path !== OPCODES) return this.#buildEngines()
    const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: path })
    writeFileSync(join(this.folder, 'build', path.replace(/ts$/, 'js')), outputText)
    return path !== OPCODES || this.#buildEngines()
  }

  buildPages() {
    return this.#runTool('tools/page.mjs') && this.#runTool('tools/bundle.mjs')
  }

  /** Runs tests until one fails. @returns it; undefined: none has */
  async firstFailure(tests, mutant) {
    let pagesBuilt = false
    try {
      for (const group of groupsOf(tests)) {
        if (group[0].inPage && !pagesBuilt) {
          pagesBuilt = true
          if (!this.buildPages()) return 'tools/page.mjs'
        }
        const failure = await this.#firstOf(group, mutant)
        if (failure) return failure.test
      }
      return undefined
    } finally {
      this.write(mutant.path, mutant.original)
      if (pagesBuilt) this.buildPages()
    }
  }

  /**
   * The first of a group that fails twice, and does not fail without the mutant: a test that only a
   * busy machine fails notices nothing.
   */
  async #firstOf(group, mutant) {
    let rows = group.filter(({ test }) => this.#passes.get(test) !== false)
    while (rows.length > 0) {
      const failure = await this.#run(rows)
      if (!failure) return undefined
      if ((await this.#run([failure])) && (await this.#passesWithout(failure, mutant)))
        return failure
      rows = rows.slice(rows.indexOf(failure) + 1)
    }
    return undefined
  }

  /** Runs tests in one process. @returns the one that failed */
  async #run(group) {
    const most = Math.max(...group.map(({ seconds }) => seconds))
    const limit = TIMES_LONGER * most + SECONDS_MORE
    const paths = group.map(({ test }) => test)
    const failure = await runTestFiles(paths, limit, { cwd: this.folder })
    return group.find(({ test }) => test === failure)
  }

  /** Whether a test passes without a mutant: a few do not with an engine that is not optimised. */
  async #passesWithout(row, { path, text, original }) {
    if (!path.startsWith('assembly/')) return true
    if (!this.#passes.has(row.test)) {
      this.write(path, original)
      this.#passes.set(row.test, !(await this.#run([row])))
      this.write(path, text)
    }
    return this.#passes.get(row.test)
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
