// What reads the files and the output of jobs, with what strangers put into them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSource } from './lib/bundle.mjs';

test('tables: quotes, separators and line ends within cells', async () => {
  const { parseTable, compareCells } = await importSource('results/parse-table.ts');
  const cases = [
    [
      'a,b\n1,2\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'a,b\r\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    ['"x ""y""","two\nlines",\n', [['x "y"', 'two\nlines', '']]],
    [
      'a,\n,b\n',
      [
        ['a', ''],
        ['', 'b'],
      ],
    ],
    ['', []],
  ];
  for (const [text, rows] of cases)
    assert.deepEqual(parseTable(text, ','), { rows, broken: false }, JSON.stringify(text));
  // Where quotes do not match, no row is taken into another one's cell.
  const broken = [
    [
      '"never closed,x\n1,2\n',
      [
        ['"never closed', 'x'],
        ['1', '2'],
      ],
    ],
    [
      '"a"b,c\r\nd,e\n"x",y',
      [
        ['"a"b', 'c'],
        ['d', 'e'],
        ['"x"', 'y'],
      ],
    ],
    [
      'n,what\n1,"size 5" wheel\n2,"ok"\n',
      [
        ['n', 'what'],
        ['1', '"size 5" wheel'],
        ['2', '"ok"'],
      ],
    ],
  ];
  for (const [text, rows] of broken)
    assert.deepEqual(parseTable(text, ','), { rows, broken: true }, JSON.stringify(text));
  assert.deepEqual(parseTable('a\t"b\n1\t\n', '\t'), {
    rows: [
      ['a', '"b'],
      ['1', ''],
    ],
    broken: false,
  });
  assert.deepEqual(['b', '10', '', '9', 'a'].sort(compareCells), ['9', '10', 'a', 'b', '']);
});

test('trees: names, lengths, comments, and what is no tree', async () => {
  const { parseNewick, placeTree } = await importSource('results/newick.ts');
  const tree = parseNewick("((a_b:0.1,'it''s (c)':2e-1)0.9[&x]:0.3,d);");
  assert.deepEqual(
    tree.children.map((c) => [c.name, c.length, c.children.map((g) => [g.name, g.length])]),
    [
      [
        '0.9',
        0.3,
        [
          ['a_b', 0.1],
          ["it's (c)", 0.2],
        ],
      ],
      ['d', undefined, []],
    ],
  );
  const { nodes, leaves, lengths } = placeTree(tree);
  assert.equal(leaves, 3);
  assert.equal(lengths, true);
  assert.deepEqual(
    nodes.filter((n) => n.node.children.length === 0).map((n) => n.y),
    [0, 1, 2],
  );
  assert.equal(nodes[0].y, 1.25, 'a parent stands in the middle of its children');
  for (const text of ['', 'a;', '((a,b);', '(a,b));', '(a:,b);', '('.repeat(100_000)])
    assert.throws(() => parseNewick(text), /tree/, text.slice(0, 10));
  assert.equal(
    placeTree(parseNewick(`${'('.repeat(15_000)}a${')'.repeat(15_000)};`)).leaves,
    1,
    'a deep tree does not exhaust the stack',
  );
});

test('tables: sorted and filtered over all rows, by pages', async () => {
  const { TableEngine } = await importSource('results/table-engine.ts');
  const body = Array.from({ length: 1000 }, (_, i) => [`r${i}`, i % 10 === 3 ? '' : String((i * 7919) % 1000)]);
  const engine = new TableEngine({ notes: [], head: ['name', 'n'], body, uneven: 0, broken: false });
  assert.deepEqual(engine.head.numeric, [false, true]);
  const ask = (more) => engine.ask({ sorted: -1, down: false, filter: '', from: 0, count: 50, ...more });
  const filled = body.map((row) => row[1]).filter((n) => n !== '');
  const all = (more) => {
    const rows = [];
    for (let from = 0; from < 1000; from += 50) rows.push(...ask({ ...more, from }).rows);
    return rows.map((row) => row[1]);
  };
  const rising = filled.map(Number).toSorted((a, b) => a - b);
  assert.deepEqual(all({ sorted: 1 }), [...rising.map(String), ...Array(100).fill('')]);
  assert.deepEqual(all({ sorted: 1, down: true }), [...rising.toReversed().map(String), ...Array(100).fill('')]);
  const found = ask({ filter: 'R99' });
  assert.deepEqual([found.total, found.numbers], [11, [99, 990, 991, 992, 993, 994, 995, 996, 997, 998, 999]]);
  const page = ask({ sorted: 1, row: 777 });
  assert.ok(page.numbers.includes(777) && page.from % 50 === 0, 'the page of a row');
  assert.deepEqual(ask({ filter: 'nothing has this' }), { rows: [], numbers: [], from: 0, total: 0 });
  assert.equal(ask({ from: 5000 }).from, 999, 'behind the end');
});

test('trees: rooted elsewhere every leaf is as far from every other, and support stays with its branch', async () => {
  const { parseNewick, placeTree } = await importSource('results/newick.ts');
  const { reroot, nodesOf, sortedBySize, formatNewick, leafCounts } = await importSource('results/tree-ops.ts');
  const text = "(((a:1,b:2)90:3,(c:4,'d e':5)80:6)70:7,(f:8,g:9)70:7);";
  const distances = (root) => {
    const { nodes } = placeTree(root);
    const leaves = nodes.filter((n) => n.node.children.length === 0);
    const up = (n) => (n ? [n, ...up(n.parent)] : []);
    const between = (p, q) => {
      const above = new Set(up(p));
      const meet = up(q).find((n) => above.has(n));
      return Math.round((p.x + q.x - 2 * meet.x) * 1e6) / 1e6;
    };
    const table = {};
    for (const p of leaves) for (const q of leaves) table[`${p.node.name} ${q.node.name}`] = between(p, q);
    return Object.fromEntries(Object.entries(table).sort());
  };
  // A support value divides the leaves in two sets, whichever of them the root is in.
  const supports = (root) => {
    const names = (node) =>
      nodesOf(node)
        .filter((n) => n.children.length === 0)
        .map((n) => n.name);
    const all = names(root).toSorted();
    const splits = nodesOf(root)
      .filter((n) => n !== root && n.children.length > 0 && n.name !== '')
      .map((n) => {
        const inside = names(n).toSorted();
        const outside = all.filter((name) => !inside.includes(name));
        return `${n.name} ${[inside.join(), outside.join()].toSorted().join(' | ')}`;
      });
    return [...new Set(splits)].toSorted();
  };
  const original = parseNewick(text);
  const [far, sure] = [distances(original), supports(original)];
  for (let i = 1; i < nodesOf(original).length; i++) {
    const tree = parseNewick(text);
    const other = reroot(tree, nodesOf(tree)[i]);
    assert.deepEqual(distances(other), far, `rooted at node ${i}: ${formatNewick(other)}`);
    assert.deepEqual(supports(other), sure, `rooted at node ${i}: ${formatNewick(other)}`);
    assert.deepEqual(distances(parseNewick(formatNewick(other))), far, 'written and read');
    assert.equal(formatNewick(tree), formatNewick(original), 'the tree given stays as it is');
    assert.deepEqual(distances(sortedBySize(other)), far, 'sorted');
  }
  assert.equal(reroot(original, original), original);
  assert.equal(formatNewick(original), `${text}\n`);
  const sorted = sortedBySize(parseNewick('((a,b,c),d,(e,f));'));
  assert.deepEqual(
    sorted.children.map((c) => leafCounts(sorted).get(c)),
    [1, 2, 3],
  );
  const { nodes, leaves } = placeTree(original, new Set([original.children[0]]));
  assert.deepEqual([nodes.length, leaves], [5, 3], 'of what is folded the inside has no place');
  const chain = parseNewick(`${'('.repeat(15_000)}a,b${')'.repeat(15_000)};`);
  assert.equal(
    nodesOf(reroot(chain, nodesOf(chain).at(-1))).length > 3,
    true,
    'a deep tree does not exhaust the stack',
  );
});

test('a map of features finds those in sight, and no two lie on each other where there is room', async () => {
  const { FeatureMap } = await importSource('results/feature-map.ts');
  let seed = 7;
  const random = (n) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const features = Array.from({ length: 3000 }, (_, i) => {
    const start = 1 + random(100_000);
    return {
      sequence: 'c',
      type: 'CDS',
      start,
      end: start + random(i % 50 === 0 ? 40_000 : 300),
      strand: '+-.'[i % 3],
      attributes: new Map(),
    };
  });
  const map = new FeatureMap([
    { sequence: 'c', type: 'region', start: 1, end: 150_000, strand: '.', attributes: new Map() },
    ...features,
  ]);
  assert.deepEqual([map.length, map.placed.length], [150_000, 3000]);
  for (const [from, to] of [
    [1, 10],
    [5000, 5100],
    [99_000, 150_000],
    [60_000, 60_000],
    [0, 1e9],
    [-5, 0],
  ]) {
    const want = features.filter((f) => f.start <= to && f.end >= from).length;
    assert.equal([...map.between(from, to)].length, want, `${from} to ${to}`);
  }
  const few = new FeatureMap(features.slice(0, 200).map((f) => ({ ...f, end: f.start + 100 })));
  for (const a of few.placed)
    for (const b of few.placed)
      assert.ok(
        a === b ||
          a.forward !== b.forward ||
          a.lane !== b.lane ||
          a.lane === 4 ||
          a.feature.end < b.feature.start ||
          b.feature.end < a.feature.start,
      );
});

test('features and sequences: what is none is left out', async () => {
  const { parseGff } = await importSource('results/gff.ts');
  const text =
    '##gff-version 3\nc%201\tb\tCDS\t1\t9\t.\t+\t0\tID=x;product=a%3Bb %\nnonsense\nc\tb\tCDS\tx\t9\t.\t+\t0\t\n##FASTA\nc\tb\tCDS\t1\t9\n';
  const [feature, ...others] = parseGff(text);
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...feature, attributes: [...feature.attributes] },
    {
      sequence: 'c 1',
      type: 'CDS',
      start: 1,
      end: 9,
      strand: '+',
      attributes: [
        ['ID', 'x'],
        ['product', 'a%3Bb %'],
      ],
    },
  );
  const { parseFasta, gcShare } = await importSource('results/fasta.ts');
  assert.deepEqual(parseFasta('junk\n>a first one\r\nAC\r\nGT\n\n>b\n>\nMK'), [
    { name: 'a', description: 'first one', letters: 'ACGT' },
    { name: 'b', description: '', letters: '' },
    { name: '', description: '', letters: 'MK' },
  ]);
  assert.equal(gcShare('ACGTNN'), 0.5);
  assert.equal(gcShare('MKVLAAGE'), undefined);
});

test('terminal output: colours stay, orders to a terminal go', async () => {
  const { parseAnsi, stripAnsi } = await importSource('job/ansi.ts');
  assert.deepEqual(parseAnsi('\x1b[1;31merror\x1b[0m: <b>'), [
    { text: 'error', style: 'bold fg1' },
    { text: ': <b>', style: '' },
  ]);
  assert.deepEqual(parseAnsi('\x1b[38;2;255;0;300mx'), [{ text: 'x', style: '', colour: 'rgb(255 0 255)' }]);
  assert.deepEqual(parseAnsi('\x1b[38;5;208mx')[0].colour, 'rgb(255 135 0)');
  assert.equal(stripAnsi('\x1b]0;title\x07a\x1b[2Jb\x1b[?25lc\x00d'), 'abcd');
  assert.equal(stripAnsi('10 %\r50 %\r100 %'), '100 %');
});

test('the window on a log holds whole lines, wherever the pieces are cut', async () => {
  const { LogWindow } = await importSource('job/log-window.ts');
  const lines = Array.from({ length: 500 }, (_, i) => `line ${i} ${'é'.repeat(i % 7)}`);
  const bytes = new TextEncoder().encode(`${lines.join('\n')}\n`);
  for (const step of [1, 3, 64, 1000]) {
    const window = new LogWindow(1 << 20);
    for (let at = 0; at < bytes.length; at += step) window.append(at, bytes.subarray(at, at + step));
    assert.deepEqual(
      window.lines.map((l) => l.text),
      lines,
    );
    assert.equal(window.end, bytes.length);
  }
  const half = 2000;
  const window = new LogWindow(1 << 20);
  const cut = bytes.indexOf(10, half) + 1;
  window.clear(cut);
  window.append(cut, bytes.subarray(cut));
  window.prepend(100, bytes.subarray(100, cut));
  assert.equal(window.lines.at(-1).text, lines.at(-1));
  const first = window.lines[0];
  assert.ok(first.offset > 100 && bytes[first.offset - 1] === 10, 'it begins at the begin of a line');
  assert.deepEqual(
    window.lines.map((l) => l.text),
    lines.slice(-window.lines.length),
  );

  const small = new LogWindow(1000);
  for (let at = 0; at < bytes.length; at += 200) small.append(at, bytes.subarray(at, at + 200));
  assert.ok(small.end - small.start <= 1000);
  assert.equal(small.lines.at(-1).text, lines.at(-1));

  const gap = new LogWindow(1000);
  gap.append(0, new TextEncoder().encode('a\n'));
  gap.append(500, new TextEncoder().encode('b\n'));
  assert.deepEqual(gap.lines, [
    { offset: 0, text: 'a' },
    { offset: 500, text: 'b', dropped: 498 },
  ]);
});

test('forms: what is typed becomes the values of the contract', async () => {
  const { draftOf, valuesOf } = await importSource('submit/draft.ts');
  const specs = [
    { id: 'n', type: 'PARAMETER_TYPE_INTEGER', defaultValue: 5 },
    { id: 'odd', type: 'PARAMETER_TYPE_NUMBER' },
    { id: 'flag', type: 'PARAMETER_TYPE_BOOLEAN', defaultValue: true },
    { id: 'words', type: 'PARAMETER_TYPE_STRING', multiple: true },
    {
      id: 'lib',
      type: 'PARAMETER_TYPE_GROUP',
      multiple: true,
      group: [
        { id: 'name', type: 'PARAMETER_TYPE_STRING' },
        { id: 'size', type: 'PARAMETER_TYPE_INTEGER', defaultValue: 3 },
      ],
    },
    {
      id: 'one',
      type: 'PARAMETER_TYPE_GROUP',
      group: [{ id: 'size', type: 'PARAMETER_TYPE_INTEGER', defaultValue: 3 }],
    },
  ];
  const drafts = draftOf(specs, undefined);
  assert.deepEqual(valuesOf(specs, drafts), { n: 5, flag: true });
  drafts.n = '';
  drafts.odd = 'abc';
  drafts.words = ['a', '', 'b'];
  drafts.lib = [{ name: 'x', size: '7' }];
  assert.deepEqual(valuesOf(specs, drafts), {
    odd: 'abc',
    flag: true,
    words: ['a', 'b'],
    lib: [{ name: 'x', size: 7 }],
  });
  const given = { n: 1, odd: 0.5, flag: false, words: ['q'], lib: [{ name: 'y', size: 2 }], one: { size: 9 } };
  assert.deepEqual(valuesOf(specs, draftOf(specs, given)), given, 'a rerun gives back what it was filled in with');

  const { parseSize, writeSize, parseDuration, writeDuration } = await importSource('submit/options.ts');
  for (const text of ['512M', '4G', '1.5G', '100'])
    assert.equal(parseSize(writeSize(parseSize(text))), parseSize(text), text);
  assert.equal(parseSize('4 GiB'), 4 * 1024 ** 3);
  for (const text of ['', 'x', '-1', '1.2.3G']) assert.equal(parseSize(text), undefined, text);
  assert.equal(parseDuration('1d12h'), 129_600);
  assert.equal(writeDuration('129600s'), '1d12h');
  assert.equal(parseDuration('5'), undefined);

  const { readOptions, optionDrafts, writeNamed, atFields } = await importSource('submit/options.ts');
  const asked = {
    gpus: 2,
    named: { matlab: '1', 'db-slots': '20' },
    account: 'phages',
    partition: 'gpu',
    qos: 'high',
    constraint: 'avx2&ib',
  };
  const read = readOptions(optionDrafts({ resources: asked }));
  assert.deepEqual([read.job.resources, read.errors.size], [asked, 0], 'a rerun gives back what was asked for');
  assert.equal(writeNamed(undefined), '');
  for (const named of ['matlab', 'matlab=', '=1', 'a=-1', 'a=1.5', 'a b=1', 'a=1 b=2'])
    assert.match(readOptions({ named }).errors.get('resources.named') ?? '', /like matlab=1/, named);
  assert.match(readOptions({ gpus: 'some' }).errors.get('resources.gpus') ?? '', /whole number/);
  const wrong = new Map([
    ['resources.named.a', 'is too much'],
    ['resources.named.b', 'is unknown'],
    ['labels.k', 'is long'],
    ['resources.gpus', 'is 2'],
  ]);
  assert.deepEqual(Object.fromEntries(atFields(wrong)), {
    'resources.named': 'a is too much; b is unknown',
    labels: 'k is long',
    'resources.gpus': 'is 2',
  });
});

test('server-sent events: what is told until the stream says that it is over', async () => {
  const { readEvents } = await importSource('base/sse.ts');
  const cases = [
    ['data: {"a":1}\n\nevent: end\ndata: {}\n\n', ['message {"a":1}']],
    [
      'event: counts\r\ndata: {}\r\n\r\n: a sign of life\n\nevent: end\ndata: {}\n\nevent: late\ndata: {}\n\n',
      ['counts {}'],
    ],
    ['event: problem\ndata: {"code":5}\n\n', ['problem {"code":5}']],
    ['data: it broke off\n', []],
  ];
  for (const [text, want] of cases) {
    for (const size of [1, 7, text.length]) {
      const told = [];
      const pieces = [];
      for (let i = 0; i < text.length; i += size) pieces.push(text.slice(i, i + size));
      await readEvents(
        new Blob(pieces).stream(),
        ({ event, data }) => told.push(`${event} ${data}`),
        () => {},
      );
      assert.deepEqual(told, want, text);
    }
  }
});

test('a rerun leaves out what was taken from advice, and the remedy doubles what the last attempt was given', async () => {
  const { optionDrafts } = await importSource('submit/options.ts');
  const { remedy } = await importSource('job/explain.ts');
  const resources = { cpus: 1, memoryBytes: String(64 << 20), timeLimit: '60s' };
  const filled = (appliedAdvice) => {
    const { memory, timeLimit } = optionDrafts({ resources, appliedAdvice });
    return [memory, timeLimit];
  };
  assert.deepEqual(filled(undefined), ['64M', '1m']);
  assert.deepEqual(filled({ samples: 20, memoryBytes: '0', timeLimit: '60s' }), ['64M', '']);
  assert.deepEqual(filled({ samples: 20, memoryBytes: String(64 << 20) }), ['', '1m']);

  const failed = (reason, attempts) => remedy({ reason, resources, attempts })?.query;
  const given = [{ number: 1 }, { number: 2, resources: { memoryBytes: String(512 << 20), timeLimit: '600s' } }];
  assert.equal(failed('REASON_OUT_OF_MEMORY', [{ number: 1 }]), 'memory=128M');
  assert.equal(failed('REASON_OUT_OF_MEMORY', given), 'memory=1G');
  assert.equal(failed('REASON_TIME_LIMIT', given), 'timeLimit=20m');
  assert.equal(failed('REASON_EXIT_NONZERO', given), undefined);
});
