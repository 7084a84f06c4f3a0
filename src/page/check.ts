/** In a page this stands for `plan/check.ts`: plans are checked in Node, where they are the same. */

export const checkReads = (): void => {}
