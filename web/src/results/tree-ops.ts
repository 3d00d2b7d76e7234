// What is done with a tree once it is read: other roots, other orders, and writing it. All of it without recursion:
// a tree may be a chain of many thousands.
import type { TreeNode } from './newick';

/** The nodes of a tree, each before its children. */
export function nodesOf(root: TreeNode): TreeNode[] {
  const nodes: TreeNode[] = [];
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    nodes.push(node);
    for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i] as TreeNode);
  }
  return nodes;
}

/** How many leaves each node has below it; 1 for a leaf. */
export function leafCounts(root: TreeNode): Map<TreeNode, number> {
  const counts = new Map<TreeNode, number>();
  for (const node of nodesOf(root).reverse())
    counts.set(node, node.children.length === 0 ? 1 : node.children.reduce((n, c) => n + (counts.get(c) ?? 0), 0));
  return counts;
}

/** The nodes from the root to one of its tree, that one included; empty if it is not in the tree. */
export function pathTo(root: TreeNode, node: TreeNode): TreeNode[] {
  const parents = new Map<TreeNode, TreeNode>();
  for (const parent of nodesOf(root)) for (const child of parent.children) parents.set(child, parent);
  const path = [node];
  for (let up = parents.get(node); up; up = parents.get(up)) path.unshift(up);
  return path[0] === root ? path : [];
}

// The name of an inner node that is a number is the support of the branch above it, not of the node.
const isSupport = (name: string) => name !== '' && !Number.isNaN(Number(name));

/**
 * Returns the tree with its root in the middle of the branch above a node. The tree given stays as it is. A support
 * value goes with its branch, as it must: it says how sure the branch is, on whichever side the root lies. A root that
 * is left with one branch is taken out.
 */
export function reroot(root: TreeNode, node: TreeNode): TreeNode {
  const path = pathTo(root, node);
  if (path.length < 2) return root;
  const half = (length: number | undefined) => (length === undefined ? undefined : length / 2);
  // From the root down, each parent on the path becomes a child of the one below it.
  let above: TreeNode | undefined;
  for (let i = 0; i < path.length - 1; i++) {
    const [parent, child] = [path[i] as TreeNode, path[i + 1] as TreeNode];
    const rest = parent.children.filter((c) => c !== child);
    const children = above ? [...rest, above] : rest;
    const last = i === path.length - 2;
    const support = child.children.length > 0 && isSupport(child.name) ? child.name : '';
    const turned: TreeNode = {
      name: isSupport(parent.name) || parent.name === '' ? support : parent.name,
      length: last ? half(child.length) : child.length,
      children,
    };
    const only = children.length === 1 ? children[0] : undefined;
    above =
      only && (turned.name === support || turned.name === '')
        ? { ...only, length: sum(only.length, turned.length) }
        : turned;
  }
  const below = { ...node, length: half(node.length) };
  return { name: '', length: undefined, children: above ? [below, above] : [below] };
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : a + b;
}

/** Returns the tree with the smaller branches of each node first. */
export function sortedBySize(root: TreeNode): TreeNode {
  const counts = leafCounts(root);
  const copies = new Map<TreeNode, TreeNode>();
  for (const node of nodesOf(root).reverse()) {
    const children = node.children.toSorted((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0));
    copies.set(node, { ...node, children: children.map((c) => copies.get(c) as TreeNode) });
  }
  return copies.get(root) as TreeNode;
}

/** Writes a tree in Newick format. */
export function formatNewick(root: TreeNode): string {
  const written = new Map<TreeNode, string>();
  const nodes = nodesOf(root);
  const name = (text: string) => (/[\s'()[\]:;,]/.test(text) ? `'${text.replaceAll("'", "''")}'` : text);
  // Parts are joined once at the end of each node: a chain of n costs n of them.
  for (const node of nodes.reverse()) {
    const inner = node.children.length > 0 ? `(${node.children.map((c) => written.get(c)).join(',')})` : '';
    for (const child of node.children) written.delete(child);
    written.set(node, `${inner}${name(node.name)}${node.length === undefined ? '' : `:${node.length}`}`);
  }
  return `${written.get(root)};\n`;
}
