// A site that publishes Stint below /stint, as a gateway's proxy does, and counts the streams that pass.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';

/** Starts a site in front of a server that was started with --path-prefix /stint. */
export async function startSite(server) {
  const site = { streams: 0, opened: 0 };
  const page = await readFile(new URL('../../examples/plain.html', import.meta.url));
  const listener = createServer((req, res) => {
    if (!req.url.startsWith('/stint/')) {
      res.setHeader('Content-Type', 'text/html; charset=utf-8');
      res.end(page);
      return;
    }
    if (req.url.includes('jobs:watch')) {
      site.streams++;
      site.opened++;
      res.on('close', () => site.streams--);
    }
    pass(server, req, res);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  site.url = `http://127.0.0.1:${listener.address().port}/`;
  site.close = async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  };
  return site;
}

function pass(server, req, res) {
  const upstream = request(
    { host: '127.0.0.1', port: server.port, method: req.method, path: req.url, headers: req.headers },
    (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    },
  );
  upstream.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
  res.on('close', () => upstream.destroy());
  req.pipe(upstream);
}
