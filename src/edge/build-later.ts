/** What writes files is read when the first one is written. */

export const loadBuild = (): Promise<typeof import('./build.js')> => import('./build.js')
