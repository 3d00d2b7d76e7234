// Durations of which some are below a second.
import { formatMillis } from '../base/format';

/** Like formatMillis, but `60 ms` and `4.2 s` where whole seconds would say little. */
export function shortMillis(ms: number): string {
  if (ms >= 0 && ms < 1000) return `${Math.round(ms)} ms`;
  return ms >= 1000 && ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : formatMillis(ms);
}
