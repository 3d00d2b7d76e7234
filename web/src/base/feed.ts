// One stream of changes, kept up for as long as somebody wants it. It resumes
// by cursor, so what it tells has no gap and nothing twice; when that cannot be
// had it says reset.
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { SummarizeResponseJson, SummaryJson, WatchStatusResponseJson } from '../gen/stint/jobs/v1/job_service_pb';
import { ApiError, apiURL, call, errorFromStatus, fetchOrThrow } from './api';
import type { Link, News, Topic } from './news';
import { readEvents } from './sse';

const flushMillis = 50;
const firstWait = 400;
const longestWait = 30_000;
// Three times the server's default heartbeat. A server whose heart beats slower is asked again now and then.
const silenceMillis = 45_000;
const tickMillis = 5_000;
// A stream that ends sooner is counted as a failure.
const steadyMillis = 2_000;

interface StreamEnd {
  error?: Parameters<typeof errorFromStatus>[0];
}

export class Feed {
  cursor = '';
  counts: SummaryJson | undefined;
  link: Link = { live: false, heard: 0 };

  private changes = new Map<string, JobJson>();
  private removed = new Set<string>();
  private flushing = false;
  private reset = false;
  private begun = false;
  private stopped = new AbortController();
  private attempt: AbortController | undefined;
  private triedAt = 0; // when the attempt began, in milliseconds since 1970
  private wake: () => void = () => {};
  private lastTick = Date.now();

  constructor(
    private readonly topic: Topic,
    private readonly tell: (news: News) => void,
  ) {}

  /** Keeps the stream up until stop is called. A feed that follows another goes on after its cursor. */
  async run(after = ''): Promise<void> {
    this.cursor = after;
    this.begun = after !== '';
    const ticks = setInterval(() => this.tick(), tickMillis);
    let failures = 0;
    while (!this.stopped.signal.aborted) {
      let up = Number.POSITIVE_INFINITY;
      try {
        this.attempt = new AbortController();
        this.triedAt = Date.now();
        await this.stream(this.attempt.signal, () => {
          up = Math.min(up, Date.now());
        });
      } catch (error) {
        if (!this.stopped.signal.aborted && failures > 0) this.down(error);
      }
      this.attempt?.abort(); // an end by an error of ours leaves the connection open
      // A stream that was up for a while is taken up again at once: servers are restarted.
      failures = Date.now() - up > steadyMillis ? 0 : failures + 1;
      if (failures > 1) await this.pause(Math.min(longestWait, firstWait * 2 ** Math.min(failures - 2, 10)));
    }
    clearInterval(ticks);
  }

  stop(): void {
    this.stopped.abort();
    this.attempt?.abort();
    this.wake();
  }

  /** Tries again now when the stream is down. */
  hurry(): void {
    if (!this.link.live) this.wake();
  }

  /** What a new listener has to be told. */
  state(reset: boolean): News {
    const news: News = { link: this.link, cursor: this.cursor, changes: [], removed: [], reset };
    if (this.counts) news.counts = this.counts;
    return news;
  }

  private async stream(signal: AbortSignal, onUp: () => void): Promise<void> {
    if (!this.cursor) await this.begin(signal);
    const url = apiURL(
      'v1/jobs:watch',
      { view: 'WATCH_VIEW_CHANGES_AND_COUNTS', owner: this.topic.owner, afterCursor: this.cursor },
      this.topic.server,
    );
    const response = await fetchOrThrow(url, {
      headers: { Accept: 'text/event-stream' },
      credentials: 'include',
      signal,
    });
    if (!response.body) throw new ApiError('The connection broke off.', 0, 'UNREACHABLE');
    await readEvents(
      response.body,
      ({ event, data }) => {
        if (event === 'problem') throw this.endOf(JSON.parse(data) as StreamEnd);
        onUp();
        this.take(JSON.parse(data) as WatchStatusResponseJson);
      },
      () => {
        this.link = { live: true, heard: Date.now() };
      },
    );
  }

  // Not by the stream's own snapshot: that has every job that is not final, and who shows jobs reads pages of them.
  private async begin(signal: AbortSignal): Promise<void> {
    const answer = await call<SummarizeResponseJson>('GET', 'v1/jobs:summarize', {
      query: { owner: this.topic.owner },
      server: this.topic.server,
      signal,
    });
    this.counts = answer.summary ?? {};
    // Between what was told before and this there is a gap.
    this.reset ||= this.begun;
    this.begun = true;
    this.cursor = answer.cursor ?? '';
  }

  private take(frame: WatchStatusResponseJson): void {
    if (frame.restarted) {
      this.changes.clear();
      this.removed.clear();
      this.cursor = '';
      this.reset = true;
      throw new ApiError('The cursor is too old to go on from.', 0, 'RESTARTED');
    }
    if (frame.job?.id) this.changes.set(frame.job.id, frame.job);
    if (frame.removed?.id) {
      this.changes.delete(frame.removed.id);
      this.removed.add(frame.removed.id);
    }
    if (frame.counts) this.counts = frame.counts;
    this.cursor = frame.cursor || this.cursor;
    this.flushSoon();
  }

  private endOf(end: StreamEnd & Parameters<typeof errorFromStatus>[0]): ApiError {
    return errorFromStatus(end.error ?? end, 0);
  }

  // A burst is told as one piece of news. Its first change is told at once when there was quiet before.
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setTimeout(() => {
      this.flushing = false;
      this.flush();
    }, flushMillis);
  }

  private flush(): void {
    const news = this.state(this.reset);
    news.changes = [...this.changes.values()].sort((a, b) => Number(a.revision) - Number(b.revision));
    news.removed = [...this.removed];
    this.changes.clear();
    this.removed.clear();
    this.reset = false;
    this.tell(news);
  }

  private down(error: unknown): void {
    const was = this.link;
    this.link = { live: false, heard: was.heard, problem: 'The server cannot be reached.' };
    if (error instanceof ApiError && error.status !== 0) {
      this.link.problem = error.message;
      this.link.signedOut = error.signedOut;
    }
    if (was.live || was.problem !== this.link.problem) this.flush();
  }

  // tick notices a connection that is silently gone, whether or not it ever answered, and a machine that slept.
  private tick(): void {
    const now = Date.now();
    const slept = now - this.lastTick > 4 * tickMillis;
    this.lastTick = now;
    if (slept || now - Math.max(this.triedAt, this.link.heard) > silenceMillis) this.attempt?.abort();
    if (slept) this.wake();
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      // Many browsers lose a server at the same moment; they should not come back at the same moment.
      const timer = setTimeout(resolve, ms * (0.75 + Math.random() / 2));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
