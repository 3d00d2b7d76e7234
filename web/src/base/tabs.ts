// One stream for all tabs where there is no shared worker, or where the worker's
// script may not be loaded because it is of another site: the tabs choose one of
// them by a lock, and it talks to the others over a channel. When it goes, the next takes over.
import { Hub, HubClient } from './hub';
import { type FromHub, protocol, type ToHub } from './news';

type ChannelMessage =
  | { to: 'leader'; from: string; message: ToHub | { type: 'close' } }
  | { to: string; message: FromHub }
  // A new leader begins: everybody subscribes again.
  | { to: 'all' };

/** How a tab talks to its hub. */
export interface Connection {
  post(message: ToHub): void;
  close(): void;
}

export interface ConnectionEvents {
  message(message: FromHub): void;
  /** The hub is a new one and knows nothing of this tab. */
  restart(): void;
}

/** Talks to the hub of the leading tab, which may be this one. */
export function connectTabs(name: string, events: ConnectionEvents): Connection {
  if (!('BroadcastChannel' in globalThis) || !navigator.locks) return connectAlone(events);
  const me = Math.random().toString(36).slice(2);
  const channel = new BroadcastChannel(`${name}-${protocol}`);
  const clients = new Map<string, HubClient>();
  const released = new AbortController();
  let own: HubClient | undefined;
  let hub: Hub | undefined;

  channel.onmessage = ({ data }: MessageEvent<ChannelMessage>) => {
    if (data.to === 'all') events.restart();
    else if (data.to === 'leader') {
      if (hub && 'from' in data) serve(hub, data.from, data.message);
    } else if (data.to === me && 'message' in data) events.message(data.message as FromHub);
  };

  const serve = (leading: Hub, from: string, message: ToHub | { type: 'close' }) => {
    let client = clients.get(from);
    if (message.type === 'close') {
      client?.close();
      clients.delete(from);
      return;
    }
    client ??= new HubClient(leading, (answer) => channel.postMessage({ to: from, message: answer } as ChannelMessage));
    clients.set(from, client);
    client.receive(message);
  };

  const lead = () => {
    hub = new Hub();
    own = new HubClient(hub, (message) => events.message(message));
    // This tab first: its cursor is where the stream goes on.
    events.restart();
    channel.postMessage({ to: 'all' } as ChannelMessage);
    return new Promise<void>((resolve) => released.signal.addEventListener('abort', () => resolve()));
  };
  // Where the browser forbids locks, as in frames of other sites, this tab has a stream of its own.
  let alone: Connection | undefined;
  navigator.locks.request(`${name}-${protocol}`, { signal: released.signal }, lead).catch(() => {
    if (released.signal.aborted) return; // the tab was closed before it ever led
    alone = connectAlone(events);
    events.restart();
  });

  const send = (message: ToHub | { type: 'close' }) => {
    if (alone && message.type !== 'close') alone.post(message);
    else if (own && message.type !== 'close') own.receive(message);
    else channel.postMessage({ to: 'leader', from: me, message } as ChannelMessage);
  };
  return {
    post: send,
    close: () => {
      send({ type: 'close' });
      own?.close();
      alone?.close();
      for (const client of clients.values()) client.close();
      own = undefined;
      hub = undefined;
      released.abort();
      channel.close();
    },
  };
}

function connectAlone(events: ConnectionEvents): Connection {
  const client = new HubClient(new Hub(), (message) => events.message(message));
  return { post: (message) => client.receive(message), close: () => client.close() };
}
