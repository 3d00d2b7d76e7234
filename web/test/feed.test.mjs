// The stream of changes against a real server that dies again and again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { importSource } from './lib/bundle.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

let server;
let Feed;

before(async () => {
  ({ Feed } = await importSource('base/feed.ts'));
  server = await startServer({ flags: ['--cpus', '4'] });
});

after(() => server?.stop());

/** Listens, and remembers all that is told. */
function listen(t) {
  const heard = { changes: [], resets: 0, last: undefined };
  const feed = new Feed({ server: server.url, owner: '' }, (news) => {
    heard.changes.push(...news.changes);
    heard.resets += news.reset ? 1 : 0;
    heard.last = news;
  });
  const done = feed.run();
  t.after(async () => {
    feed.stop();
    await done;
  });
  return heard;
}

const isFinal = (state) => ['STATE_COMPLETED', 'STATE_FAILED', 'STATE_CANCELLED'].includes(state);

test('begins with an empty store, and tells of the first job also when the server was killed before', async (t) => {
  const heard = listen(t);
  await eventually(() => heard.last?.link.live, 'the stream is up');
  await server.kill();
  await server.start();
  const { id } = await server.submit({ service: 'Date', outputName: 'the first of all' });
  await server.finished(id);
  await until(() => Number(heard.last.counts?.total?.completed), 1);
  await eventually(() => heard.changes.some((j) => j.id === id && isFinal(j.state)), 'the end is told');
  assert.equal(heard.resets, 0, 'nothing was forgotten');
});

test('tells every end once and nothing twice, also when the server is killed and started again', async (t) => {
  const heard = listen(t);
  await eventually(() => heard.last?.link.live, 'the stream is up');
  const ids = [];
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 5; i++)
      ids.push((await server.submit({ service: 'Date', outputName: `round-${round}-${i}` })).id);
    if (round === 3) break;
    await server.kill();
    await server.start();
    // Nobody has told the feed that there is a server again: this is committed before it knows.
    ids.push((await server.submit({ service: 'Date', outputName: `restarted-${round}` })).id);
  }
  const ended = () => heard.changes.filter((j) => isFinal(j.state)).map((j) => j.id);
  await eventually(() => new Set(ended()).size >= ids.length, 'every job has ended');
  assert.deepEqual(
    ended().toSorted((a, b) => a - b),
    ids.toSorted((a, b) => a - b),
    'each end is told once',
  );
  const revisions = heard.changes.map((j) => Number(j.revision));
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((a, b) => a - b),
    'revisions ascend and none comes twice',
  );
  assert.equal(heard.resets, 0, 'nothing was forgotten');
  const { summary } = await server.call('GET', 'v1/jobs:summarize');
  await until(() => heard.last.counts.total, summary.total, 'the counts are those of the end');
});

test('gives up a server that takes the connection and never answers, and comes back when it does', async (t) => {
  server.process.kill('SIGSTOP');
  t.after(() => server.process.kill('SIGCONT'));
  t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: Date.now() });
  const heard = listen(t);
  // The first try that fails is not spoken of.
  await eventually(() => {
    t.mock.timers.tick(5_000);
    return heard.last?.link.problem;
  }, 'it says that the server cannot be reached');
  assert.equal(heard.last.link.live, false);
  server.process.kill('SIGCONT');
  await eventually(() => heard.last.link.live, 'the stream is up');
});

test('loses no change under a storm of them', async (t) => {
  const heard = listen(t);
  await eventually(() => heard.last?.link.live, 'the stream is up');
  const { jobs } = await server.call('POST', 'v1/jobs:batchSubmit', {
    jobs: Array.from({ length: 120 }, (_, i) => ({ service: 'Date', outputName: `storm-${i}` })),
  });
  const ended = () => heard.changes.filter((j) => isFinal(j.state)).map((j) => j.id);
  await eventually(async () => {
    const { summary, cursor } = await server.call('GET', 'v1/jobs:summarize');
    return Number(summary.total.queued) + Number(summary.total.running) === 0 && heard.last.cursor === cursor;
  }, 'all jobs have ended and the stream has come as far');
  assert.deepEqual(
    ended().toSorted((a, b) => a - b),
    jobs.map((j) => j.id).toSorted((a, b) => a - b),
  );
});

test('says reset when the server has another database, and goes on', async (t) => {
  const heard = listen(t);
  await eventually(() => heard.last?.link.live, 'the stream is up');
  await server.kill();
  await server.forget();
  await server.start();
  const { id } = await server.submit({ service: 'Date', outputName: 'in the new database' });
  await eventually(() => heard.resets === 1, 'it says reset');
  await server.finished(id);
  await until(() => Number(heard.last.counts.total.completed), 1);
});
