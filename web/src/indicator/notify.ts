// Tells the user when a job ends, by a notification of the browser, if they agreed.
// One tab tells of a job, however many are open.

import type { News } from '../base/news';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';

const words = { STATE_COMPLETED: 'completed', STATE_FAILED: 'failed', STATE_CANCELLED: 'was cancelled' } as const;
const most = 3;

export class Notifier {
  private known = false;

  constructor(private readonly changed: () => void) {}

  /** Whether the user can be asked. */
  get offered(): boolean {
    return 'Notification' in window && isSecureContext && Notification.permission === 'default';
  }

  /** Asks the user. Browsers allow that in answer to a click only. */
  async agree(): Promise<void> {
    await Notification.requestPermission();
    this.changed();
  }

  /** Tells of the jobs that have ended. The first news are of the past. */
  take(news: News, server: string): void {
    const first = !this.known;
    this.known ||= news.cursor !== '';
    if (first || news.reset || !('Notification' in window) || Notification.permission !== 'granted') return;
    const ended = news.changes.filter((s) => (s.state ?? '') in words);
    if (ended.length > most) this.tell('jobs', `${ended.length} jobs have ended`, '', new URL('jobs', server).href);
    else for (const s of ended) this.tellOf(s, server);
  }

  private tellOf(s: JobJson, server: string): void {
    const verb = words[s.state as keyof typeof words];
    const title = `${s.outputName || `Job ${s.id}`} ${verb}`;
    this.tell(`job-${s.id}`, title, s.message ?? '', new URL(`jobs/${s.id}`, server).href);
  }

  // The same tag from several tabs is one notification.
  private tell(tag: string, title: string, body: string, address: string): void {
    try {
      const notification = new Notification(title, { body, tag: `stint-${tag}` });
      notification.onclick = () => {
        window.focus();
        location.href = address;
        notification.close();
      };
    } catch {
      // Some phones have notifications for service workers only.
    }
  }
}
