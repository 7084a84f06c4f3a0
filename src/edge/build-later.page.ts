/** In a page this stands for `build-later.ts`: bundlers leave out what a page does not call. */

import { buildNet } from './build.js'

export const loadBuild = async () => ({ buildNet })
