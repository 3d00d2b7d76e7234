// Where a table view gets its rows from: a file, which is read and kept by a worker, or rows that are there.
import { formatBytes } from '../base/format';
import type { Separator, Table } from './parse-table';
import { type BytesRead, readBytes } from './read-file';
import { type Answer, type Head, type Question, TableEngine } from './table-engine';
import type { FromWorker, ToWorker } from './table-worker';

/** Rows that can be asked for. */
export interface TableSource {
  readonly head: Head;
  /** What of the file the rows are, where they are not all: `the first 64 MiB of 2.1 GiB`. */
  readonly extent: string;
  ask: (question: Question) => Promise<Answer>;
  close: () => void;
}

/** How much of a file is read: a browser's tab holds its rows in several times as many bytes. */
const mostBytes = 64 << 20;

/** A source of rows that the page has. */
export function rowsSource(table: Table): TableSource {
  const engine = new TableEngine(table);
  return {
    head: engine.head,
    extent: '',
    ask: (question) => Promise.resolve(engine.ask(question)),
    close: () => undefined,
  };
}

/** Reads a file's table in a worker. `progress` gets what was read and the size of the whole. Ends with the signal. */
export async function fileSource(
  url: string,
  separator: Separator,
  progress: (read: number, size: number) => void,
  signal: AbortSignal,
): Promise<TableSource> {
  const { bytes, size } = await readBytes(url, mostBytes, signal, progress);
  const worker = new Worker(new URL('./table-worker.ts', import.meta.url), { type: 'module' });
  const close = () => worker.terminate();
  signal.addEventListener('abort', close, { once: true });
  const source = await new Promise<WorkerSource>((resolve, reject) => {
    const started = new WorkerSource(worker, resolve, reject, signal);
    started.extent = bytes.length < size ? `the first ${formatBytes(bytes.length)} of ${formatBytes(size)}` : '';
    started.read({ bytes, size }, separator);
  });
  if (signal.aborted) close();
  return source;
}

class WorkerSource implements TableSource {
  head: Head = { head: [], numeric: [], notes: [], uneven: 0, broken: false, rows: 0 };
  extent = '';
  private asked = new Map<number, { resolve: (a: Answer) => void; reject: (e: Error) => void }>();
  private last = 0;

  constructor(
    private readonly worker: Worker,
    ready: (source: WorkerSource) => void,
    failed: (error: Error) => void,
    signal: AbortSignal,
  ) {
    const fail = (message: string) => {
      const error = new Error(message);
      failed(error);
      for (const { reject } of this.asked.values()) reject(error);
      this.asked.clear();
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === 'error') fail(`The table cannot be read: ${data.message}`);
      else if (data.kind === 'head') {
        this.head = data.head;
        ready(this);
      } else {
        this.asked.get(data.id)?.resolve(data.answer);
        this.asked.delete(data.id);
      }
    };
    worker.onerror = () => fail('The table cannot be read: this browser ended the work, perhaps for want of memory.');
    signal.addEventListener('abort', () => fail('The page was left.'), { once: true });
  }

  read({ bytes, size }: BytesRead, separator: Separator): void {
    this.post({ kind: 'read', bytes, whole: bytes.length === size, separator }, [bytes.buffer]);
  }

  ask(question: Question): Promise<Answer> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.post({ kind: 'ask', id, question });
    });
  }

  close(): void {
    this.worker.terminate();
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }
}
