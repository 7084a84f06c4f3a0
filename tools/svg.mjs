// Pieces of the pictures in docs.
export const round = (value) => Number(value.toFixed(1))

export const text = (x, y, content, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${content}</text>`

export const line = (x1, y1, x2, y2, attributes = 'class="axis"') =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ${attributes}/>`

export const curve = (points, attributes) =>
  `<polyline ${attributes} points="${points.map((point) => point.map(round).join()).join(' ')}"/>`
