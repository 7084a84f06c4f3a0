// Builds what pages load, into build/src/web, file by file from the sources. Numbers of the engine's
// enums stand where their names stood, so that no page loads the names. Calls at the top of files
// are marked as pure: so a kind of layer comes with the function that makes such a layer. Some files
// stand in for others.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { transform, transformSync } from 'esbuild'
import ts from 'typescript'

const OUT = 'build/src/web'
const ENTRIES = ['src/page.ts', 'src/page-ops.ts', 'src/net.ts', 'src/page-layers.ts']
const OPCODES = 'assembly/opcodes.ts'

/** What a page has in place of `x.ts`: `x.page.ts` beside it, which exports the same names. */
const standIn = (file) => file.replace(/\.ts$/, '.page.ts')

const parse = (path) =>
  ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true)

const known = new Map()

/** Values of a file's enums, as "Name.Member". */
function enumsOf(path) {
  if (known.has(path)) return known.get(path)
  const text = parse(path)
    .statements.filter(ts.isEnumDeclaration)
    .map((statement) => statement.getText())
    .join('\n')
    .replaceAll(/^(?=enum)/gm, 'export ')
  const options = { loader: 'ts', format: 'iife', globalName: 'enums' }
  const enums = new Function(`${transformSync(text, options).code}; return enums`)() ?? {}
  const values = new Map(
    Object.entries(enums).flatMap(([name, members]) =>
      Object.entries(members).map(([member, value]) => [`${name}.${member}`, value]),
    ),
  )
  known.set(path, values)
  return values
}

/** The file that an import means; undefined for a package and for what was built already. */
function target(from, specifier) {
  if (!specifier.startsWith('.')) return undefined
  const file = join(dirname(from), specifier).replaceAll('\\', '/').replace(/\.js$/, '.ts')
  if (!isOwn(from) && existsSync(standIn(file))) return standIn(file)
  return /\/vendor\/|\/script\.ts$/.test(file) ? undefined : file
}

/** Files that stand in for others read those others, and so does the entry. */
const isOwn = (file) => /[./]page\.ts$/.test(file)

const outputOf = (file) => join(OUT, relative('src', file)).replace(/\.ts$/, '.js')

/** Whether a bundler must think that making a value may have effects. */
function seemsToAct(node) {
  if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isTypeNode(node)) return false
  return (
    ts.isCallExpression(node) ||
    ts.isSpreadAssignment(node) ||
    ts.isSpreadElement(node) ||
    ts.isPropertyAccessExpression(node) ||
    (ts.forEachChild(node, (child) => seemsToAct(child) || undefined) ?? false)
  )
}

/** One file as a page loads it, and the files that it imports. */
function forPages(file) {
  const source = parse(file)
  const { text } = source
  const changes = []
  const found = new Set()
  const values = new Map(enumsOf(file))
  const replace = (node, by) => {
    changes.push([node.getStart(), node.end, by])
  }
  const specifier = (node) => {
    const path = target(file, node.text)
    if (path === OPCODES) {
      replace(node, quote(relativeTo(file, join(OUT, 'opcodes.js'))))
      return
    }
    if (path === undefined) {
      const built = join('build', dirname(file), node.text)
      if (node.text.startsWith('.')) replace(node, quote(relativeTo(file, built)))
      return
    }
    found.add(path)
    replace(node, quote(relativeTo(file, outputOf(path))))
  }
  // What is made when the file is loaded has no effect but its value: where nobody reads it, a
  // bundler may leave it out. Bundlers do not know that of calls and spread objects.
  const insert = (at, text) => changes.push([at, at, text])
  for (const statement of source.statements)
    if (ts.isVariableStatement(statement))
      for (const { initializer: made } of statement.declarationList.declarations) {
        if (made && ts.isCallExpression(made) && !made.arguments.some(seemsToAct))
          insert(made.getStart(), '/* @__PURE__ */ ')
        else if (made && seemsToAct(made)) {
          insert(made.getStart(), '/* @__PURE__ */ (() => (')
          insert(made.end, '))()')
        }
      }
  const visit = (node) => {
    const from = node.moduleSpecifier
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && from) {
      const isType = node.isTypeOnly || node.importClause?.isTypeOnly
      const names = node.importClause?.namedBindings?.elements
      const path = target(file, from.text)
      for (const { name, propertyName = name } of names ?? [])
        for (const [key, value] of path ? enumsOf(path) : []) {
          const [of, member] = key.split('.')
          if (of === propertyName.text) values.set(`${name.text}.${member}`, value)
        }
      const typesOnly =
        isType || (names?.length > 0 && !node.importClause.name && names.every((n) => n.isTypeOnly))
      if (!typesOnly) specifier(from)
      return
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      specifier(node.arguments[0])
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const value = values.get(node.getText())
      if (value !== undefined) {
        replace(node, String(value))
        return
      }
    }
    // What a plan asserts of itself, whatever a user gives, needs no text.
    if (
      /^src\/(compile|kernels)\//.test(file) &&
      ts.isNewExpression(node) &&
      /^Error\(/.test(node.getText().slice(4))
    ) {
      replace(node, 'Error()')
      return
    }
    // Files of the package: they lie elsewhere from here.
    if (ts.isNewExpression(node) && node.expression.getText() === 'URL') {
      const [path] = node.arguments
      if (ts.isStringLiteral(path) && path.text.startsWith('.'))
        replace(path, quote(relativeTo(file, join('build', dirname(file), path.text))))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  let changed = ''
  let at = 0
  for (const [start, end, by] of changes.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    changed += text.slice(at, start) + by
    at = end
  }
  return { text: changed + text.slice(at), found }
}

/** The engine's enums, as plain objects. */
function opcodes() {
  const enums = {}
  for (const [name, value] of enumsOf(OPCODES)) {
    const [of, member] = name.split('.')
    enums[of] ??= {}
    if (typeof value === 'number') enums[of][member] = value
  }
  return Object.entries(enums)
    .map(([name, members]) => `export const ${name} = ${JSON.stringify(members)}\n`)
    .join('')
}

const quote = (path) => `'${path}'`
const relativeTo = (file, path) => {
  const found = relative(dirname(outputOf(file)), path).replaceAll('\\', '/')
  return found.startsWith('.') ? found : `./${found}`
}

async function write(path, text) {
  const { code } = await transform(text, {
    loader: 'ts',
    target: 'es2022',
    charset: 'utf8',
    // A field without a value is not declared: the constructor, or another method, makes it.
    tsconfigRaw: {
      compilerOptions: { verbatimModuleSyntax: false, useDefineForClassFields: false },
    },
  })
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, narrow(code))
}

/** Half as far indented: the package is that much smaller. Texts of several lines stay. */
function narrow(code) {
  const texts = []
  const hasTexts = code.includes('`')
  const visit = (node) => {
    if (ts.isTemplateLiteral(node)) texts.push([node.getStart(), node.end])
    ts.forEachChild(node, visit)
  }
  if (hasTexts) visit(ts.createSourceFile('', code, ts.ScriptTarget.ES2022, true))
  return code.replace(/^ +/gm, (spaces, at) =>
    texts.some(([start, end]) => start < at && at < end) ? spaces : spaces.slice(spaces.length / 2),
  )
}

/** Builds all that the entries for pages reach. */
export async function buildPages() {
  rmSync(OUT, { recursive: true, force: true })
  const files = new Map(ENTRIES.map((file) => [file, undefined]))
  for (const file of files.keys()) {
    const made = forPages(file)
    files.set(file, made)
    for (const other of made.found) if (!files.has(other)) files.set(other, undefined)
  }
  await Promise.all([
    ...[...files].map(([file, { text }]) => write(outputOf(file), text)),
    write(join(OUT, 'opcodes.js'), opcodes()),
  ])
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await buildPages()
