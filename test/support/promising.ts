/** Which public functions give promises, by the compiler. */
import ts from 'typescript'

/**
 * Names of all functions, and of members of classes, interfaces and objects, whose result is or
 * may be a promise: `compile`, `Model.fromBytes`, `Model#fit`, `datasets.digits`.
 * @param entries declaration files
 */
export function promising(entries: readonly string[]): string[] {
  const options: ts.CompilerOptions = { types: [], target: 99, lib: ['lib.es2023.d.ts'] }
  const program = ts.createProgram(entries, options)
  return entries.flatMap((entry) => promisingOf(program, entry))
}

function promisingOf(program: ts.Program, entry: string): string[] {
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(entry) as ts.SourceFile
  const module = checker.getSymbolAtLocation(file) as ts.Symbol
  const found: string[] = []
  const gives = (type: ts.Type): boolean =>
    type.isUnion()
      ? type.types.some(gives)
      : type.symbol?.name === 'Promise' || /\b(Maybe)?Promise</.test(checker.typeToString(type))
  const add = (name: string, type: ts.Type): void => {
    const results = type.getCallSignatures().map((signature) => signature.getReturnType())
    if (results.some(gives)) found.push(name)
  }
  const members = (name: string, type: ts.Type): void => {
    for (const member of type.getProperties()) {
      // Those of the language itself, such as an array's.
      const { fileName } = member.declarations?.[0]?.getSourceFile() ?? {}
      if (!fileName || /typescript\/lib|node_modules/.test(fileName)) continue
      add(`${name}${member.name}`, checker.getNonNullableType(checker.getTypeOfSymbol(member)))
    }
  }
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol =
      exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const { name, flags } =
      exported.flags & ts.SymbolFlags.Alias
        ? { ...symbol, name: exported.name, flags: symbol.flags }
        : exported
    if (flags & ts.SymbolFlags.Class) {
      members(`${name}#`, checker.getDeclaredTypeOfSymbol(symbol))
      members(`${name}.`, checker.getTypeOfSymbol(symbol))
    } else if (flags & ts.SymbolFlags.Interface)
      members(`${name}#`, checker.getDeclaredTypeOfSymbol(symbol))
    else if (flags & ts.SymbolFlags.Module)
      for (const of of checker.getExportsOfModule(symbol))
        add(
          `${name}.${of.name}`,
          checker.getTypeOfSymbol(
            of.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(of) : of,
          ),
        )
    else if (flags & ts.SymbolFlags.Value) {
      const type = checker.getTypeOfSymbol(symbol)
      add(name, type)
      if (flags & ts.SymbolFlags.Variable) members(`${name}.`, type)
    }
  }
  return found.sort()
}
