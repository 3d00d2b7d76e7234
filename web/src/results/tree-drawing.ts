// What a tree looks like: the shapes of the part in sight, for a canvas and for a file in SVG alike.
import { formatCount } from '../base/format';
import type { PlacedNode, TreeNode } from './newick';
import type { Surface } from './zoom-canvas';

/** A tree with a place for each of its nodes. */
export interface Placement {
  nodes: readonly PlacedNode[];
  leaves: number;
  depth: number;
  lengths: boolean;
  /** Leaves below each node, those of folded ones included. */
  counts: ReadonlyMap<TreeNode, number>;
  folded: ReadonlySet<TreeNode>;
}

/** What of a tree is shown, and what is marked. */
export interface Look {
  support: boolean;
  aligned: boolean;
  chosen: TreeNode | undefined;
  found: ReadonlySet<TreeNode>;
}

/** The area that is drawn to, in pixels: `at` is the place of a row, of all from 0 to 1; the scale stands below `bottom`. */
export interface Frame {
  width: number;
  top: number;
  bottom: number;
  at: (place: number) => number;
}

export type Shape =
  | {
      kind: 'line';
      points: readonly (readonly [number, number])[];
      colour: string;
      thick?: boolean;
      dashed?: boolean;
      scale?: boolean;
    }
  | { kind: 'area'; points: readonly (readonly [number, number])[]; colour: string }
  | { kind: 'text'; x: number; y: number; text: string; colour: string; size: number; end?: boolean };

const margin = 12;
const letterWidth = 6.6;
const nameSize = 12;
const scaleRoom = 26;
const longestName = 60;

/** Where the nodes of a placement stand in a frame. */
export class Positions {
  readonly row: number;
  /** Where the longest branch ends, and aligned names begin. */
  readonly right: number;
  private readonly unit: number;

  constructor(
    private readonly placement: Placement,
    private readonly frame: Frame,
  ) {
    const { nodes, leaves, depth, folded } = placement;
    let letters = 0;
    for (const { node } of nodes) if (isEnd(node, folded)) letters = Math.max(letters, nameOf(node, placement).length);
    const names = Math.min(Math.min(letters, longestName) * letterWidth + 10, frame.width * 0.45);
    this.right = frame.width - margin - names;
    this.unit = (this.right - margin) / (depth || 1);
    this.row = frame.at(1 / leaves) - frame.at(0);
  }

  x(n: PlacedNode): number {
    return margin + n.x * this.unit;
  }

  y(n: PlacedNode): number {
    return this.frame.at((n.y + 0.5) / this.placement.leaves);
  }

  /** Pixels of a unit of the branches. */
  get scale(): number {
    return this.unit;
  }
}

const isEnd = (node: TreeNode, folded: ReadonlySet<TreeNode>) => node.children.length === 0 || folded.has(node);

function nameOf(node: TreeNode, { counts, folded }: Placement): string {
  const name = node.name.length > longestName ? `${node.name.slice(0, longestName - 1)}…` : node.name;
  if (!folded.has(node)) return name;
  return `${name ? `${name}, ` : ''}${formatCount(counts.get(node) ?? 0)} leaves`;
}

/** The shapes of what is in sight. Names that would lie on each other are left out, but for those that are marked. */
export function* shapesOf(placement: Placement, look: Look, frame: Frame): Generator<Shape> {
  const at = new Positions(placement, frame);
  const { leaves, folded, lengths } = placement;
  const [top, bottom] = [frame.top - 20, frame.bottom + 20];
  const [lines, slots] = [new Set<number>(), new Set<number>()];
  const names: Shape[] = [];
  for (const n of placement.nodes) {
    const [x, y] = [at.x(n), at.y(n)];
    const [px, py] = n.parent ? [at.x(n.parent), at.y(n.parent)] : [x - 8, y];
    if (Math.max(y, py) < top || Math.min(y, py) > bottom) continue;
    const marked = n.node === look.chosen;
    // Of many branches in one row of pixels one is drawn.
    const end = isEnd(n.node, folded);
    const pixel = Math.round(y * 2);
    const dense = at.row < 0.5 && end && !marked && !look.found.has(n.node);
    if (dense && lines.has(pixel)) continue;
    if (dense) lines.add(pixel);
    const line = [
      [px, py],
      [px, y],
      [x, y],
    ] as const;
    yield { kind: 'line', points: line, colour: marked ? 'focus' : 'text-2', thick: marked };
    if (!end) {
      const value = n.node.name;
      if (look.support && value && n.parent && at.row >= 7)
        names.push({
          kind: 'text',
          x: x - 3,
          y: y - 7,
          text: value.slice(0, 20),
          colour: 'text-2',
          size: 10,
          end: true,
        });
      continue;
    }
    if (folded.has(n.node)) {
      const h = Math.max(2, Math.min(7, at.row / 2 - 1));
      yield {
        kind: 'area',
        points: [
          [x, y],
          [x + 14, y - h],
          [x + 14, y + h],
        ],
        colour: marked ? 'focus' : 'text-2',
      };
    }
    const from = folded.has(n.node) ? x + 16 : x;
    const start = look.aligned ? at.right : from;
    const found = look.found.has(n.node) || marked;
    const slot = Math.round(y / Math.max(at.row, 11));
    if (at.row < 9 && !found && slots.has(slot)) continue;
    slots.add(slot);
    if (look.aligned && start > from + 4)
      yield {
        kind: 'line',
        points: [
          [from + 3, y],
          [start, y],
        ],
        colour: 'border-strong',
        dashed: true,
      };
    names.push({
      kind: 'text',
      x: start + 6,
      y,
      text: nameOf(n.node, placement),
      colour: found ? 'focus' : 'text',
      size: nameSize,
    });
  }
  yield* names;
  if (lengths && leaves > 0) yield* scaleOf(placement.depth, at.scale, frame.bottom + scaleRoom - 12);
}

// How long a branch of a round length is.
function* scaleOf(depth: number, unit: number, y: number): Generator<Shape> {
  const rough = depth / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 1) * power;
  const end = margin + step * unit;
  yield {
    kind: 'line',
    points: [
      [margin, y],
      [end, y],
    ],
    colour: 'text',
    thick: true,
    scale: true,
  };
  yield { kind: 'text', x: end + 6, y, text: String(Number(step.toPrecision(2))), colour: 'text-2', size: 10.5 };
}

/** Draws a tree on a canvas, and returns how many shapes that were. */
export function drawTree(placement: Placement, look: Look, surface: Surface): number {
  const { context, colour, font } = surface;
  let drawn = 0;
  context.textBaseline = 'middle';
  const frame = frameOf(surface);
  context.save();
  context.beginPath();
  context.rect(0, 0, frame.width, frame.bottom);
  context.clip();
  for (const shape of shapesOf(placement, look, frame)) {
    // The scale comes last, and lies outside of what the rows are drawn in.
    if (shape.kind === 'line' && shape.scale) context.restore();
    drawn++;
    if (shape.kind === 'text') {
      context.font = font(shape.size);
      context.fillStyle = colour(shape.colour);
      context.textAlign = shape.end ? 'right' : 'left';
      context.fillText(shape.text, shape.x, shape.y);
      continue;
    }
    context.beginPath();
    shape.points.forEach(([x, y], i) => {
      if (i === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    });
    if (shape.kind === 'area') {
      context.fillStyle = colour(shape.colour);
      context.fill();
      continue;
    }
    context.strokeStyle = colour(shape.colour);
    context.lineWidth = shape.thick ? 2.2 : 1.3;
    context.setLineDash(shape.dashed ? [2, 3] : []);
    context.stroke();
  }
  context.restore();
  context.setLineDash([]);
  return drawn;
}

// The last row stands above the room for the scale, however far the tree is magnified.
function frameOf({ width, height, at }: Surface): Frame {
  const length = at(1) - at(0) - scaleRoom;
  return { width, top: 0, bottom: height - scaleRoom, at: (place) => at(0) + place * length };
}

/** The node at a point of the surface; undefined where there is none. */
export function nearest(placement: Placement, surface: Surface, x: number, y: number): PlacedNode | undefined {
  const at = new Positions(placement, frameOf(surface));
  let best: PlacedNode | undefined;
  let least = 12;
  for (const n of placement.nodes) {
    const dy = Math.abs(at.y(n) - y);
    if (dy >= least) continue;
    // A branch is as far as its line; a leaf's name belongs to it.
    const left = n.parent ? at.x(n.parent) : at.x(n) - 8;
    const right = isEnd(n.node, placement.folded) ? surface.width : at.x(n);
    const dx = x < left ? left - x : x > right ? x - right : 0;
    if (Math.hypot(dx, dy) < least) {
      least = Math.hypot(dx, dy);
      best = n;
    }
  }
  return best;
}
