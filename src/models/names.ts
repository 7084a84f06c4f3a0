/** Names of the networks, apart from what makes them: to list them nothing else need be loaded. */

export const modelNames = [
  ...(['mlp', 'cnn', 'eventCnn', 'vgg11', 'vgg13', 'vggsnn'] as const),
  ...(['resnet18', 'esdResnet18', 'resnet19', 'sewResnet34', 'preactResnet34'] as const),
]

export type ModelName = (typeof modelNames)[number]
