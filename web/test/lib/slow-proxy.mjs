// A proxy that lets so many bytes a second through to the server, as a line to a laboratory does.
import { connect, createServer } from 'node:net';

/** Listens on a port of its own. `rate` is in bytes a second, for what goes to the server, over all connections. */
export async function startSlowProxy(target, rate) {
  const step = 50;
  let room = 0;
  const waiting = new Set();
  const timer = setInterval(() => {
    room = Math.min(room + (rate * step) / 1000, rate / 4);
    for (const go of [...waiting]) go();
  }, step);
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => {
      client.pause();
      const go = () => {
        if (room <= 0) return waiting.add(go);
        waiting.delete(go);
        room -= data.length;
        if (!upstream.destroyed) upstream.write(data);
        return client.resume();
      };
      go();
    });
    client.on('end', () => upstream.end());
    upstream.pipe(client);
    upstream.on('close', () => client.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
