// Writes a tree as a file in SVG: all of its rows, in colours for paper.
import { type Look, type Placement, shapesOf } from './tree-drawing';

const rowHeight = 18;
const width = 900;
const colours: Record<string, string> = {
  text: '#000000',
  'text-2': '#444444',
  'border-strong': '#999999',
  focus: '#0b57d0',
};
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) =>
  // What XML forbids is left out: a file with it would not open.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '').replace(/[&<>"]/g, (c) => entities[c] ?? c);
const fixed = (n: number) => String(Math.round(n * 100) / 100);

export function treeSVG(placement: Placement, look: Look): string {
  const height = placement.leaves * rowHeight + 30;
  const bottom = height - 26;
  const frame = { width, top: 0, bottom, at: (place: number) => 4 + place * (bottom - 4) };
  const lines: string[] = [];
  for (const shape of shapesOf(placement, look, frame)) {
    const colour = colours[shape.colour] ?? '#000000';
    if (shape.kind === 'text') {
      const anchor = shape.end ? ' text-anchor="end"' : '';
      lines.push(
        `<text x="${fixed(shape.x)}" y="${fixed(shape.y)}" font-size="${shape.size}" dominant-baseline="central" fill="${colour}"${anchor}>${escaped(shape.text)}</text>`,
      );
      continue;
    }
    const path = shape.points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`).join('');
    lines.push(
      shape.kind === 'area'
        ? `<path d="${path}Z" fill="${colour}"/>`
        : `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${shape.thick ? 2.2 : 1.3}"${shape.dashed ? ' stroke-dasharray="2 3"' : ''}/>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif">
<rect width="100%" height="100%" fill="#ffffff"/>
${lines.join('\n')}
</svg>
`;
}
