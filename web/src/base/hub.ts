// Shares streams among listeners: one stream for each topic, kept up while somebody listens.
import { Feed } from './feed';
import type { FromHub, News, ToHub, Topic } from './news';

interface Shared {
  feed: Feed;
  listeners: Set<(news: News) => void>;
}

export class Hub {
  private shared = new Map<string, Shared>();

  /** Begins to listen. A listener that knows everything up to `after` is told reset when that is not so any more. */
  listen(topic: Topic, after: string, listener: (news: News) => void): () => void {
    const name = JSON.stringify([topic.server, topic.owner]);
    let entry = this.shared.get(name);
    if (entry) {
      const { feed } = entry;
      listener(feed.state(after !== '' && after !== feed.cursor));
    } else {
      const listeners = new Set<(news: News) => void>();
      const feed = new Feed(topic, (news) => {
        for (const each of listeners) each(news);
      });
      entry = { feed, listeners };
      this.shared.set(name, entry);
      void feed.run(after);
    }
    entry.listeners.add(listener);
    return () => this.leave(name, listener);
  }

  wake(): void {
    for (const { feed } of this.shared.values()) feed.hurry();
  }

  private leave(name: string, listener: (news: News) => void): void {
    const entry = this.shared.get(name);
    if (!entry?.listeners.delete(listener) || entry.listeners.size > 0) return;
    entry.feed.stop();
    this.shared.delete(name);
  }
}

/** One tab as the hub sees it. */
export class HubClient {
  private leaving = new Map<number, () => void>();

  constructor(
    private readonly hub: Hub,
    private readonly post: (message: FromHub) => void,
  ) {}

  receive(message: ToHub): void {
    switch (message.type) {
      case 'subscribe': {
        const { key, topic, after } = message;
        this.leaving.get(key)?.();
        this.leaving.set(
          key,
          this.hub.listen(topic, after, (news) => this.post({ key, news })),
        );
        break;
      }
      case 'unsubscribe':
        this.leaving.get(message.key)?.();
        this.leaving.delete(message.key);
        break;
      case 'wake':
        this.hub.wake();
        break;
    }
  }

  /** The tab is gone. */
  close(): void {
    for (const leave of this.leaving.values()) leave();
    this.leaving.clear();
  }
}
