// Reads phylogenetic trees in Newick format and lays them out.

export interface TreeNode {
  name: string;
  /** Length of the branch that leads to it; undefined where the file gives none. */
  length: number | undefined;
  children: TreeNode[];
}

export interface PlacedNode {
  node: TreeNode;
  /** Distance from the root, in the unit of the branches. */
  x: number;
  /** Rows from the top; leaves stand on whole numbers. */
  y: number;
  parent: PlacedNode | undefined;
}

// Deeper trees are chains made to exhaust something.
const deepest = 20_000;

/** Parses the first tree of a text. Throws an Error that says where it is not one. */
export function parseNewick(text: string): TreeNode {
  const newNode = (): TreeNode => ({ name: '', length: undefined, children: [] });
  const root = newNode();
  const open: TreeNode[] = [];
  let node = root;
  let at = 0;
  while (at < text.length) {
    const c = text[at] ?? '';
    if (c === '(') {
      if (open.length > deepest) throw new Error('The tree is nested too deep.');
      open.push(node);
      const child = newNode();
      node.children.push(child);
      node = child;
      at++;
    } else if (c === ',' || c === ')') {
      const parent = open.at(-1);
      if (!parent) throw new Error(`This is no tree: there is a “${c}” too many at character ${at + 1}.`);
      if (c === ',') {
        node = newNode();
        parent.children.push(node);
      } else {
        node = parent;
        open.pop();
      }
      at++;
    } else if (c === ';') {
      break;
    } else if (c === ':') {
      const match = /^:\s*([-+.\deE]+)/.exec(text.slice(at, at + 40));
      if (!match) throw new Error(`This is no tree: a number is missing at character ${at + 1}.`);
      node.length = Number(match[1]);
      at += match[0].length;
    } else if (c === '[') {
      const stop = text.indexOf(']', at);
      at = stop < 0 ? text.length : stop + 1;
    } else if (/\s/.test(c)) {
      at++;
    } else {
      [node.name, at] = readName(text, at);
    }
  }
  if (open.length > 0) throw new Error('This is no tree: a bracket is not closed.');
  if (root.children.length === 0) throw new Error('This is no tree: it has no branches.');
  return root;
}

function readName(text: string, from: number): [string, number] {
  if (text[from] === "'") {
    let name = '';
    let at = from + 1;
    for (;;) {
      const stop = text.indexOf("'", at);
      if (stop < 0) return [name + text.slice(at), text.length];
      name += text.slice(at, stop);
      if (text[stop + 1] !== "'") return [name, stop + 1];
      name += "'";
      at = stop + 2;
    }
  }
  let at = from;
  while (at < text.length && !'():,;[]'.includes(text[at] ?? '')) at++;
  // The format says that _ stands for a blank there. Programs write it as it is: accessions have it, and it must be found.
  return [text.slice(from, at).trim(), at];
}

/** Places the nodes of a tree: leaves one below the other, a parent in the middle of its children. Of what is folded the inside has no place. */
export function placeTree(
  root: TreeNode,
  folded: ReadonlySet<TreeNode> = new Set(),
): { nodes: PlacedNode[]; leaves: number; depth: number; lengths: boolean } {
  const lengths = hasLengths(root);
  const nodes: PlacedNode[] = [];
  const stack: PlacedNode[] = [{ node: root, x: 0, y: 0, parent: undefined }];
  let leaves = 0;
  let depth = 0;
  while (stack.length > 0) {
    const placed = stack.pop() as PlacedNode;
    nodes.push(placed);
    depth = Math.max(depth, placed.x);
    const children = folded.has(placed.node) ? [] : placed.node.children;
    if (children.length === 0) placed.y = leaves++;
    for (const child of children.toReversed()) {
      const step = lengths ? Math.max(0, child.length ?? 0) : 1;
      stack.push({ node: child, x: placed.x + step, y: 0, parent: placed });
    }
  }
  // Children come after their parent in this order: from the end on, each is placed before its parent.
  const spans = new Map<PlacedNode, [number, number]>();
  for (const placed of nodes.toReversed()) {
    const span = spans.get(placed);
    if (span) placed.y = (span[0] + span[1]) / 2;
    if (!placed.parent) continue;
    const above = spans.get(placed.parent);
    spans.set(
      placed.parent,
      above ? [Math.min(above[0], placed.y), Math.max(above[1], placed.y)] : [placed.y, placed.y],
    );
  }
  return { nodes, leaves, depth, lengths };
}

function hasLengths(root: TreeNode): boolean {
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.length) return true;
    stack.push(...node.children);
  }
  return false;
}
