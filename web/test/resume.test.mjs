// Uploads that go on, against a server that is scripted to fail. The pages' own tests upload to a real one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSource } from './lib/bundle.mjs';

/** A server in memory. Each fault of the script is for one call: how many bytes of a part arrive before it. */
function server(ApiError, script = {}) {
  const state = { content: '', entry: undefined, calls: [], sent: 0, waits: [] };
  const fault = (name) => {
    state.calls.push(name);
    return script[name]?.shift();
  };
  const upload = () => ({ id: 'u1', offset: String(state.content.length), entry: state.entry });
  const wire = {
    async create(request) {
      const wrong = fault('create');
      if (wrong) throw wrong;
      state.request = request;
      return upload();
    },
    async get() {
      const wrong = fault('get');
      if (wrong) throw wrong;
      return upload();
    },
    async append(_id, offset, part, sent) {
      const wrong = fault('append');
      const text = await part.text();
      if (offset !== state.content.length) throw new ApiError('elsewhere', 409, 'UPLOAD_OFFSET');
      const arrived = wrong ? text.slice(0, wrong.arrive ?? 0) : text;
      state.content += arrived;
      state.sent += text.length;
      sent(arrived.length);
      if (state.content.length === Number(state.request.sizeBytes)) state.entry = { path: state.request.path };
      if (wrong) throw wrong.error ?? wrong;
    },
    async wait(milliseconds) {
      state.waits.push(milliseconds);
    },
  };
  return { state, wire };
}

const options = () => {
  const shares = [];
  return { shares, signal: new AbortController().signal, onSent: (share) => shares.push(share) };
};

test('an upload goes on where the server is, whatever breaks', async () => {
  const { sendFile, partBytes, ApiError } = await importSource('workspace/resume.ts', 'base/api.ts');
  const text = 'ACGT'.repeat(partBytes / 2); // two parts
  const file = new File([text], 'a.fq', { lastModified: 5 });
  const lost = new ApiError('The server cannot be reached.', 0, 'UNREACHABLE');
  const cases = {
    nothing: [{}, 0],
    'a part breaks off': [{ append: [{ arrive: 1000, error: lost }] }, 1],
    'the response of the last part is lost': [{ append: [undefined, { arrive: partBytes, error: lost }] }, 1],
    'the server is away': [{ create: [lost], append: [{ error: lost }], get: [lost, lost, lost] }, 5],
    'too many requests': [{ append: [new ApiError('slower', 429, 'RATE_LIMITED', [], 2_000)] }, 1],
  };
  for (const [name, [script, waits]] of Object.entries(cases)) {
    const { state, wire } = server(ApiError, script);
    const o = options();
    assert.deepEqual(await sendFile('/in/a.fq', file, o, wire), { path: '/in/a.fq' }, name);
    assert.equal(state.content, text, name);
    assert.equal(state.waits.length, waits, name);
    assert.equal(o.shares.at(-1), 1, name);
    assert.ok(
      o.shares.every((share) => share >= 0 && share <= 1),
      name,
    );
    assert.equal(state.request.resumeKey, `${text.length} 5`, name);
  }
});

test('an upload goes on with what an earlier one left, and an empty file is stored', async () => {
  const { sendFile, ApiError } = await importSource('workspace/resume.ts', 'base/api.ts');
  const { state, wire } = server(ApiError);
  state.content = 'ACGT';
  await sendFile('/a', new File(['ACGTTT'], 'a'), options(), wire);
  assert.equal(state.content, 'ACGTTT');
  assert.equal(state.sent, 2);
  const empty = server(ApiError);
  assert.deepEqual(await sendFile('/b', new File([], 'b'), options(), empty.wire), { path: '/b' });
});

test('what does not pass is told, and a stopped upload is not tried again', async () => {
  const { sendFile, ApiError } = await importSource('workspace/resume.ts', 'base/api.ts');
  const file = new File(['ACGT'], 'a');
  for (const [name, error] of [
    ['create', new ApiError('There is a file.', 409, 'ALREADY_EXISTS')],
    ['append', new ApiError('There is a file.', 409, 'ALREADY_EXISTS')],
    ['append', new ApiError('Sign in.', 401, 'SESSION_ENDED')],
    ['append', new ApiError('The disk is full.', 429, 'NO_SPACE', [], 60_000)],
    ['get', new ApiError('There is no upload.', 404, 'NOT_FOUND')],
  ]) {
    const { state, wire } = server(ApiError, { [name]: [error] });
    await assert.rejects(sendFile('/a', file, options(), wire), error);
    assert.equal(state.waits.length, 0);
  }
  const stop = new AbortController();
  const { state, wire } = server(ApiError);
  wire.append = async () => {
    stop.abort();
    throw new ApiError('The server cannot be reached.', 0, 'UNREACHABLE');
  };
  await assert.rejects(sendFile('/a', file, { ...options(), signal: stop.signal }, wire));
  assert.deepEqual(state.calls, ['create']);
});

test('a server that stays away ends the upload', async () => {
  const { sendFile, ApiError } = await importSource('workspace/resume.ts', 'base/api.ts');
  const lost = new ApiError('The server cannot be reached.', 0, 'UNREACHABLE');
  const { state, wire } = server(ApiError, { get: Array.from({ length: 100 }, () => lost), append: [lost] });
  await assert.rejects(sendFile('/a', new File(['ACGT'], 'a'), options(), wire), lost);
  const waited = state.waits.reduce((sum, one) => sum + one, 0);
  assert.ok(waited > 9 * 60_000 && waited < 15 * 60_000, `${waited} ms`);
});
