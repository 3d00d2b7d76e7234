package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mated makes read pairs of a piece of lambda whose names are those of the patterns, in which N is the number of the pair.
func mated(t *testing.T, first, second string) given {
	t.Helper()
	genome := sequence(t)[:3000]
	var one, two strings.Builder
	n := 0
	for at := 0; at+300 <= len(genome); at += 25 {
		n++
		name := func(pattern string) string { return strings.ReplaceAll(pattern, "N", strconv.Itoa(n)) }
		one.WriteString(fastq(genome[at:at+100], name(first)))
		two.WriteString(fastq(complement(genome[at+200:at+300]), name(second)))
	}
	return given{"read1": input(t, "one.fq", one.String()), "read2": input(t, "two.fq", two.String())}
}

func complement(seq string) string {
	b := []byte(strings.NewReplacer("A", "T", "C", "G", "G", "C", "T", "A").Replace(seq))
	slices.Reverse(b)
	return string(b)
}

func TestMatesByAnyCommonNaming(t *testing.T) {
	for _, names := range [][2]string{
		{"SRR1.N.1", "SRR1.N.2"},
		{"SRR1.N.1 N length=100", "SRR1.N.2 N length=100"},
		{"rN_1", "rN_2"},
		{"rN_R1", "rN_R2"},
		{"rN/R1", "rN/R2"},
		{"rN:1", "rN:2"},
		{"rN#ACGT/1", "rN#ACGT/2"},
		{"E1L1C1RN/1", "E1L1C1RN/2"},
		{"M1:2:A:1:1:N 1:N:0:AC", "M1:2:A:1:1:N 2:N:0:AC"},
		{"rN.f", "rN.r"},
		{"rN_F3", "rN_R3"},
		{"rN-fwd", "rN-rev"},
		{"rN.forward", "rN.reverse"},
		{"rN|1", "rN|2"},
		{"rN_read1", "rN_read2"},
		{"rN/2", "rN/1"},
		{"same.N", "same.N"},
	} {
		t.Run(strings.ReplaceAll(names[0], "/", "%"), func(t *testing.T) {
			if o := completes(t, "GenomeAssembly", mated(t, names[0], names[1])); !strings.Contains(o.read(t, "contigs.fasta"), ">contig_1 ") {
				t.Error("there is no contig")
			}
		})
	}
	for _, names := range [][2]string{{"rN", "sN"}, {"r1N", "r2N"}, {"1", "2"}, {"r.N1", "r.N2"}, {"r.N.1", "r.N0.2"}, {"r.N.1", "r.N.3"}, {"r.N_1", "r.N.2"}} {
		t.Run("not "+names[0]+" "+names[1], func(t *testing.T) {
			if o := run(t, "GenomeAssembly", mated(t, names[0], names[1])); o.code != 14 || !strings.Contains(o.stderr, "the names of the reads in one.fq and two.fq differ: "+strings.ReplaceAll(names[0], "N", "1")+" and ") {
				t.Errorf("exit code %d: %s", o.code, o.stderr)
			}
		})
	}
}

// What the user said the molecule is, it is, unless it cannot be.
func TestAGuessDoesNotOverruleTheUser(t *testing.T) {
	genome := sequence(t)
	site := "AGAGTTTGATCATGGCTCAG" // what the primers below fit
	dna := input(t, "s.fa", ">s\n"+genome[:400]+site+genome[400:800]+"\n")
	for name, query := range map[string]string{
		"27F":             "AGRGTTYGATYMTGGCTCAG",
		"only degenerate": "AGRKTTNGATNMTGGCTCAG",
		"small letters":   "agrgttygatymtggctcag",
		"RNA":             "AGAGUUUGAUCAUGGCUCAG",
	} {
		q := input(t, "q.fa", ">q\n"+query+"\n")
		if o := run(t, "BLAST", given{"query": q, "subject": dna, "evalue": 1000}); o.code != 0 {
			t.Errorf("%s: exit code %d: %s", name, o.code, o.stderr)
		}
	}
	peptides := input(t, "p.faa", ">silk\nGAGAGSGAGAGSGAGAGYGA\n>antifreeze\nDTASDAAAAAALTAANAKAAAELTAANAAAAAAATAR\n")
	poly := input(t, "q.faa", ">gly\nGGGAAAGGGAAAGGGAAATT\n")
	if o := run(t, "BLAST", given{"query": poly, "subject": peptides, "program": "blastp", "evalue": 1000}); o.code != 0 || !strings.Contains(o.stderr, "query: q.faa looks like nucleotide sequences, and is taken for proteins as asked") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	// IUPAC letters in an alignment of DNA that is said to be DNA, and guessed as such.
	tree := input(t, "t.fa", ">a\nACRYSWKMBDHVNACGTTGCA\n>b\nACRYSWKMBDHVNACGTTGGA\n>c\nACGYSWKMBDHVNACGATGGA\n")
	for _, molecule := range []string{"dna", "auto"} {
		if o := run(t, "GeneTree", given{"sequences": tree, "molecule": molecule}); o.code != 0 || o.statistics(t, "summary.tsv")["molecule"] != "dna" {
			t.Errorf("%s: exit code %d: %s", molecule, o.code, o.stderr)
		}
	}
	if o := run(t, "GeneTree", given{"sequences": input(t, "p.faa", strings.Repeat(">a\nMKVLAAGIVGLLLAQWERTYP\n", 3)), "molecule": "dna"}); o.code != 13 {
		t.Errorf("proteins for DNA: exit code %d: %s", o.code, o.stderr)
	}
}

func TestNamesAreAsTheyWereGiven(t *testing.T) {
	genome := sequence(t)
	names := []string{"Café_é", "Cafe_e", "NC_001416.1", "gi|9626243|ref|NC_001416.1|", "lcl|x", "a,b;c", "stints2", "日本", "x:1-5"}
	var subjects strings.Builder
	for i, n := range names {
		fmt.Fprintf(&subjects, ">%s of phage %d\n%s\n", n, i, genome[1000*i:1000*i+700])
	}
	for i, n := range names {
		q := input(t, "q.fa", fmt.Sprintf(">%s in question\n%s\n", n, genome[1000*i+100:1000*i+400]))
		o := completes(t, "BLAST", given{"query": q, "subject": input(t, "s.fa", subjects.String()), "evalue": 1e-30})
		rows := table(t, o.read(t, "hits.tsv"))
		if len(rows) != 1 || rows[0]["query"] != n || rows[0]["subject"] != n {
			t.Errorf("%s: %v", n, rows)
		}
		text := o.read(t, "alignments.txt")
		for _, want := range []string{"Query= " + n + " in question\n", fmt.Sprintf("\n> %s of phage %d\n", n, i), "\n" + n + " "} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in the report:\n%.1500s", want, text)
			}
		}
	}
	// Of a tree.
	var leaves strings.Builder
	given4 := []string{"NC_001416.1", "Café_é", "it's", "a b"}
	for i, n := range given4 {
		fmt.Fprintf(&leaves, ">%s\n%s\n", strings.Fields(n)[0], genome[i:200+i])
	}
	o := completes(t, "GeneTree", given{"sequences": input(t, "t.fa", leaves.String())})
	tree := o.read(t, "tree.nwk")
	for _, want := range []string{"NC_001416.1:", "Café_é:", "'it''s':"} {
		if !strings.Contains(tree, want) {
			t.Errorf("%q is not in %s", want, tree)
		}
	}
}

func TestANameWithoutLettersIsNoLeaf(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": ">a\nACGTACGT\n>b\n>c\nACGAACGT\n>d\nACGAACGA\n", "at the end": ">a\nACGTACGT\n>c\nACGAACGT\n>d\nACGAACGA\n>b\n",
		"only gaps": ">a\nACGTACGT\n>b\n----\n>c\nACGAACGT\n>d\nACGAACGA\n",
	} {
		o := run(t, "GeneTree", given{"sequences": input(t, "t.fa", text)})
		if o.code != 12 || !strings.Contains(o.stderr, "the sequence b has no letters") {
			t.Errorf("%s: exit code %d: %s", name, o.code, o.stderr)
		}
	}
}

// packedBy is a text compressed by a program, or a skip.
func packedBy(t *testing.T, program, text string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-c")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		missing(t, "%s: %v", program, err)
	}
	return string(out)
}

func TestFilesOfOtherSystemsAreRead(t *testing.T) {
	const fasta = ">a\nACGT\n>b\nAC\n"
	wrapped := "@r 1\nACGT\nACGT\nAC\n+r\n@III\n+III\nII\n@s\nACG\n+\n@@@\n"
	for name, tt := range map[string]struct {
		text string
		want string // how many sequences
	}{
		"bytes behind the gzip":         {zipped(t, fasta) + "garbage", "2"},
		"gzip of two members and bytes": {zipped(t, ">a\nACGT\n") + zipped(t, ">b\nAC\n") + "\x01\x02", "2"},
		"a mark in front":               {"\ufeff" + fasta, "2"},
		"a mark in front, packed":       {zipped(t, "\ufeff"+fasta), "2"},
		"a mark in front of reads":      {"\ufeff@r\nACGT\n+\nIIII\n", "1"},
		"xz":                            {packedBy(t, "xz", fasta), "2"},
		"bzip2":                         {packedBy(t, "bzip2", fasta), "2"},
		"wrapped reads":                 {wrapped, "2"},
		"wrapped reads, packed":         {zipped(t, wrapped), "2"},
		"wrapped Windows reads":         {strings.ReplaceAll(wrapped, "\n", "\r\n"), "2"},
		"reads of no bases":             {"@r\n\n+\n\n@s\nAC\n+\nII\n", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			o := completes(t, "SequenceStats", given{"sequences": input(t, "in", tt.text)})
			if got := o.statistics(t, "stats.tsv")["sequences"]; got != tt.want {
				t.Errorf("%s sequences, want %s", got, tt.want)
			}
		})
	}
	pairs := mated(t, "rN/1", "rN/2")
	for i, program := range []string{"xz", "bzip2"} {
		key := []string{"read1", "read2"}[i]
		plain, _ := pairs[key].(string)
		b, err := os.ReadFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		pairs[key] = input(t, key+"."+program, packedBy(t, program, string(b)))
	}
	completes(t, "GenomeAssembly", pairs)
}

func TestAFileIsSaidToBeWhatItIs(t *testing.T) {
	tar := func(name string) string {
		var b bytes.Buffer
		b.WriteString(name + strings.Repeat("\x00", 257-len(name)) + "ustar  \x00" + strings.Repeat("\x00", 300))
		return b.String()
	}
	for name, tt := range map[string]struct{ text, words string }{
		"zip":        {"PK\x03\x04\x14\x00", "it is a zip archive"},
		"7z":         {"7z\xbc\xaf\x27\x1c", "it is a 7z archive"},
		"tar":        {tar("a.fa"), "it is a tar archive. Unpack it and give the file in it."},
		"tar.gz":     {zipped(t, tar("reads/a.fq")), "it is a tar archive"},
		"tar.bz2":    {packedBy(t, "bzip2", tar("a.fa")), "it is a tar archive"},
		"twice":      {zipped(t, zipped(t, ">a\nAC\n")), "it is compressed twice"},
		"PDF":        {"%PDF-1.4\n", "it is a PDF"},
		"BAM":        {zipped(t, "BAM\x01xxxx"), "it is a BAM file of alignments"},
		"SAM":        {"@HD\tVN:1.6\n@SQ\tSN:x\tLN:5\n", "it is a SAM file of alignments"},
		"SRA":        {"NCBI.sra\x05", "it is a file of the SRA"},
		"UTF-16":     {"\xff\xfe>\x00a\x00", "it is text in UTF-16"},
		"a web page": {"<!DOCTYPE html>\n<html>", "it is a web page"},
		"GenBank":    {"LOCUS       NC_001416\n", "it is a GenBank file"},
		"GFF":        {"##gff-version 3\n", "it is a GFF file"},
		"Clustal":    {"CLUSTAL W (1.8)\n", "it is a Clustal alignment"},
		"NEXUS":      {"#NEXUS\nbegin data;\n", "it is a NEXUS file"},
		"no name":    {"ACGTACGTACGTAA\nACGTAC\n", "it seems to be a sequence without a name"},
		"binary":     {"\x00\x01\x02", "it is no text"},
		"prose":      {"Dear Sir,\nwe\n", "it begins like neither"},
	} {
		t.Run(name, func(t *testing.T) {
			for service, parameter := range map[string]string{"SequenceStats": "sequences", "GeneTree": "sequences"} {
				o := run(t, service, given{parameter: input(t, "x", tt.text)})
				if o.code != 12 || !strings.Contains(strings.ToLower(o.stderr), strings.ToLower(tt.words)) || !strings.Contains(o.stderr, parameter+": x is") {
					t.Errorf("%s: exit code %d: %s", service, o.code, o.stderr)
				}
			}
		})
	}
	// A program that is not there is named, with the way out.
	o := runWithout(t, "xz", "SequenceStats", given{"sequences": input(t, "in.xz", "\xfd7zXZ\x00")})
	if o.code != 69 || !strings.Contains(o.stderr, "in.xz is compressed by xz, which is not installed here. Unpack it, or compress it by gzip.") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// runWithout runs a service with a PATH on which one program is missing.
func runWithout(t *testing.T, program, id string, g given) outcome {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"/usr/bin", "/bin"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != program {
				_ = os.Symlink(filepath.Join(folder, e.Name()), filepath.Join(dir, e.Name())) // in both folders mostly
			}
		}
	}
	t.Setenv("PATH", dir)
	return run(t, id, g)
}
