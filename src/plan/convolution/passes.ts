/**
 * Passes over groups of images, one after the other: they bound the memory of what only lives
 * within a pass.
 */

export interface ImageGroup {
  firstImage: number
  images: number
}

/**
 * As few groups as the budget allows, with sizes that differ by one image at most; groups of one
 * image may exceed it. The first is as large as any.
 */
export function splitImages(images: number, imageBytes: number, budgetBytes: number): ImageGroup[] {
  const most = Math.max(1, Math.floor(budgetBytes / imageBytes))
  const count = Math.ceil(images / most)
  const start = (group: number): number => Math.ceil((images * group) / count)
  return Array.from({ length: count }, (_, group) => ({
    firstImage: start(group),
    images: start(group + 1) - start(group),
  }))
}
