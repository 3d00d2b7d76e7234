// Holds the table of a whole file beside the page, so that the page goes on while it is read, sorted and filtered.
import { readTable, type Separator } from './parse-table';
import { type Answer, type Head, type Question, TableEngine } from './table-engine';

export type ToWorker =
  | { kind: 'read'; bytes: Uint8Array; whole: boolean; separator: Separator }
  | { kind: 'ask'; id: number; question: Question };
export type FromWorker =
  | { kind: 'head'; head: Head }
  | { kind: 'answer'; id: number; answer: Answer }
  | { kind: 'error'; message: string };

const scope = self as unknown as DedicatedWorkerGlobalScope;
let engine: TableEngine | undefined;

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  const post = (message: FromWorker) => scope.postMessage(message);
  try {
    if (data.kind === 'read') {
      const text = new TextDecoder().decode(data.bytes);
      // Of a part the last row may be broken.
      const end = data.whole ? text.length : text.lastIndexOf('\n') + 1 || text.length;
      engine = new TableEngine(readTable(text.slice(0, end), data.separator));
      post({ kind: 'head', head: engine.head });
    } else if (engine) post({ kind: 'answer', id: data.id, answer: engine.ask(data.question) });
  } catch (error) {
    post({ kind: 'error', message: (error as Error).message });
  }
};
