/** In a page this stands for `layer.ts`: bundles are small, and types tell most of it. */
export const checkLayer = (_name: string, _layer: object): void => undefined
