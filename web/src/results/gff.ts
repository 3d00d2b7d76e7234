// Reads features in GFF3.

export interface Feature {
  sequence: string;
  type: string;
  start: number;
  end: number;
  strand: string;
  attributes: Map<string, string>;
}

/** Reads GFF3. Lines that are none are left out, and so is everything from `##FASTA` on. */
export function parseGff(text: string): Feature[] {
  const features: Feature[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('##FASTA')) break;
    if (line === '' || line.startsWith('#')) continue;
    const [sequence = '', , type = '', start, end, , strand = '.', , attributes = ''] = line.split('\t');
    if (!(Number(start) > 0) || !(Number(end) > 0)) continue;
    features.push({
      sequence: decoded(sequence),
      type,
      start: Number(start),
      end: Number(end),
      strand,
      attributes: parseAttributes(attributes),
    });
  }
  return features;
}

function parseAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const part of text.split(';')) {
    const at = part.indexOf('=');
    if (at > 0) attributes.set(decoded(part.slice(0, at).trim()), decoded(part.slice(at + 1)));
  }
  return attributes;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone per cent sign
  }
}
