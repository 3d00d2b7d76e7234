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
function listen() {
  const heard = { changes: [], resets: 0, last: undefined };
  const feed = new Feed({ server: server.url, owner: '' }, (news) => {
    heard.changes.push(...news.changes);
    heard.resets += news.reset ? 1 : 0;
    heard.last = news;
  });
  return { feed, heard, done: feed.run() };
}

const isFinal = (state) => ['STATE_COMPLETED', 'STATE_FAILED', 'STATE_CANCELLED'].includes(state);

test('tells every end once and nothing twice, also when the server is killed and started again', async () => {
  const { feed, heard, done } = listen();
  await eventually(() => heard.last?.link.live, 'the stream is up');
  const from = heard.last.revision;
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
  const ended = () => heard.changes.filter((c) => isFinal(c.status.state)).map((c) => c.status.id);
  await eventually(() => new Set(ended()).size >= ids.length, 'every job has ended');
  assert.deepEqual(
    ended().toSorted((a, b) => a - b),
    ids.toSorted((a, b) => a - b),
    'each end is told once',
  );
  const revisions = heard.changes.map((c) => c.revision);
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((a, b) => a - b),
    'revisions ascend and none comes twice',
  );
  assert.ok(revisions[0] > from);
  assert.equal(heard.resets, 0, 'nothing was forgotten');
  await until(() => Number(heard.last.counts.total.completed), ids.length, 'the counts are those of the end');
  feed.stop();
  await done;
});

// A change that is committed between the two reads of the server for one round of a watch with counts is skipped by it.
const todo = 'WatchStatus with view CHANGES_AND_COUNTS skips changes: sendCounts moves on the revision past them';

test('loses no change under a storm of them', { todo }, async () => {
  const { feed, heard, done } = listen();
  await eventually(() => heard.last?.link.live, 'the stream is up');
  const { jobs } = await server.call('POST', 'v1/jobs:batchSubmit', {
    jobs: Array.from({ length: 120 }, (_, i) => ({ service: 'Date', outputName: `storm-${i}` })),
  });
  const ended = () => heard.changes.filter((c) => isFinal(c.status.state)).map((c) => c.status.id);
  await eventually(async () => {
    const { summary } = await server.call('GET', 'v1/jobs:summary');
    return (
      Number(summary.total.queued) + Number(summary.total.running) === 0 &&
      heard.last.revision >= Number(summary.revision)
    );
  }, 'all jobs have ended and the stream has come as far');
  assert.deepEqual(
    ended().toSorted((a, b) => a - b),
    jobs.map((j) => j.id).toSorted((a, b) => a - b),
  );
  feed.stop();
  await done;
});

test('says reset when the server has another database, and goes on', async () => {
  const { feed, heard, done } = listen();
  await eventually(() => heard.last?.link.live, 'the stream is up');
  await server.kill();
  await server.forget();
  await server.start();
  const { id } = await server.submit({ service: 'Date', outputName: 'in the new database' });
  await eventually(() => heard.resets === 1, 'it says reset');
  await server.finished(id);
  await until(() => Number(heard.last.counts.total.completed), 1);
  feed.stop();
  await done;
});
