// The reason of a failure, found in what real programs write when they fail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSource } from './lib/bundle.mjs';

const { isError, reasonOf } = await importSource('job/errors.ts');

// Each log and the line that says why.
const logs = [
  ['Stint', 'sequences: empty.fa is empty\n', 'sequences: empty.fa is empty'],
  [
    'Python',
    'INFO step 5/9 annotation\nTraceback (most recent call last):\n  File "steps.py", line 41, in run\n    raise StepError(s)\nERROR StepError: annotation: contig NODE_17 has 0 reads aligned',
    'ERROR StepError: annotation: contig NODE_17 has 0 reads aligned',
  ],
  [
    'Python, an exception without Error in its name',
    'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    main()\nsubprocess.TimeoutExpired: Command \'blastn\' timed out after 30 seconds',
    "subprocess.TimeoutExpired: Command 'blastn' timed out after 30 seconds",
  ],
  [
    'Python, one exception during another',
    'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: \'chr1\'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File "a.py", line 9, in g\nValueError: unknown contig chr1',
    'ValueError: unknown contig chr1',
  ],
  [
    'R',
    'Loading required package: DESeq2\nError in DESeqDataSet(se, design = design) : \n  all variables in design formula must be columns in colData\nCalls: DESeqDataSetFromMatrix -> DESeqDataSet\nExecution halted',
    'Error in DESeqDataSet(se, design = design) : all variables in design formula must be columns in colData',
  ],
  [
    'Java',
    'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat java.util.Arrays.copyOf(Arrays.java:3332)\n\tat picard.sam.MarkDuplicates.doWork(MarkDuplicates.java:258)',
    'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
  ],
  [
    'GATK',
    '***********************************************************************\n\nA USER ERROR has occurred: Input files reference and reads have incompatible contigs: No overlapping contigs found.\n\n***********************************************************************\nSet the system property GATK_STACKTRACE_ON_USER_EXCEPTION',
    'A USER ERROR has occurred: Input files reference and reads have incompatible contigs: No overlapping contigs found.',
  ],
  [
    'SPAdes',
    '== Running read error correction tool: spades-hammer\n  0:00:01.1   INFO  Estimated error rate 0.012\n== Error ==  file not found: /in/r2.fastq (right reads, library number: 1, library type: paired-end)',
    '== Error ==  file not found: /in/r2.fastq (right reads, library number: 1, library type: paired-end)',
  ],
  [
    'bwa',
    '[M::bwa_idx_load_from_disk] read 0 ALT contigs\n[E::bwa_idx_load_from_disk] fail to locate the index files',
    '[E::bwa_idx_load_from_disk] fail to locate the index files',
  ],
  [
    'samtools',
    '[E::hts_open_format] Failed to open file "in.bam" : No such file or directory\nsamtools sort: can\'t open "in.bam": No such file or directory',
    'samtools sort: can\'t open "in.bam": No such file or directory',
  ],
  [
    'bcftools',
    '[E::faidx_adjust_position] The sequence "chr9" was not found\nFailed to fetch the sequence "chr9"',
    'Failed to fetch the sequence "chr9"',
  ],
  [
    'BLAST',
    'BLAST Database error: No alias or index file found for protein database [nr] in search path [/work::]',
    'BLAST Database error: No alias or index file found for protein database [nr] in search path [/work::]',
  ],
  ['bash', '/work/run: line 12: prokka: command not found', '/work/run: line 12: prokka: command not found'],
  ['a shell without a file', 'cat: reads.fq: No such file or directory', 'cat: reads.fq: No such file or directory'],
  [
    'Perl',
    "Can't locate Bio/SeqIO.pm in @INC (you may need to install the Bio::SeqIO module) at prokka line 29.\nBEGIN failed--compilation aborted at prokka line 29.",
    'BEGIN failed--compilation aborted at prokka line 29.',
  ],
  [
    'C++',
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core dumped)",
    "terminate called after throwing an instance of 'std::bad_alloc' what():  std::bad_alloc",
  ],
  [
    'Rust',
    "thread 'main' panicked at src/main.rs:14:33:\ncalled `Result::unwrap()` on an `Err` value: NotFound\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
    "thread 'main' panicked at src/main.rs:14:33: called `Result::unwrap()` on an `Err` value: NotFound",
  ],
  [
    'Go',
    'panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1d\nexit status 2',
    'panic: runtime error: index out of range [5] with length 3',
  ],
  [
    'Node',
    "node:fs:573\n  return binding.open(\n\nError: ENOENT: no such file or directory, open 'x.json'\n    at Object.openSync (node:fs:573:18)\n    at main (file:///app.js:3:4)",
    "Error: ENOENT: no such file or directory, open 'x.json'",
  ],
  [
    'make',
    "gcc -o x x.c\nx.c:3:1: error: expected ';' before '}' token\nmake: *** [Makefile:2: x] Error 1",
    "x.c:3:1: error: expected ';' before '}' token",
  ],
  [
    'Snakemake',
    'Error in rule align:\n    jobid: 3\n    output: a.bam\nMissing input files for rule trim: cannot find reads/a.fq\nShutting down, this might take some time.\nExiting because a job execution failed. Look above for error message\nComplete log: .snakemake/log/x.log',
    'Missing input files for rule trim: cannot find reads/a.fq',
  ],
  [
    'Nextflow',
    "Error executing process > 'FASTQC (1)'\n\nCaused by:\n  Missing output file(s) `*.zip` expected by process: not found\n",
    '  Missing output file(s) `*.zip` expected by process: not found',
  ],
  ['out of memory', 'running\nKilled', 'Killed'],
  ['a crash', 'step 3\nSegmentation fault (core dumped)', 'Segmentation fault (core dumped)'],
  ['a full disk', 'write: No space left on device', 'write: No space left on device'],
  [
    'Slurm',
    'slurmstepd: error: Detected 1 oom_kill event in StepId=42.batch. Some of the step tasks have been OOM Killed.\nsrun: error: node1: task 0: Exited with exit code 1',
    'slurmstepd: error: Detected 1 oom_kill event in StepId=42.batch. Some of the step tasks have been OOM Killed.',
  ],
  [
    'IQ-TREE',
    'Reading alignment file a.fa ... Fasta format detected\nERROR: Sequence seq3 has different length 41\nERROR: All sequences must have the same length',
    'ERROR: All sequences must have the same length',
  ],
  ['MAFFT', 'nthread = 0\nmafft: Cannot open input.fa.', 'mafft: Cannot open input.fa.'],
  [
    'Kraken',
    'Loading database information...classify: Error reading in hash table\n',
    'Loading database information...classify: Error reading in hash table',
  ],
  [
    'argparse',
    'usage: run.py [-h] --in IN\nrun.py: error: unrecognized arguments: --out',
    'run.py: error: unrecognized arguments: --out',
  ],
  [
    'an error, then much that is well',
    `ERROR: the reference has 3 sequences named chr1\n${'cleaning up, 0 errors\n'.repeat(50)}`,
    'ERROR: the reference has 3 sequences named chr1',
  ],
  [
    'a permission',
    'mkdir: cannot create directory ‘/ref’: Permission denied',
    'mkdir: cannot create directory ‘/ref’: Permission denied',
  ],
];

for (const [what, log, why] of logs) {
  test(`the reason of a failure: ${what}`, () => assert.equal(reasonOf(log.split('\n'))?.text, why));
}

test('there are thirty logs and more', () => assert.ok(logs.length >= 30));

test('what looks like an error and is none', () => {
  for (const line of [
    'step 12: 0 errors',
    'No errors found.',
    'Estimated error rate: 0.012',
    '== Running read error correction tool: spades-hammer',
    'errors: 0, warnings: 3',
    'run --on-error continue --max-failures 3',
    'Mean sequencing error 0.1 %',
    '0 reads failed, 100 passed',
    'Learning the error model',
    'WARNING: could not find an index, making one',
    'INFO step 5 of 9: no contamination',
    'completed without errors',
    'Retrying after a failure',
  ])
    assert.equal(isError(line), false, line);
});
