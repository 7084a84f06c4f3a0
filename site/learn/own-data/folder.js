// The signs as a folder of pictures, for the program of the lesson that reads one.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { elsewhere, middle } from './sign.js'

export async function writeSigns(folder) {
  const { png } = await import('../../../build/test/support/data-folders.js')
  for (const [i, { label, shades }] of [...middle, ...elsewhere].entries()) {
    mkdirSync(join(folder, label), { recursive: true })
    let next = 0
    // Of each dot red, green and blue.
    const picture = png(8, () => 0.999 * shades[Math.floor(next++ / 3)])
    writeFileSync(join(folder, label, `${i}.png`), picture)
  }
}
