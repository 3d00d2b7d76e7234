// Reads a stream of server-sent events from a response. EventSource would give
// up for good at the first answer that is no success, and cannot tell why.

export interface ServerEvent {
  event: string;
  data: string;
}

/** Calls back for every event, and for every sign of life, until the stream ends: by its event "end", which is not told, or by itself. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
  onAlive: () => void,
): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  let event = '';
  const data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onAlive();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        if (event === 'end') return void reader.cancel();
        if (data.length > 0) onEvent({ event: event || 'message', data: data.join('\n') });
        event = '';
        data.length = 0;
      } else if (line.startsWith('event:')) event = fieldValue(line, 6);
      else if (line.startsWith('data:')) data.push(fieldValue(line, 5));
    }
  }
}

function fieldValue(line: string, after: number): string {
  return line.slice(line[after] === ' ' ? after + 1 : after);
}
