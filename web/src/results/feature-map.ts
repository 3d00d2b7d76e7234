// Puts the features of one sequence into lanes, and finds those that are in sight.
import type { Feature } from './gff';

/** What a feature is called: the first of its attributes that has words for people. */
export const nameOf = (f: Feature) =>
  ['product', 'Name', 'gene', 'locus_tag', 'ID'].map((k) => f.attributes.get(k)).find((v) => v) ?? f.type;

/** Lanes of one strand. What finds no room in them lies over others in the last one. */
const mostLanes = 5;

export interface Placed {
  feature: Feature;
  /** From 0 beside the axis; on the side of the strand. */
  lane: number;
  forward: boolean;
}

export class FeatureMap {
  /** By their begin. */
  readonly placed: readonly Placed[];
  readonly length: number;
  readonly lanes: { forward: number; reverse: number };
  // The largest end among all up to this one: rising, so that the first one in sight is found by halving.
  private readonly ends: Float64Array;

  /** A map of features of one sequence. Those that span all of it, as regions do, are its length and no feature. */
  constructor(features: readonly Feature[]) {
    this.length = features.reduce((most, f) => Math.max(most, f.end), 1);
    const shown = features
      .filter((f) => f.type !== 'region' && f.type !== 'contig' && f.type !== 'chromosome')
      .toSorted((a, b) => a.start - b.start || b.end - a.end);
    this.ends = new Float64Array(shown.length);
    const free = { forward: [] as number[], reverse: [] as number[] };
    let most = 0;
    this.placed = shown.map((feature, i) => {
      most = Math.max(most, feature.end);
      this.ends[i] = most;
      const forward = feature.strand !== '-';
      const ends = forward ? free.forward : free.reverse;
      let lane = ends.findIndex((end) => end < feature.start);
      if (lane < 0) lane = Math.min(ends.length, mostLanes - 1);
      ends[lane] = Math.max(ends[lane] ?? 0, feature.end);
      return { feature, lane, forward };
    });
    this.lanes = { forward: Math.max(1, free.forward.length), reverse: Math.max(1, free.reverse.length) };
  }

  /** The features that have something between two positions. */
  *between(from: number, to: number): Generator<Placed> {
    let [low, high] = [0, this.placed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ends[middle] ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.placed.length; i++) {
      const placed = this.placed[i] as Placed;
      if (placed.feature.start > to) return;
      if (placed.feature.end >= from) yield placed;
    }
  }
}

/** Steps of an axis: 1, 2 or 5 times a power of ten. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? power * 10;
}
