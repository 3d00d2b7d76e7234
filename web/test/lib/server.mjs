// A real stintd on a folder and port of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
const binary = process.env.STINT_TEST_STINTD ?? path.join(repository, 'bin/stintd');

/** Starts a server. It ends with stop(), and its folder goes with it. What prepare answers are more flags. */
export async function startServer({ flags = [], prepare = async () => [] } = {}) {
  const server = new Server(await mkdtemp(path.join(tmpdir(), 'stint-web-test-')), await freePort(), flags);
  server.flags = [...flags, ...(await prepare(server))];
  await server.start();
  return server;
}

class Server {
  constructor(folder, port, flags) {
    Object.assign(this, { folder, port, flags });
    this.url = `http://127.0.0.1:${port}/`;
    this.log = '';
  }

  /** Starts the program on the folder and the port that the last one had. */
  async start() {
    const args = [
      '--data',
      this.folder,
      '--listen',
      `127.0.0.1:${this.port}`,
      '--services',
      path.join(repository, 'services'),
    ];
    this.process = spawn(binary, [...args, ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.process, 'exit');
    this.process.stderr.on('data', (text) => {
      this.log += text;
    });
    for await (const line of createInterface({ input: this.process.stdout })) {
      if (line.startsWith('stintd is serving')) return;
    }
    throw new Error(`stintd ended before it served:\n${this.log}`);
  }

  /** Ends the program as a power cut would. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Empties the folder of a server that does not run. */
  async forget() {
    await rm(this.folder, { recursive: true, force: true });
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
    await endJobs(this.folder);
    // Whoever watches over a job still writes down that it ended.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  /** A call of the REST interface. */
  async call(method, at, body) {
    const init = { method };
    if (body !== undefined)
      Object.assign(init, { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const response = await fetch(new URL(at, this.url), init);
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${answer.message}`);
    return answer;
  }

  async submit(job) {
    const { job: stored } = await this.call('POST', 'v1/jobs', { job });
    return stored;
  }

  /** Submits any number of jobs, as fast as it goes. */
  async submitMany(jobs) {
    for (let at = 0; at < jobs.length; at += 1000) {
      await this.call('POST', 'v1/jobs:batchSubmit', { jobs: jobs.slice(at, at + 1000) });
    }
  }

  /** Waits until a job is final, by the server's own word. */
  async finished(id) {
    const response = await fetch(new URL(`v1/jobs/${id}:watch?ids=${id}&untilFinal=true`, this.url));
    await response.text();
    const { job } = await this.call('GET', `v1/jobs/${id}`);
    return job;
  }
}

// endJobs ends the commands that a server left running: jobs outlive their server.
async function endJobs(folder) {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const at = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (!at.startsWith(`${folder}/`)) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
