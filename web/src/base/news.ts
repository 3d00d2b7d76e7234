// What is said between the one who holds the stream and those who want to know.
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { SummaryJson } from '../gen/stint/jobs/v1/job_service_pb';

/** Whether the stream is up. */
export interface Link {
  live: boolean;
  /** When the server was last heard, in milliseconds since 1970; 0 when it never was. */
  heard: number;
  /** Why it is down, for users. */
  problem?: string;
  /** Whether the user has to sign in. */
  signedOut?: boolean;
}

/** What happened since the last news. */
export interface News {
  link: Link;
  /** Everything up to this cursor has been told. Empty while nothing is known. */
  cursor: string;
  /** The counts, when they are known. They hold at `cursor`. */
  counts?: SummaryJson;
  /** The jobs that changed, each once, as they are now, in the order of their revisions. */
  changes: JobJson[];
  /** Ids of jobs that are gone. */
  removed: string[];
  /** Changes may have been missed: read again what is shown. */
  reset: boolean;
}

/** Whose jobs to watch, and where: one stream each. */
export interface Topic {
  server: string;
  /** Empty for the caller's own jobs, `*` for everybody's. */
  owner: string;
}

export type ToHub =
  | { type: 'subscribe'; key: number; topic: Topic; after: string }
  | { type: 'unsubscribe'; key: number }
  // The user looks at the page again, or the network is back: try now.
  | { type: 'wake' };

export interface FromHub {
  key: number;
  news: News;
}

/** Version of these messages. Tabs of different versions do not share a stream. */
export const protocol = 2;
