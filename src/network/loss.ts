/** What the functions that make losses and penalties give: their files add it, by its kind. */

// biome-ignore lint/suspicious/noEmptyInterface: filled by the files of losses
export interface Losses {}

/** What a loss's maker gives. */
export type Loss = Losses[keyof Losses]

// biome-ignore lint/suspicious/noEmptyInterface: filled by the files of penalties
export interface Penalties {}

/** What a penalty's maker gives. */
export type Penalty = Penalties[keyof Penalties]
