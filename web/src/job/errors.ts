// What programs write when they fail: the one list of patterns by which the pages find the first error of a log and
// the reason of a failure. test/errors.test.mjs has real logs for it.

/** Words that announce a failure. */
const failing =
  /\b(error|errors|exception|fatal|failed|fails? to|terminate called|failure|panic|panicked|abort(ed)?|segmentation fault|segfault|core dumped|killed|no such file|not found|cannot|can't|could not|unable to|out of memory|oom|no space left|permission denied|assertion|invalid|unrecognized|is empty)\b|^\s*\[?(E|ERR|CRITICAL)\b[:\]]/i;
/** The names that programs give to their exceptions. */
const naming = /[a-z](Error|Exception)\b/;
const announces = { test: (text: string) => failing.test(text) || naming.test(text) };

/** Words of the same kind that announce none. */
const harmless = [
  /\b(0|no|zero|without( any)?)\s+(\w+\s+)?(errors?|failures?|failed|exceptions?|warnings)\b/i,
  /\b(errors?|failures?|failed|exceptions?)\s*[:=]\s*0\b/i,
  /\berror[ -]?(rate|rates|correction|corrected|correcting|profile|model|bars?|probabilit\w+|estimat\w+|threshold|tolerance|log)\b/i,
  /\b(read|sequencing|standard|squared|mean|base-calling)[ -]error\b/i,
  /\b(max|min|expected|allowed|num|number of)[ _-]?\w*[ _-]?errors?\b/i,
  /--?[\w-]*(error|fail|abort)[\w-]*/i,
  /\b(INFO|DEBUG|TRACE)\b(?!.*\b(error|exception|fatal|failed):)/,
  /\bwarn(ing)?\b[:\]]/i,
  /^\s+(raise|throw|at|File) /,
  /\bif\b.*\bfail/i,
  /\b(retry|retrying|ignor(ed|ing)|skipp(ed|ing))\b/i,
];

/** Lines that only report that something else failed before. */
const trailing =
  /^\s*(Execution halted|make(\[\d+\])?: \*\*\*|Calls: |exit(ed)? (with )?(status|code)|Command exited with|Error executing process|Exiting because|Shutting down|Complete log:|srun: error: .*(Exited with exit code|task)|slurmstepd: error: \*\*\* (STEP|JOB)|note: run with|Aborted \(core dumped\)|\s*\[?ERROR\]? *\d* *$|Error \d+$|Error in rule|.*returned non-zero exit status|.*exited with (code|status) \d+)/i;

/** The head of a trace whose last line says what is wrong. */
const traceHead = /^\s*Traceback \(most recent call last\)/;
/** A line inside a trace of calls. */
const frame = /^\s+(at |File "|in |\.\.\. \d+ more|\d+: )|^\s*goroutine \d+|^\s{2,}\S/;

/** Something to look for in a log. */
export interface Pattern {
  /** Whether a text of many lines may have a line like that. */
  quick: Pick<RegExp, 'test'>;
  /** Whether a line is like that. */
  test(line: string): boolean;
}

/** Whether a line says that something failed. */
export function isError(line: string): boolean {
  return announces.test(line) && !traceHead.test(line) && !harmless.some((h) => h.test(line));
}

/** Lines that say that something failed. */
export const errors: Pattern = { quick: announces, test: isError };

/** A line, and where it stands among others. */
export interface Reason {
  index: number;
  text: string;
}

/**
 * The line that says why a program failed: the last one that tells of an error and not only of an exit. Undefined
 * where no line does.
 */
export function reasonOf(lines: readonly string[]): Reason | undefined {
  let last: Reason | undefined;
  let weak: Reason | undefined;
  for (let index = 0; index < lines.length; index++) {
    const text = lines[index] ?? '';
    if (traceHead.test(text)) {
      const end = endOfTrace(lines, index + 1);
      if (end > 0) last = { index: end, text: lines[end] ?? '' };
      continue;
    }
    if (!isError(text)) continue;
    if (trailing.test(text)) weak = { index, text };
    else if (!frame.test(text) || !last) last = withNext(lines, index);
  }
  return last ?? weak;
}

// endOfTrace is the first line after the frames, which begin with blanks: it names the exception.
function endOfTrace(lines: readonly string[], from: number): number {
  for (let i = from; i < lines.length; i++) if (/^\S/.test(lines[i] ?? '')) return i;
  return -1;
}

// A line that ends in a colon announces the one after it.
function withNext(lines: readonly string[], index: number): Reason {
  const text = lines[index] ?? '';
  const next = lines[index + 1]?.trim() ?? '';
  const goesOn = /:\s*$|panicked at|terminate called/.test(text) && next !== '' && !/^note:/.test(next);
  return { index, text: goesOn ? `${text.trimEnd()} ${next}` : text };
}
