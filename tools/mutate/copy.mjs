// A copy of the project into which one mutant after the other is built.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { wayOf } from '../runner/schedule.mjs'
import { runTestFiles } from './coverage.mjs'

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

const BUILT = 'build/wasm'
const isEngine = (path) => path.startsWith('assembly/')

/** A copy of the project, in which one mutant after the other is built. */
export class Copy {
  /** Whether tests pass with an engine that is not optimised, as far as somebody asked. */
  static #passes = new Map()
  folder = mkdtempSync(join(tmpdir(), 'spikewasm-mutate-'))

  constructor() {
    const left = new Set(['.git', 'node_modules'].map((name) => resolve(name)))
    cpSync('.', this.folder, { recursive: true, filter: (path) => !left.has(resolve(path)) })
    symlinkSync(resolve('node_modules'), join(this.folder, 'node_modules'))
    this.#copyEngines(BUILT, 'optimised')
  }

  async #runTool(...args) {
    const [code] = await once(spawn(process.execPath, args, { cwd: this.folder }), 'close')
    return code === 0
  }

  #copyEngines(from, to) {
    cpSync(join(this.folder, from), join(this.folder, to), { recursive: true })
  }

  #buildEngines() {
    return this.#runTool('tools/build-wasm.mjs', '--fast', 'release', 'threads', 'debug')
  }

  /** Writes a source, and the JavaScript that is made of it. */
  #writeSource(path, text) {
    writeFileSync(join(this.folder, path), text)
    if (isEngine(path) && path !== 'assembly/opcodes.ts') return
    const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: path })
    writeFileSync(join(this.folder, 'build', path.replace(/ts$/, 'js')), outputText)
  }

  /** Writes a mutant, and builds what is made of it. @returns false: it does not compile */
  async write({ path, text }) {
    if (isEngine(path) && !existsSync(join(this.folder, 'plain'))) {
      await this.#buildEngines()
      this.#copyEngines(BUILT, 'plain')
    }
    this.#writeSource(path, text)
    return !isEngine(path) || this.#buildEngines()
  }

  restore({ path, original }) {
    this.#writeSource(path, original)
    if (isEngine(path)) this.#copyEngines('optimised', BUILT)
  }

  async #buildPages() {
    return (await this.#runTool('tools/page.mjs')) && this.#runTool('tools/bundle.mjs')
  }

  /** Runs tests until one fails. @returns it; undefined: none has */
  async firstFailure(tests, mutant) {
    let pagesBuilt = false
    try {
      for (const group of groupsOf(tests)) {
        if (group[0].inPage && !pagesBuilt) {
          pagesBuilt = true
          if (!(await this.#buildPages())) return 'tools/page.mjs'
        }
        const failure = await this.#firstOf(group, mutant)
        if (failure) return failure.test
      }
      return undefined
    } finally {
      this.restore(mutant)
      if (pagesBuilt) await this.#buildPages()
    }
  }

  /**
   * The first of a group that fails twice, and does not fail without the mutant: a test that only a
   * busy machine fails notices nothing.
   */
  async #firstOf(group, { path }) {
    let rows = group.filter(({ test }) => !isEngine(path) || Copy.#passes.get(test) !== false)
    while (rows.length > 0) {
      const failure = await this.#run(rows)
      if (!failure) return undefined
      if ((await this.#run([failure])) && (!isEngine(path) || (await this.#passesPlain(failure))))
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

  /** Whether a test passes with an engine that is not optimised and has no mutant: a few do not. */
  async #passesPlain(row) {
    if (!Copy.#passes.has(row.test)) {
      this.#copyEngines(BUILT, 'mutant')
      this.#copyEngines('plain', BUILT)
      Copy.#passes.set(row.test, !(await this.#run([row])))
      this.#copyEngines('mutant', BUILT)
    }
    return Copy.#passes.get(row.test)
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
