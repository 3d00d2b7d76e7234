// What a job may be given besides the parameters of its service, as fields of the form.
import type { ParameterJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson, ResourcesJson } from '../gen/stint/jobs/v1/job_pb';
import type { Draft } from './draft';

/** Name and folder of the result. */
export const outputFields: ParameterJson[] = [
  {
    id: 'outputName',
    label: 'Output name',
    description: 'Name of the results. Left empty, it is made of the service and the number of the job.',
    type: 'PARAMETER_TYPE_STRING',
  },
  {
    id: 'outputFolder',
    label: 'Output folder',
    description: 'Folder of the workspace that gets the results. Left empty, it is /jobs.',
    type: 'PARAMETER_TYPE_FOLDER',
  },
];

/** What few people change. */
export const moreFields: ParameterJson[] = [
  { id: 'cpus', label: 'Cores', type: 'PARAMETER_TYPE_INTEGER' },
  { id: 'memory', label: 'Memory', description: 'For example 512M or 4G.', type: 'PARAMETER_TYPE_STRING' },
  { id: 'timeLimit', label: 'Time limit', description: 'For example 30m, 2h or 1d12h.', type: 'PARAMETER_TYPE_STRING' },
  { id: 'gpus', label: 'GPUs', type: 'PARAMETER_TYPE_INTEGER' },
  {
    id: 'named',
    label: 'Other resources',
    description: 'What the operator named, such as licences, like matlab=1, db-slots=2.',
    type: 'PARAMETER_TYPE_STRING',
  },
  { id: 'account', label: 'Account', description: 'That a cluster charges.', type: 'PARAMETER_TYPE_STRING' },
  { id: 'partition', label: 'Partition', description: 'Of a cluster.', type: 'PARAMETER_TYPE_STRING' },
  { id: 'qos', label: 'Quality of service', description: 'Of a cluster.', type: 'PARAMETER_TYPE_STRING' },
  {
    id: 'constraint',
    label: 'Constraint',
    description: 'What nodes of a cluster must have, like avx2 or avx2&ib.',
    type: 'PARAMETER_TYPE_STRING',
  },
  {
    id: 'priority',
    label: 'Priority',
    description: 'Order among your own waiting jobs: higher starts first, from -100 to 100.',
    type: 'PARAMETER_TYPE_INTEGER',
  },
  {
    id: 'labels',
    label: 'Labels',
    description: 'For finding jobs later, like project=phages, sample=12.',
    type: 'PARAMETER_TYPE_STRING',
  },
];

const units: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `512M`, `1.5 GiB` in bytes; undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*([\d.]+)\s*([kmgt]?)(i?b)?\s*$/i.exec(text);
  const size = Math.round(Number(match?.[1]) * (units[(match?.[2] ?? '').toLowerCase()] ?? 1));
  return match && size > 0 ? size : undefined;
}

/** A size as one would type it. */
export function writeSize(bytes: string | number | undefined): string {
  let n = Number(bytes ?? 0);
  if (!n) return '';
  let unit = 0;
  while (n >= 1024 && n % 256 === 0 && unit < 4) {
    n /= 1024;
    unit++;
  }
  return `${n}${['', 'K', 'M', 'G', 'T'][unit]}`;
}

/** `1d12h`, `90m` in seconds; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  const plain = text.replace(/\s+/g, '');
  if (!/^([\d.]+[dhms])+$/i.test(plain)) return undefined;
  const seconds: Record<string, number> = { d: 86400, h: 3600, m: 60, s: 1 };
  let sum = 0;
  for (const [, n, unit] of plain.matchAll(/([\d.]+)([dhms])/gi))
    sum += Number(n) * (seconds[(unit ?? '').toLowerCase()] ?? 0);
  return sum > 0 ? sum : undefined;
}

/** A duration of the contract as one would type it. */
export function writeDuration(duration: string | undefined): string {
  let rest = Math.round(Number.parseFloat(duration ?? '0'));
  let text = '';
  for (const [unit, size] of [
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) text += `${n}${unit}`;
  }
  return text;
}

/** What the fields say of a job. Without one they are empty, and so is what the job took from advice: a rerun takes that of then. */
export function optionDrafts(job: JobJson | undefined): Record<string, Draft> {
  const made = `${job?.service}-${job?.id}`;
  const advised = job?.appliedAdvice ?? {};
  return {
    outputName: job?.outputName === made ? '' : (job?.outputName ?? ''),
    outputFolder: job?.outputFolder === '/jobs' ? '' : (job?.outputFolder ?? ''),
    cpus: job?.resources?.cpus ? String(job.resources.cpus) : '',
    memory: Number(advised.memoryBytes ?? 0) > 0 ? '' : writeSize(job?.resources?.memoryBytes),
    timeLimit: advised.timeLimit ? '' : writeDuration(job?.resources?.timeLimit),
    gpus: job?.resources?.gpus ? String(job.resources.gpus) : '',
    named: writeNamed(job?.resources?.named),
    account: job?.resources?.account ?? '',
    partition: job?.resources?.partition ?? '',
    qos: job?.resources?.qos ?? '',
    constraint: job?.resources?.constraint ?? '',
    priority: job?.priority ? String(job.priority) : '',
    labels: Object.entries(job?.labels ?? {})
      .map(([k, v]) => `${k}=${v}`)
      .join(', '),
  };
}

/** The job that the fields ask for, and what in them cannot be understood, by the contract's names. */
export function readOptions(drafts: Record<string, Draft>): { job: JobJson; errors: Map<string, string> } {
  const errors = new Map<string, string>();
  const text = (name: string) => String(drafts[name] ?? '').trim();
  const whole = (name: string, field: string): number | undefined => {
    if (text(name) === '') return undefined;
    if (!/^-?\d{1,9}$/.test(text(name))) errors.set(field, 'must be a whole number');
    return Number(text(name));
  };
  const job: JobJson = {};
  const resources: ResourcesJson = {};
  if (text('outputName')) job.outputName = text('outputName');
  if (text('outputFolder')) job.outputFolder = text('outputFolder');
  const cpus = whole('cpus', 'resources.cpus');
  if (cpus !== undefined) resources.cpus = cpus;
  const memory = parseSize(text('memory'));
  if (memory) resources.memoryBytes = String(memory);
  else if (text('memory')) errors.set('resources.memoryBytes', 'must be a size like 512M or 4G');
  const limit = parseDuration(text('timeLimit'));
  if (limit) resources.timeLimit = `${limit}s`;
  else if (text('timeLimit')) errors.set('resources.timeLimit', 'must be a duration like 30m, 2h or 1d12h');
  const gpus = whole('gpus', 'resources.gpus');
  if (gpus !== undefined) resources.gpus = gpus;
  if (text('named')) resources.named = readNamed(text('named'), errors);
  for (const name of ['account', 'partition', 'qos', 'constraint'] as const)
    if (text(name)) resources[name] = text(name);
  const priority = whole('priority', 'priority');
  if (priority !== undefined) job.priority = priority;
  if (Object.keys(resources).length > 0) job.resources = resources;
  if (text('labels')) job.labels = readLabels(text('labels'), errors);
  return { job, errors };
}

/** Amounts by name as one would type them. */
export function writeNamed(named: Record<string, string | number> = {}): string {
  return Object.entries(named)
    .map(([name, amount]) => `${name}=${amount}`)
    .join(', ');
}

function readNamed(text: string, errors: Map<string, string>): Record<string, string> {
  const named: Record<string, string> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [, name, amount] = /^\s*([^\s=]+)\s*=\s*(\d{1,18})\s*$/.exec(part) ?? [];
    if (name && amount) named[name] = amount;
    else errors.set('resources.named', 'must be like matlab=1, db-slots=2, with whole numbers');
  }
  return named;
}

function readLabels(text: string, errors: Map<string, string>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (part.trim() === '') continue;
    if (at <= 0) errors.set('labels', 'must be like project=phages, sample=12');
    else labels[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return labels;
}

/** The place of each field as the contract names it. */
export const optionPaths: Record<string, string> = {
  outputName: 'outputName',
  outputFolder: 'outputFolder',
  cpus: 'resources.cpus',
  memory: 'resources.memoryBytes',
  timeLimit: 'resources.timeLimit',
  gpus: 'resources.gpus',
  named: 'resources.named',
  account: 'resources.account',
  partition: 'resources.partition',
  qos: 'resources.qos',
  constraint: 'resources.constraint',
  priority: 'priority',
  labels: 'labels',
};

/** What is wrong, by the places of the form: what is wrong with one entry of labels or resources stands at their field. */
export function atFields(errors: ReadonlyMap<string, string>): Map<string, string> {
  const all = new Map<string, string>();
  for (const [path, text] of errors) {
    const field = ['labels', 'resources.named'].find((f) => path.startsWith(`${f}.`));
    if (!field) all.set(path, text);
    else all.set(field, [all.get(field), `${path.slice(field.length + 1)} ${text}`].filter(Boolean).join('; '));
  }
  return all;
}
