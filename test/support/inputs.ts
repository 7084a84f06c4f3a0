/** What functions make of tables of inputs, as lines of a text. */
import { SpikewasmError } from '../../src/base/errors.js'
import { VERSION } from '../../src/base/version.js'

/** The result, or the message. */
export function outcome(call: () => unknown): string {
  try {
    const found = call()
    return found === undefined
      ? 'nothing'
      : typeof found === 'string'
        ? found
        : JSON.stringify(found)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) return `${(error as Error).name} ${error}`
    return `refused: ${error.message.replaceAll(VERSION, 'VERSION')}`
  }
}
const cut = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return text.length > 100 ? `${text.slice(0, 60)}… of ${text.length}` : text
}
/** What a function makes of each input. */
export const table = <T>(inputs: readonly T[], call: (input: T) => unknown): string[] =>
  inputs.map((input) => `${cut(input)}: ${outcome(() => call(input))}`)

/** Values that most options refuse. */
export const odd = [
  null,
  Number.NaN,
  -1,
  0,
  1,
  1.5,
  Number.POSITIVE_INFINITY,
  '',
  'x',
  [],
  {},
  true,
]
