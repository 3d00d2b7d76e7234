// Watches jobs. All components of all tabs share one stream for each topic.
import { type FromHub, type News, protocol, type ToHub, type Topic } from './news';
import { serverURL } from './place';
import { type Connection, connectTabs } from './tabs';

export type { Link, News } from './news';

export interface WatchOptions {
  /** Whose jobs: the caller's own, or `*` for everybody's (operators). */
  owner?: string;
  /** The address of the server; by default the one that the page came from. */
  server?: string;
  /** Ends the watch. */
  signal: AbortSignal;
}

interface Subscription {
  topic: Topic;
  /** Everything up to here was told. */
  after: string;
  callback: (news: News) => void;
}

const subscriptions = new Map<number, Subscription>();
let connection: Connection | undefined;
let nextKey = 1;

/**
 * Calls back with what is known now and with all news from then on, without gaps.
 *
 * Who shows jobs reads them from the server as well, and applies every job whose revision is
 * higher than that of what was read. That is complete when it was read after the first news with a cursor, or has the
 * same cursor; otherwise read again. The same holds whenever news says reset.
 */
export function watch(options: WatchOptions, callback: (news: News) => void): void {
  if (options.signal.aborted) return;
  const key = nextKey++;
  const topic = { server: options.server ?? serverURL(), owner: options.owner ?? '' };
  subscriptions.set(key, { topic, after: '', callback });
  if (connection) post({ type: 'subscribe', key, topic, after: '' });
  else connect(topic.server);
  options.signal.addEventListener('abort', () => {
    subscriptions.delete(key);
    post({ type: 'unsubscribe', key });
  });
}

/** Asks for another try now, when the stream is down. */
export function wake(): void {
  post({ type: 'wake' });
}

function post(message: ToHub): void {
  connection?.post(message);
}

function receive({ key, news }: FromHub): void {
  const subscription = subscriptions.get(key);
  if (!subscription) return;
  subscription.after = news.cursor;
  subscription.callback(news);
}

// subscribeAll tells a new hub what this tab wants. Where it has been told
// something, the stream goes on after that or says reset.
function subscribeAll(): void {
  for (const [key, { topic, after }] of subscriptions) post({ type: 'subscribe', key, topic, after });
}

function connect(server: string): void {
  connection = connectWorker(server) ?? connectTabs('stint-watch', { message: receive, restart: subscribeAll });
  subscribeAll();
}

// A worker's script must be of the page's own site.
function connectWorker(server: string): Connection | undefined {
  if (!('SharedWorker' in globalThis) || new URL(server).origin !== location.origin) return undefined;
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(new URL('watch-worker.js', server), { name: `stint-watch-${protocol}` });
  } catch {
    return undefined;
  }
  worker.onerror = () => {
    worker.onerror = null;
    worker.port.close();
    connection = connectTabs('stint-watch', { message: receive, restart: subscribeAll });
    subscribeAll();
  };
  worker.port.onmessage = ({ data }: MessageEvent<FromHub>) => receive(data);
  return {
    post: (message) => worker.port.postMessage(message),
    close: () => worker.port.postMessage({ type: 'close' }),
  };
}

window.addEventListener('online', wake);
document.addEventListener('visibilitychange', () => document.hidden || wake());
// A page in the back-forward cache is not told anything, and comes back out of date.
window.addEventListener('pagehide', () => {
  connection?.close();
  connection = undefined;
});
window.addEventListener('pageshow', (event) => {
  const first = subscriptions.values().next().value;
  if (event.persisted && first && !connection) connect(first.topic.server);
});
