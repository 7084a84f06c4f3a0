// Reads sources as pages load them. Numbers of the engine's enums stand where their names stood, so
// that no page loads the names. Calls at the top of files are marked as pure: so a kind of layer
// comes with the function that makes such a layer. Some files stand in for others.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { transform, transformSync } from 'esbuild'
import ts from 'typescript'

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

/** The file that an import of a page means: a source, or what was built from no source. */
function target(from, specifier) {
  const path = join(dirname(from), specifier).replaceAll('\\', '/')
  const file = path.replace(/\.js$/, '.ts')
  if (!isOwn(from) && existsSync(standIn(file))) return standIn(file)
  return existsSync(file) ? file : join('build', path)
}

/** Files that stand in for others read those others, and so does the entry. */
const isOwn = (file) => /[./]page\.ts$/.test(file)

/** Whether a bundler must think that making a value may have effects. */
function seemsToAct(node) {
  if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isTypeNode(node)) return false
  return (
    ts.isCallExpression(node) ||
    ts.isNewExpression(node) ||
    ts.isSpreadAssignment(node) ||
    ts.isSpreadElement(node) ||
    ts.isPropertyAccessExpression(node) ||
    (ts.forEachChild(node, (child) => seemsToAct(child) || undefined) ?? false)
  )
}

/** One file as a page loads it. */
function forPages(file) {
  const source = parse(file)
  const { text } = source
  const changes = []
  const values = new Map(enumsOf(file))
  const replace = (node, by) => {
    changes.push([node.getStart(), node.end, by])
  }
  // What is made when the file is loaded has no effect but its value: where nobody reads it, a
  // bundler may leave it out. Bundlers do not know that of calls and spread objects.
  const insert = (at, text) => changes.push([at, at, text])
  for (const statement of source.statements)
    if (ts.isVariableStatement(statement))
      for (const { initializer: made } of statement.declarationList.declarations) {
        const isMade = made && (ts.isCallExpression(made) || ts.isNewExpression(made))
        if (isMade && !made.arguments.some(seemsToAct)) insert(made.getStart(), '/* @__PURE__ */ ')
        else if (made && seemsToAct(made)) {
          insert(made.getStart(), '/* @__PURE__ */ (() => (')
          insert(made.end, '))()')
        }
      }
  const visit = (node) => {
    if (ts.isExportDeclaration(node)) return
    if (ts.isImportDeclaration(node)) {
      for (const { name, propertyName = name } of node.importClause?.namedBindings?.elements ?? [])
        for (const [key, value] of enumsOf(target(file, node.moduleSpecifier.text))) {
          const [of, member] = key.split('.')
          if (of === propertyName.text) values.set(`${name.text}.${member}`, value)
        }
      return
    }
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
    ts.forEachChild(node, visit)
  }
  visit(source)
  let changed = ''
  let at = 0
  for (const [start, end, by] of changes.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    changed += text.slice(at, start) + by
    at = end
  }
  return changed + text.slice(at)
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

/** For a bundler, whose entries are sources. */
export const pages = {
  name: 'pages',
  resolveId: (path, from) => resolve(from ? target(relative('.', from), path) : path),
  async load(id) {
    const file = relative('.', id).replaceAll('\\', '/')
    if (!file.endsWith('.ts')) return undefined
    if (file === OPCODES) return { code: opcodes(), moduleType: 'js' }
    const { code } = await transform(forPages(file), {
      loader: 'ts',
      target: 'es2022',
      charset: 'utf8',
      // A field without a value is not declared: the constructor, or another method, makes it.
      tsconfigRaw: {
        compilerOptions: { verbatimModuleSyntax: false, useDefineForClassFields: false },
      },
    })
    return { code, moduleType: 'js' }
  },
}
