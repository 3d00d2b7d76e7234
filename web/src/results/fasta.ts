// Reads sequences in FASTA.

export interface Sequence {
  name: string;
  description: string;
  letters: string;
}

/** Reads FASTA. Lines before the first name are left out. */
export function parseFasta(text: string): Sequence[] {
  const sequences: Sequence[] = [];
  let parts: string[] = [];
  const close = () => {
    const last = sequences.at(-1);
    if (last) last.letters = parts.join('');
    parts = [];
  };
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('>')) {
      close();
      const [, name = '', description = ''] = /^>\s*(\S*)\s*(.*)$/.exec(line) ?? [];
      sequences.push({ name, description, letters: '' });
    } else if (!line.startsWith(';')) parts.push(line.trim());
  }
  close();
  return sequences;
}

/** The share of G and C of what is clearly nucleotides, undefined for proteins. */
export function gcShare(letters: string): number | undefined {
  if (letters === '' || /[^ACGTUNRYKMSWBDHV.*\-\s]/i.test(letters)) return undefined;
  const gc = letters.match(/[GCS]/gi)?.length ?? 0;
  const all = letters.match(/[ACGTUSW]/gi)?.length ?? 0;
  return all < letters.length / 2 ? undefined : gc / all;
}
