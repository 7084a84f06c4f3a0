/** Passes over groups of images, one after the other: they bound the memory of what only lives within a pass. */

export interface ImageGroup {
  firstImage: number
  images: number
}

/** Groups of nearly equal size within the budget, or of one image each; the first is the largest. */
export function splitImages(images: number, imageBytes: number, budgetBytes: number): ImageGroup[] {
  const most = Math.max(1, Math.floor(budgetBytes / imageBytes))
  const size = Math.ceil(images / Math.ceil(images / most))
  const groups: ImageGroup[] = []
  for (let firstImage = 0; firstImage < images; firstImage += size) groups.push({ firstImage, images: Math.min(size, images - firstImage) })
  return groups
}
