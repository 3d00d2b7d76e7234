// The script of the worker that all tabs of a browser share. A worker lives while a tab does.
import { Hub, HubClient } from './hub';
import type { ToHub } from './news';

const hub = new Hub();
const scope = self as unknown as SharedWorkerGlobalScope;

scope.addEventListener('connect', (event) => {
  const port = event.ports[0];
  if (!port) return;
  const client = new HubClient(hub, (message) => port.postMessage(message));
  port.addEventListener('message', ({ data }: MessageEvent<ToHub | { type: 'close' }>) => {
    if (data.type === 'close') client.close();
    else client.receive(data);
  });
  port.start();
});

scope.addEventListener('online', () => hub.wake());
