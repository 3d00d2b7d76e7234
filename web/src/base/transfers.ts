// The uploads of this window. They belong to the app and not to a page: they go on whichever page is shown, until the
// window is closed, and the browser asks before it closes one with uploads under way.
import type { ReactiveControllerHost } from 'lit';
import type { WorkspaceEntryJson } from '../gen/stint/workspace/v1/workspace_service_pb';
import { joinPath } from '../workspace/paths';
import { ApiError } from './api';
import { ask } from './dialog';
import { Follower } from './follow';
import { toast } from './toast';

export type TransferState = 'waiting' | 'sending' | 'paused' | 'stored' | 'failed';

/** One file on its way into the workspace. */
export interface Transfer {
  readonly key: number;
  readonly file: File;
  /** Where it goes. */
  readonly path: string;
  state: TransferState;
  /** Bytes that are sent. */
  sent: number;
  /** Bytes a second of late; 0 while nothing is known. */
  speed: number;
  problem: string;
}

interface Batch {
  left: number;
  stored: WorkspaceEntryJson[];
  resolve: (stored: WorkspaceEntryJson[]) => void;
}

/** How much of a file is sent, in whole per cent. */
export const percentOf = ({ file, sent }: Transfer) => (file.size > 0 ? Math.floor((sent / file.size) * 100) : 0);

/** How much the last measure counts for the speed. */
const smoothing = 0.3;
const measureMillis = 400;

/** All uploads, sent one after the other. Tells by `change`, and by `stored` with the path of each that is. */
export class Transfers extends EventTarget {
  /** In the order in which they were asked for. Another list after each change. */
  items: readonly Transfer[] = [];
  private readonly batches = new Map<number, Batch>();
  private last = 0;
  private sending: { key: number; life: AbortController } | undefined;

  /** Sends files into a folder. `stored` is what was stored, once each of them is stored, dropped or left as it is. */
  add(folder: string, files: readonly File[]): { keys: readonly number[]; stored: Promise<WorkspaceEntryJson[]> } {
    if (files.length === 0) return { keys: [], stored: Promise.resolve([]) };
    const batch: Batch = { left: files.length, stored: [], resolve: () => undefined };
    const stored = new Promise<WorkspaceEntryJson[]>((resolve) => {
      batch.resolve = resolve;
    });
    const added = files.map((file): Transfer => {
      const key = ++this.last;
      this.batches.set(key, batch);
      return { key, file, path: joinPath(folder, file.name), state: 'waiting', sent: 0, speed: 0, problem: '' };
    });
    this.items = [...this.items, ...added];
    this.tell();
    this.next();
    return { keys: added.map((t) => t.key), stored };
  }

  /** Whether something is under way or waits for its turn. */
  get busy(): boolean {
    return this.items.some((t) => t.state === 'sending' || t.state === 'waiting');
  }

  pause(key: number): void {
    this.set(key, { state: 'paused', speed: 0 });
    if (this.sending?.key === key) this.sending.life.abort();
    this.next();
  }

  /** Goes on with what was paused or has failed, from where the server has it. */
  resume(key: number): void {
    this.set(key, { state: 'waiting', problem: '' });
    this.next();
  }

  /** Takes a file out of the list. What the server has of it is dropped by the server in time. */
  drop(key: number): void {
    this.items = this.items.filter((t) => t.key !== key);
    if (this.sending?.key === key) this.sending.life.abort();
    this.settle(key);
    this.tell();
    this.next();
  }

  /** Takes out what is stored. */
  clear(): void {
    this.items = this.items.filter((t) => t.state !== 'stored');
    this.tell();
  }

  private next(): void {
    const transfer = this.items.find((t) => t.state === 'waiting');
    if (this.sending || !transfer) return;
    const life = new AbortController();
    this.sending = { key: transfer.key, life };
    this.set(transfer.key, { state: 'sending' });
    void this.run(transfer, life.signal).finally(() => {
      this.sending = undefined;
      this.next();
    });
  }

  private async run({ key, file, path }: Transfer, signal: AbortSignal): Promise<void> {
    let [at, from] = [performance.now(), -1];
    const onSent = (share: number) => {
      if (signal.aborted) return;
      const sent = share * file.size;
      const took = performance.now() - at;
      if (from < 0) [at, from] = [performance.now(), sent];
      if (took < measureMillis || sent < from) return this.set(key, { sent });
      const speed = ((sent - from) / took) * 1000;
      const before = this.items.find((t) => t.key === key)?.speed ?? 0;
      [at, from] = [performance.now(), sent];
      this.set(key, { sent, speed: before > 0 ? before + smoothing * (speed - before) : speed });
    };
    try {
      const entry = await this.sendAsking(path, file, signal, onSent);
      // What was paused or dropped in its last moment is stored all the same.
      if (entry) {
        this.batches.get(key)?.stored.push(entry);
        this.set(key, { state: 'stored', sent: file.size, speed: 0 });
        this.dispatchEvent(new CustomEvent('stored', { detail: path }));
      } else this.set(key, { state: 'failed', problem: 'left as it is' });
      this.settle(key);
    } catch (error) {
      // What has failed may be tried again: nobody is told that it is over.
      if (!signal.aborted) this.set(key, { state: 'failed', speed: 0, problem: (error as Error).message });
    }
  }

  // sendAsking returns undefined when the user keeps the file that is there.
  private async sendAsking(path: string, file: File, signal: AbortSignal, onSent: (share: number) => void) {
    // Its code is loaded with the first upload.
    const { sendFile } = await import('../workspace/resume');
    try {
      return await sendFile(path, file, { signal, onSent });
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || error.status !== 409) throw error;
      const replace = await ask({
        title: 'Replace the file?',
        body: `There is already a file ${path}.`,
        confirm: 'Replace it',
        danger: true,
      });
      return replace === undefined ? undefined : sendFile(path, file, { signal, onSent, overwrite: true });
    }
  }

  private settle(key: number): void {
    const batch = this.batches.get(key);
    this.batches.delete(key);
    if (!batch || --batch.left > 0) return;
    const { stored } = batch;
    if (stored.length > 0)
      toast(stored.length === 1 ? `${stored[0]?.path} is stored.` : `${stored.length} files are stored.`, {
        kind: 'success',
      });
    batch.resolve(stored);
  }

  private set(key: number, part: Partial<Transfer>): void {
    this.items = this.items.map((t) => (t.key === key ? { ...t, ...part } : t));
    this.tell();
  }

  private tell(): void {
    this.dispatchEvent(new Event('change'));
  }
}

export const transfers = new Transfers();

/** The uploads of this window, which the component follows. */
export function followTransfers(host: ReactiveControllerHost): Transfers {
  new Follower(host, (changed, signal) => transfers.addEventListener('change', changed, { signal }));
  return transfers;
}

window.addEventListener('beforeunload', (event) => {
  if (transfers.busy) event.preventDefault();
});
