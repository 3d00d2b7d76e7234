package catalog_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// fastq makes reads of one sequence under the given names.
func fastq(seq string, names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "@%s\n%s\n+\n%s\n", n, seq, strings.Repeat("I", len(seq)))
	}
	return b.String()
}

// Bad input ends a job with an exit code that says what kind of mistake it was, with words for
// the user, and without half a result.
func TestBadInputHasItsOwnExitCodeAndWords(t *testing.T) {
	const dna, protein = ">a\nACGTACGTACGTACGTACGT\n", ">p\nMKVLAAGIVGLLLAQWERTYP\n"
	packed := zipped(t, strings.Repeat(dna, 1000))
	file := func(name, text string) string { return input(t, name, text) }
	gone := filepath.Join(t.TempDir(), "gone.fa")
	seq := strings.Repeat("ACGTTGCA", 20)
	one := file("one.fq", fastq(seq, "r1/1", "r2/1", "r3/1"))
	for _, tt := range []struct {
		name, service string
		given         given
		code          int
		words         string
	}{
		{"gone", "SequenceStats", given{"sequences": gone}, 10, "sequences: gone.fa is not there or cannot be read"},
		{"a folder", "SequenceStats", given{"sequences": t.TempDir()}, 10, "is not there or cannot be read"},
		{"empty", "SequenceStats", given{"sequences": file("e.fa", "")}, 11, "sequences: e.fa is empty"},
		{"only spaces", "SequenceStats", given{"sequences": file("e.fa", "\n \n")}, 12, "e.fa is neither FASTA"},
		{"prose", "SequenceStats", given{"sequences": file("a letter.txt", "Dear Sir\n")}, 12, "a letter.txt is neither FASTA (first character >) nor FASTQ (first character @)"},
		{"binary", "SequenceStats", given{"sequences": file("x.bin", "\x00\x01\xff\xfe\x00")}, 12, "x.bin is neither FASTA"},
		{"names only", "SequenceStats", given{"sequences": file("n.fa", ">a\n>b\n")}, 11, "n.fa has names but no sequences"},
		{"no name", "SequenceStats", given{"sequences": file("n.fa", ">a\nAC\n> \nAC\n")}, 12, "line 3: a sequence has no name"},
		{"prose in FASTA", "SequenceStats", given{"sequences": file("n.fa", ">a\nAC\n<html>&\n")}, 12, "line 3: there are characters that belong to no sequence"},
		{"cut reads", "SequenceStats", given{"sequences": file("r.fq", "@r\nACGT\n+\n")}, 12, "line 3: the file ends in the middle of a read"},
		{"short qualities", "SequenceStats", given{"sequences": file("r.fq", "@r\nACGT\n+\nIII\n")}, 12, "line 4: a read has 4 bases and 3 qualities"},
		{"no plus", "SequenceStats", given{"sequences": file("r.fq", "@r\nACGT\nIIII\n@s\n")}, 12, "line 4: after the bases of a read comes a line that begins with +"},
		{"cut gzip", "SequenceStats", given{"sequences": file("c.fa.gz", packed[:len(packed)/2])}, 16, "c.fa.gz: the file is damaged"},
		{"no gzip after all", "SequenceStats", given{"sequences": file("c.fa.gz", "\x1f\x8bgarbage")}, 16, "c.fa.gz: the file is damaged"},
		{"packed prose", "SequenceStats", given{"sequences": file("p.gz", zipped(t, strings.Repeat("Dear Sir\n", 100_000)))}, 12, "p.gz is neither FASTA"},

		{"proteins to annotate", "GenomeAnnotation", given{"contigs": file("p.faa", protein)}, 13, "contigs: p.faa has protein sequences; contigs are nucleotide sequences"},
		{"reads to annotate", "GenomeAnnotation", given{"contigs": one}, 12, "one.fq is not a FASTA file"},
		{"too short to learn from", "GenomeAnnotation", given{"contigs": file("c.fa", dna), "mode": "single"}, 15, "c.fa has 20 bases, and the mode single needs at least 20000"},

		{"contigs to assemble", "GenomeAssembly", given{"read1": file("c.fa", dna), "read2": one}, 12, "read1: c.fa is not a FASTQ file"},
		{"one read more", "GenomeAssembly", given{"read1": one, "read2": file("two.fq", fastq(seq, "r1/2", "r2/2"))}, 14, "the reads are no pairs: one.fq has 3 reads and two.fq has 2"},
		{"other reads", "GenomeAssembly", given{"read1": one, "read2": file("two.fq", fastq(seq, "r1/2", "x/2", "r3/2"))}, 14, "the names of the reads in one.fq and two.fq differ"},
		{"nothing to assemble", "GenomeAssembly", given{"read1": one, "read2": file("two.fq", fastq(seq, "r1/2", "r2/2", "r3/2")), "min_contig_length": 1000}, 21, "the assembly has no contig of 1000 bases or more"},

		{"a protein for blastn", "BLAST", given{"query": file("q.faa", protein), "subject": file("s.fa", dna)}, 13, "query: q.faa has protein sequences, and blastn needs nucleotides as query"},
		{"nucleotides for blastp", "BLAST", given{"query": file("q.faa", protein), "subject": file("s.fa", strings.Repeat(dna, 3)), "program": "blastp"}, 13, "subject: s.fa has nucleotide sequences, and blastp needs proteins as subject"},
		{"an empty subject", "BLAST", given{"query": file("q.fa", dna), "subject": file("s.fa", "")}, 11, "subject: s.fa is empty"},

		{"two leaves", "GeneTree", given{"sequences": file("t.fa", ">a\nACGT\n>b\nACGT\n")}, 15, "t.fa has 2 sequences, and a tree needs at least 3"},
		{"one name twice", "GeneTree", given{"sequences": file("t.fa", ">a 1\nACGT\n>b\nACGT\n>a 2\nACGT\n")}, 12, "two sequences are called a\n"},
		{"another molecule", "GeneTree", given{"sequences": file("t.fa", strings.Repeat(dna, 3)), "molecule": "protein"}, 13, "t.fa has nucleotide sequences, not proteins"},
	} {
		t.Run(tt.service+" "+tt.name, func(t *testing.T) {
			o := run(t, tt.service, tt.given)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.words) {
				t.Errorf("exit code %d, want %d: %s", o.code, tt.code, o.stderr)
			}
			if left := o.files(t); len(left) > 0 {
				t.Errorf("results of a failed job: %v", left)
			}
		})
	}
}
