// What declarations say: functions, their arguments and options, with types, defaults and comments.
import ts from 'typescript'
import { root } from '../links.js'

const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const entries = ['src/index.ts', 'src/ops/index.ts'].map((file) => root + file)
const program = ts.createProgram(entries, options)
export const checker = program.getTypeChecker()

/** What a module exports, each under what it was declared as. */
export function exportsOf(file) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(root + file))
  return checker
    .getExportsOfModule(module)
    .map((one) => (one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one))
    .filter(({ valueDeclaration, name }) => valueDeclaration || name === 'Ops')
}

/** The file in which something is declared, from the root. */
export const fileOf = ({ valueDeclaration, declarations }) =>
  (valueDeclaration ?? declarations[0]).getSourceFile().fileName.slice(root.length)

const textOf = (parts) => ts.displayPartsToString(parts).replaceAll(/\{@link (\w+)\}/g, '`$1`')
export const commentOf = (symbol) => textOf(symbol.getDocumentationComment(checker))
const tagsOf = (symbol, name) =>
  symbol.getJsDocTags(checker).flatMap((tag) => (tag.name === name ? [textOf(tag.text)] : []))

/** A comment as markdown in which nothing is a tag of HTML or emphasis; code stays as it is. */
export function prose(text) {
  const parts = text.split(/(```[\s\S]*?```|(?<=\n\n)(?: {4}.*\n?)+|`[^`]*`)/)
  const plain = (part) => part.replaceAll('<', '&lt;').replaceAll(/[*_]/g, '\\$&')
  return parts.map((part, i) => (i % 2 ? part : plain(part))).join('')
}

/** The same in a cell of a table. */
export function cell(text) {
  const items = text.replaceAll(/:\n+- /g, ': ').replaceAll('\n- ', '; ')
  return prose(items.replaceAll(/\s+/g, ' ')).replaceAll('|', '\\|').trim()
}

export const code = (text) => `\`${text.replaceAll('|', '\\|').replaceAll('`', "'")}\``

/** A table of markdown, or nothing without rows; columns that are empty are left out. */
export function table(heads, rows) {
  const kept = heads.map((_, i) => rows.some((row) => row[i] !== '' && row[i] !== undefined))
  const line = (cells) => `| ${cells.filter((_, i) => kept[i]).join(' | ')} |\n`
  if (rows.length === 0) return ''
  return `${[heads, heads.map(() => '---'), ...rows].map(line).join('')}\n`
}

export const headOf = ({ title, text }) => `# ${title}\n\n${text}\n\n`

/** The part of a comment that says the default, and the rest of it. */
export function splitDefault(text) {
  const found = text.match(/(?:^|[;.,]\s+)(?:its )?defaults?:?\s+((?:[^;.]|\.(?!\s|$))+)[.;]?/i)
  if (!found) return ['', text]
  const [all, said] = found
  const before = text.slice(0, found.index)
  const rest = text.slice(found.index + all.length).trim()
  const end = before === '' || /[.:]$/.test(before) ? '' : '.'
  return [said.replace(/^is /, '').trim(), `${before}${end} ${rest}`.trim()]
}

/** A type as a reader needs it: names are written out, and what is long is left out. */
function typeText(type) {
  const own = checker.getNonNullableType(type)
  const isNames = own.isUnion() && own.types.every((one) => one.isStringLiteral())
  const names = isNames && own.types.map(({ value }) => `'${value}'`).join(' | ')
  const text = names || checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation)
  const short = text.replaceAll(/ \| undefined$|\breadonly |<ArrayBufferLike>/g, '')
  return short.length > 90 ? '' : code(short.replaceAll('"', "'"))
}

const isOptional = ({ flags, valueDeclaration: at }) =>
  Boolean(flags & ts.SymbolFlags.Optional || at?.questionToken || at?.initializer)

export const typeOf = (symbol) => symbol.part ?? checker.getTypeOfSymbol(symbol)

/** Functions whose options others take too, by the interface that declares them. */
const compile = 'model#compile'
const homes = {
  CompileOptions: compile,
  MethodOptions: compile,
  CellOptions: 'built-in-neurons#lif',
}
const interfaceOf = ({ declarations: [at] }) => at.parent?.name?.text

/** Members of an argument that is an object of options; none of others. */
function membersOf(parameter) {
  const type = checker.getNonNullableType(typeOf(parameter))
  if (!/options|arrays|bytes|OwnLayer/i.test(parameter.name + type.symbol?.name)) return []
  const all = (type.isUnion() ? type.types : [type]).flatMap((one) => one.getProperties())
  const own = all.filter((one) => one.declarations?.[0] && fileOf(one).startsWith('src/'))
  return [...new Map(own.map((one) => [one.name, one])).values()]
}

/** @param made what the function makes without options */
function rowOf(symbol, text, made) {
  const [said, rest] = splitDefault(text)
  const own = made?.[symbol.name]
  const isPlain = own === null || /number|boolean|string/.test(typeof own)
  const usual = isPlain ? code(typeof own === 'string' ? `'${own}'` : `${own}`) : cell(said)
  const preset = isOptional(symbol) ? usual : '*needed*'
  return [`${code(symbol.name)}<br>${typeText(typeOf(symbol))}`, preset, cell(rest)]
}

const isRest = ({ valueDeclaration: at }) => Boolean(at?.dotDotDotToken)

/** Arguments of a function; instead of a rest that is a tuple its parts. */
const argumentsOf = ({ parameters }) =>
  parameters.flatMap((parameter) => {
    const type = typeOf(parameter)
    if (!checker.isTupleType(type)) return parameter
    return checker.getTypeArguments(type).map((part, i) => {
      const flags = i < type.target.minLength ? 0 : ts.SymbolFlags.Optional
      return { name: parameter.name, part, flags }
    })
  })

/** A table of a function's arguments and of the options in them, and whose options it takes too. */
function argumentTable(symbol, signature, made) {
  const tags = [symbol, signature].flatMap((of) => tagsOf(of, 'param'))
  const texts = Object.fromEntries(tags.map((tag) => tag.match(/^(\w+)[\s-]*(.*)$/s).slice(1)))
  const also = new Set()
  const rows = argumentsOf(signature).flatMap((parameter) => {
    const members = membersOf(parameter)
    if (members.length === 0) return [rowOf(parameter, texts[parameter.name] ?? '')]
    return members.flatMap((member) => {
      const home = homes[interfaceOf(member)]
      const [, name = symbol.name] = home?.split('#') ?? []
      if (name === symbol.name) return [rowOf(member, commentOf(member), made)]
      also.add(`It takes the options of [\`${name}\`](/reference/${home}) too.\n\n`)
      return []
    })
  })
  return table(['argument or option', 'default', ''], rows) + [...also].join('')
}

export const examplesOf = (symbol) =>
  tagsOf(symbol, 'example')
    .map((text) => `${text.trim()}\n\n`)
    .join('')

/**
 * A function's section.
 *
 * @param name how it is called
 * @param made what it makes without options
 */
export function functionSection(symbol, { name = symbol.name, mark = '##', made } = {}) {
  const [signature] = typeOf(symbol).getCallSignatures()
  const given = argumentsOf(signature).map(
    (one) => (isRest(one) ? '...' : '') + one.name + (isOptional(one) ? '?' : ''),
  )
  const call = `\`\`\`ts\n${name}(${given.join(', ')})\n\`\`\``
  const heading = `${mark} ${mark === '##' ? name : symbol.name}`
  const rows = argumentTable(symbol, signature, made)
  return `${heading}\n\n${call}\n\n${prose(commentOf(symbol))}\n\n${rows}${examplesOf(symbol)}`
}

const isInside = (symbol) =>
  commentOf(symbol) === '' || symbol.getJsDocTags().some(({ name }) => name === 'internal')

/** What a class, an interface, an object or a namespace has. */
function publicOf(symbol) {
  const all = symbol.exports?.size && !isClass(symbol) && checker.getExportsOfModule(symbol)
  const type = isClass(symbol) ? checker.getDeclaredTypeOfSymbol(symbol) : typeOf(symbol)
  const own = (one) => fileOf(one).startsWith('src/') && !isInside(one)
  return (all || type.getProperties()).filter(own)
}

/** A class, an interface or an object: a table of its properties, sections of its functions. */
export function sectionsOf(symbol) {
  const all = publicOf(symbol)
  const title = symbol.name.replace(/^.*\/|"/g, '')
  const [own, mark] = isClass(symbol) ? [symbol.name.toLowerCase(), '###'] : [title, '##']
  const row = (one) => [code(one.name), typeText(typeOf(one)), cell(commentOf(one))]
  const properties = all.filter((one) => !isFunction(one)).map(row)
  const nameOf = (one) => (title === 'Ops' ? one.name : `${own}.${one.name}`)
  const functions = all
    .filter(isFunction)
    .map((one) => functionSection(one, { name: nameOf(one), mark }))
  const head =
    mark === '##' && functions.length ? '' : `## ${title}\n\n${prose(commentOf(symbol))}\n\n`
  return head + (head && table(['property', 'type', ''], properties)) + functions.join('')
}

export const isFunction = (symbol) => typeOf(symbol).getCallSignatures().length > 0
const isClass = ({ flags }) => flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)
