// The time of the server, by which all its times are: the browser's clock may be wrong by hours.

/** The server's time less the browser's, in milliseconds. */
let ahead = 0;

/** By how much the two may differ before it counts: the server sends whole seconds, and responses take a while. */
const tolerance = 2000;

/** Now, by the server's clock as far as it is known. */
export const serverNow = (): number => Date.now() + ahead;

/** Learns from the Date of an answer to a request that was sent at a time of the browser's clock. */
export function learnClock(date: string | null, sent: number, received = Date.now()): void {
  const told = date ? Date.parse(date) : Number.NaN;
  // A response that took long says little, and so does a clock that was set meanwhile.
  if (Number.isNaN(told) || received < sent || received - sent > 10_000) return;
  const difference = told + 500 - (sent + received) / 2;
  ahead = Math.abs(difference) > tolerance ? difference : 0;
}
