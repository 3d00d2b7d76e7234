// Calls a server with the clients that TypeScript programs have, in each protocol over each version of HTTP, and reads a stream
// of events. It prints one line for each cell, and ends with 1 if one of them went wrong.
//
//   node clients.mjs CONFIG    a JSON file with the keys base, calls, ca (optional), token, done, descriptors, http2
import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { EventSource } from 'eventsource';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(config.descriptors)));
const headers = { Authorization: `Bearer ${config.token}` };
const nodeOptions = config.ca ? { ca: readFileSync(config.ca) } : {};

function want(what, got, wanted) {
  if (got !== wanted) throw new Error(`${what}: ${got}, want ${wanted}`);
}

async function calls(transport) {
  const client = (name) => createClient(registry.getService(name), transport);
  const who = await client('stint.auth.v1.AuthService').whoAmI({}, { headers });
  want('user', who.user, 'ann');
  let code = 0;
  try {
    await client('stint.jobs.v1.JobService').get({ id: '999' }, { headers });
  } catch (error) {
    code = ConnectError.from(error).code;
  }
  want('a job that is not there', code, Code.NotFound);
  let messages = 0;
  for await (const _ of client('stint.jobs.v1.JobService').watchStatus({ ids: [config.done], untilFinal: true }, { headers })) messages++;
  if (messages < 2) throw new Error(`a watch of ${messages} messages`);
  const size = 20 * 64 * 1024;
  async function* parts() {
    yield { content: { case: 'target', value: { path: 'by-node', overwrite: true } } };
    for (let i = 0; i < 20; i++) yield { content: { case: 'data', value: new Uint8Array(64 * 1024) } };
  }
  const stored = await client('stint.workspace.v1.WorkspaceService').upload(parts(), { headers });
  want('bytes', Number(stored.entry.sizeBytes), size);
}

// An EventSource reads to the event that ends the stream. One that opens it again is told that it is over, and stops.
async function events() {
  const url = `${config.base}/v1/jobs/${config.done}:watch?untilFinal=true`;
  let last = '';
  const names = await new Promise((resolve, reject) => {
    const seen = [];
    const source = new EventSource(url, { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) });
    for (const name of ['snapshotBegin', 'job', 'snapshotEnd', 'end']) source.addEventListener(name, (event) => (seen.push(event.type), (last = event.lastEventId || last)));
    source.addEventListener('end', () => (source.close(), resolve(seen)));
    source.addEventListener('error', (event) => (source.close(), reject(new Error(`events: ${event.code} ${event.message}`))));
  });
  want('the last event', names.at(-1), 'end');
  const over = await new Promise((resolve) => {
    let opened = 0;
    const source = new EventSource(url, {
      fetch: (input, init) => {
        opened++;
        return fetch(input, { ...init, headers: { ...init.headers, ...headers, 'Last-Event-ID': last } });
      },
    });
    source.addEventListener('error', (event) => resolve(`${event.code} ${source.readyState === source.CLOSED} ${opened}`));
  });
  want('a stream that is over', over, '204 true 1');
}

const make = {
  gRPC: createGrpcTransport,
  'gRPC-Web': createGrpcWebTransport,
  Connect: createConnectTransport,
  'Connect JSON': (options) => createConnectTransport({ ...options, useBinaryFormat: false }),
};
const cells = [['EventSource', events]];
for (const httpVersion of config.http2 ? ['1.1', '2'] : ['1.1']) {
  for (const [name, transport] of Object.entries(make)) {
    if (name === 'gRPC' && httpVersion === '1.1') continue;
    cells.push([`${name}, HTTP/${httpVersion}`, () => calls(transport({ baseUrl: config.calls, httpVersion, nodeOptions }))]);
  }
}
for (const [name, run] of cells) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAILED ${name}: ${error}`);
    process.exitCode = 1;
  }
}
process.exit(); // HTTP/2 connections are kept open
