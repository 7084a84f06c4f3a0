// Options of tools.
import { parseArgs } from 'node:util'

export const flag = { type: 'boolean', default: false }
export const text = { type: 'string' }
/** Takes integers from `least` on; `standard` where the option is not given. */
export const integer = (standard, least = 1) => ({ ...text, standard, least })

/** Says what is wrong, and ends the program. */
export function refuse(message) {
  console.error(message)
  process.exit(2)
}

function parsed(config) {
  try {
    return parseArgs(config)
  } catch (error) {
    const names = Object.keys(config.options).map((name) => `--${name}`)
    return refuse(`${error.message.split('. ', 1)[0]}; there are ${names.join(', ')}`)
  }
}

/** Values by the names of options, `--sync-every` as `syncEvery`, and words as `positionals`. */
export function readOptions(options, allowPositionals = false) {
  const { values, positionals } = parsed({ options, allowPositionals })
  const found = { positionals }
  for (const [name, { least, standard }] of Object.entries(options)) {
    const given = values[name]
    const number = given === undefined ? standard : Number(String(given).trim() || Number.NaN)
    if (least !== undefined && number !== undefined)
      if (!(Number.isSafeInteger(number) && number >= least))
        refuse(`--${name} must be an integer >= ${least}, got ${JSON.stringify(given)}`)
    const key = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
    found[key] = least === undefined ? given : number
  }
  return found
}
