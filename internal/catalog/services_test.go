// Longer than most files: one story a service, read beside its script.

package catalog_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/catalog"
)

func TestShippedServicesAreDescribedRight(t *testing.T) {
	c, problems, err := catalog.Load(servicesDir, catalog.Options{Path: "/nowhere"})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	got := map[string]string{}
	for _, s := range c.List() {
		var ids []string
		for _, p := range s.GetParameters() {
			ids = append(ids, p.GetId())
			if p.GetLabel() == p.GetId() || p.GetDescription() == "" {
				t.Errorf("%s.%s has no label or description for people", s.GetId(), p.GetId())
			}
		}
		got[s.GetId()] = strings.Join(ids, " ") + "; " + s.GetUnavailableReason()
		if s.GetDescription() == "" || s.GetCategory() == "" || s.GetDefaultResources().GetCpus() == 0 || s.GetDefaultResources().GetMemoryBytes() == 0 {
			t.Errorf("%s lacks a description, a category or resources", s.GetId())
		}
	}
	// Scripts outside this repository rely on these names.
	want := map[string]string{
		"SequenceStats":    "sequences; ",
		"GenomeAssembly":   "read1 read2 min_contig_length preset; needs megahit: apt-get install megahit",
		"GenomeAnnotation": "contigs genetic_code mode; needs prodigal: apt-get install prodigal",
		"GeneTree":         "sequences molecule; needs mafft, FastTree: apt-get install mafft fasttree",
		"BLAST":            "query subject program evalue max_targets; needs blastn, makeblastdb, blast_formatter: apt-get install ncbi-blast+",
		"Sleep":            "sleep_time; ",
		"Date":             "; ",
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheExampleOfTheREADMEWorks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(servicesDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folder := filepath.Join(dir, "ReverseComplement")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for block, name := range map[string]string{"```yaml\n": "service.yaml", "```sh\n": "run"} {
		_, rest, ok := strings.Cut(string(text), block)
		body, _, closed := strings.Cut(rest, "```")
		if !ok || !closed {
			t.Fatalf("no %s", block)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in := input(t, "genome.fasta", ">a x\nACCG\nTN\n>b\naat\n")
	o := runFrom(t, dir, "ReverseComplement", given{"sequences": in})
	if d := gocmp.Diff(">a_rc\nNACGGT\n>b_rc\nATT\n", o.read(t, "reverse.fasta")); d != "" || o.code != 0 {
		t.Error(d, o.stderr)
	}
	if o := runFrom(t, dir, "ReverseComplement", given{"sequences": input(t, "empty", "")}); o.code != 11 {
		t.Error(o.code)
	}
}

func TestDateWritesNow(t *testing.T) {
	o := completes(t, "Date", nil)
	if d := gocmp.Diff([]string{"now"}, o.files(t)); d != "" {
		t.Error(d)
	}
	if now := o.read(t, "now"); !regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$`).MatchString(now) {
		t.Errorf("%q", now)
	}
}

func TestSleepTellsHowFarItIs(t *testing.T) {
	o := completes(t, "Sleep", given{"sleep_time": 1})
	if d := gocmp.Diff([]string{"0 slept 0 of 1 s", "100 slept 1 s"}, o.progress); d != "" {
		t.Error(d)
	}
	completes(t, "Sleep", given{"sleep_time": 0})
}

// figures computes what SequenceStats must say, in another way.
func figures(seqs []string) map[string]string {
	var lengths []int
	total, gc := 0, 0
	for _, s := range seqs {
		lengths = append(lengths, len(s))
		total += len(s)
		for _, c := range strings.ToUpper(s) {
			if c == 'G' || c == 'C' {
				gc++
			}
		}
	}
	slices.SortFunc(lengths, func(a, b int) int { return cmp.Compare(b, a) })
	n50, sum := 0, 0
	for _, l := range lengths {
		if sum += l; 2*sum >= total {
			n50 = l
			break
		}
	}
	return map[string]string{
		"statistic":    "value",
		"kind":         "nucleotide",
		"sequences":    strconv.Itoa(len(seqs)),
		"total_length": strconv.Itoa(total),
		"min_length":   strconv.Itoa(lengths[len(lengths)-1]),
		"max_length":   strconv.Itoa(lengths[0]),
		"mean_length":  fmt.Sprintf("%.2f", float64(total)/float64(len(seqs))),
		"N50":          strconv.Itoa(n50),
		"GC_percent":   fmt.Sprintf("%.2f", 100*float64(gc)/float64(total)),
	}
}

func TestSequenceStatsOfTheGenomeAndItsReads(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(unzipped(t, reads1)), "\n")
	var reads []string
	for i := 1; i < len(lines); i += 4 {
		reads = append(reads, lines[i])
	}
	want := figures(reads)
	want["format"] = "fastq"
	if want["sequences"] != "10000" || want["total_length"] != "1088399" {
		t.Fatal("these are not the reads of bowtie2-examples", want)
	}
	got := completes(t, "SequenceStats", given{"sequences": reads1}).statistics(t, "stats.tsv")
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	o := completes(t, "SequenceStats", given{"sequences": lambda})
	got = o.statistics(t, "stats.tsv")
	for k, want := range map[string]string{"format": "fasta", "sequences": "1", "total_length": "48502", "N50": "48502", "GC_percent": "49.86"} {
		if got[k] != want {
			t.Errorf("%s is %s, want %s", k, got[k], want)
		}
	}
	if !strings.Contains(o.read(t, "summary.txt"), "GC percent               49.86\n") {
		t.Error(o.read(t, "summary.txt"))
	}
}

func TestSequenceStatsReadsFilesAsTheyCome(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var seqs []string
	var fasta strings.Builder
	for i := range 200 {
		seq := make([]byte, 1+r.IntN(300))
		for j := range seq {
			seq[j] = "ACGTacgtN"[r.IntN(9)]
		}
		seqs = append(seqs, string(seq))
		fmt.Fprintf(&fasta, ">seq %d GGGG\r\n", i)
		for chunk := range slices.Chunk(seq, 60) {
			fmt.Fprintf(&fasta, "%s\r\n\r\n", chunk)
		}
	}
	want := figures(seqs)
	want["format"] = "fasta"
	long := strings.Repeat("ACGTTGCAAC", 100_000)
	for name, tt := range map[string]struct {
		text string
		want map[string]string
	}{
		"Windows lines, empty lines, mixed case.fa": {fasta.String(), want},
		"packed\u00e9.gz":      {zipped(t, fasta.String()), want},
		"a=b one line.fa":      {">x\n" + long, map[string]string{"total_length": "1000000", "GC_percent": "50.00"}},
		"a very long name.fa":  {">" + strings.Repeat("GC ", 10_000) + "\nAT\n", map[string]string{"total_length": "2", "GC_percent": "0.00"}},
		"protein.faa":          {">p\nMKVLAAGIVGLLLAQWERTYP*\n", map[string]string{"kind": "protein", "GC_percent": "NA", "total_length": "22"}},
		"aligned.fa":           {">a\nAC--GT\n>b\nA.C\n", map[string]string{"total_length": "6", "max_length": "4"}},
		"reads with blanks.fq": {"@r\nACGT\n+r\nIIII\n\n\n", map[string]string{"sequences": "1", "total_length": "4"}},
		"Windows reads.fq":     {"@r\r\nACGT\r\n+\r\nIIII\r\n", map[string]string{"sequences": "1", "total_length": "4"}},
		"quality like a name":  {"@r\nACGT\n+\n@@@@\n@s\nAC\n+\n>+\n", map[string]string{"sequences": "2", "total_length": "6"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := completes(t, "SequenceStats", given{"sequences": input(t, name, tt.text)}).statistics(t, "stats.tsv")
			for k, want := range tt.want {
				if got[k] != want {
					t.Errorf("%s is %s, want %s", k, got[k], want)
				}
			}
		})
	}
}

// The assembly and the annotation of the demo, one after the other, as a user would. The
// figures are those of MEGAHIT 1.2.9 and Prodigal 2.6.3. The reads are simulated with errors from a
// changed genome, so that the assembly has more and shorter genes than the phage.
func TestGenomeAssemblyAndAnnotationOfThePhage(t *testing.T) {
	asm := completes(t, "GenomeAssembly", given{"read1": example(t, reads1), "read2": reads2})
	if d := gocmp.Diff([]string{"contigs.fasta", "contigs.tsv", "stats.tsv"}, asm.files(t)); d != "" {
		t.Error(d)
	}
	stats := asm.statistics(t, "stats.tsv")
	for k, want := range map[string]string{"read_pairs": "10000", "read_bases": "2178385", "contigs": "1", "total_length": "48312", "N50": "48312"} {
		if stats[k] != want {
			t.Errorf("%s is %s, want %s", k, stats[k], want)
		}
	}
	contigs := asm.read(t, "contigs.fasta")
	if !strings.HasPrefix(contigs, ">contig_1 length=48312 depth=") || strings.Count(contigs, ">") != 1 {
		t.Errorf("%.100q", contigs)
	}
	if len(asm.progress) < 8 {
		t.Errorf("progress %q", asm.progress)
	}

	ann := completes(t, "GenomeAnnotation", given{"contigs": filepath.Join(asm.dir, "contigs.fasta")})
	checkAnnotation(t, ann, map[string]string{"contigs": "1", "total_length": "48312", "coding_sequences": "75", "mode": "meta", "genetic_code": "11"})
}

func TestGenomeAnnotationOfThePhage(t *testing.T) {
	meta := completes(t, "GenomeAnnotation", given{"contigs": example(t, lambda), "mode": "meta"})
	checkAnnotation(t, meta, map[string]string{"coding_sequences": "62", "total_length": "48502", "GC_percent": "49.86", "mode": "meta"})
	single := completes(t, "GenomeAnnotation", given{"contigs": lambda, "mode": "single", "genetic_code": 11})
	checkAnnotation(t, single, map[string]string{"coding_sequences": "61", "mode": "single"})
}

// checkAnnotation holds the summary against what is expected and the files against the summary.
func checkAnnotation(t *testing.T, o outcome, want map[string]string) {
	t.Helper()
	if d := gocmp.Diff([]string{"genes.fna", "genes.gff", "proteins.faa", "summary.tsv"}, o.files(t)); d != "" {
		t.Error(d)
	}
	got := o.statistics(t, "summary.tsv")
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s is %s, want %s", k, got[k], w)
		}
	}
	for name, mark := range map[string]string{"genes.gff": "\tCDS\t", "proteins.faa": ">", "genes.fna": ">"} {
		if n := strings.Count(o.read(t, name), mark); strconv.Itoa(n) != got["coding_sequences"] {
			t.Errorf("%s has %d genes, and the summary %s", name, n, got["coding_sequences"])
		}
	}
	if !strings.HasPrefix(o.read(t, "genes.gff"), "##gff-version  3\n") {
		t.Error("genes.gff is no GFF3")
	}
}

// sequence is the phage's genome.
func sequence(t *testing.T) string {
	t.Helper()
	_, body, _ := strings.Cut(unzipped(t, lambda), "\n")
	return strings.ReplaceAll(body, "\n", "")
}

func TestBLASTFindsAPieceInItsGenome(t *testing.T) {
	genome := sequence(t)
	piece := input(t, "a piece.fa", ">piece of lambda\n"+genome[1000:1700]+"\n>short\n"+genome[30000:30021]+"\n")
	o := completes(t, "BLAST", given{"query": piece, "subject": lambda, "evalue": 1e-30})
	if d := gocmp.Diff([]string{"alignments.txt", "hits.tsv"}, o.files(t)); d != "" {
		t.Error(d)
	}
	rows := table(t, o.read(t, "hits.tsv"))
	if len(rows) != 1 {
		t.Fatal(rows)
	}
	for k, want := range map[string]string{
		"query": "piece", "identity_percent": "100.000", "alignment_length": "700", "mismatches": "0", "gap_openings": "0",
		"query_start": "1", "query_end": "700", "subject_start": "1001", "subject_end": "1700", "subject_length": "48502", "query_coverage_percent": "100",
	} {
		if rows[0][k] != want {
			t.Errorf("%s is %s, want %s", k, rows[0][k], want)
		}
	}
	if text := o.read(t, "alignments.txt"); !strings.Contains(text, "Identities = 700/700 (100%)") {
		t.Errorf("%.2000s", text)
	}
	if !strings.Contains(o.stdout, "1 hits; 1 of 2 queries were found") {
		t.Error(o.stdout)
	}

	// A short query alone is searched as one, and what is nowhere is not found.
	short := input(t, "short.fa", ">short\n"+genome[30000:30021]+"\n")
	o = completes(t, "BLAST", given{"query": short, "subject": lambda, "evalue": 0.01})
	if rows := table(t, o.read(t, "hits.tsv")); len(rows) != 1 || rows[0]["subject_start"] != "30001" {
		t.Error(rows)
	}
	nowhere := input(t, "nowhere.fa", ">n\n"+strings.Repeat("AT", 60)+"\n")
	o = completes(t, "BLAST", given{"query": nowhere, "subject": lambda})
	if rows := table(t, o.read(t, "hits.tsv")); len(rows) != 0 {
		t.Error(rows)
	}
}

// The head protein E of lambda (gpE), as the genome codes for it.
const headProtein = "MSMYTTAQLLAANEQKFKFDPLFLRLFFRESYPFTTEKVYLSQIPGLVNMALYVSPIVSGEVIRSRGGSTSEFTPGYVKPKHEVNPQMTLRRLPDEDPQNLADPAYRRRRIIMQNMRDEELAIAQVEEMQAVSAVLKGKYTMTGEAFDPVEVDMGRSEENNITQSGGTEWSKRDKSTYDPTDDIEAYALNASGVVNIIVFDPKGWALFRSFKAVKEKLDTRRGSNSELETAVKDLGKAVSYKGMYGDVAIVVYSGQYVENGVKKNFLPDNTMVLGNTQARGLRTYGCIQDADAQREGINASARYPKNWVTTGDPAREFTMIQSAPLMLLADPDEFVSVQLA"

func TestBLASTComparesProteinsToo(t *testing.T) {
	example(t, lambda)
	protein := input(t, "E.faa", ">gpE\n"+headProtein+"\n")
	for program, subject := range map[string]string{"blastp": protein, "tblastn": lambda} {
		o := completes(t, "BLAST", given{"query": protein, "subject": subject, "program": program, "max_targets": 1})
		rows := table(t, o.read(t, "hits.tsv"))
		if len(rows) == 0 || rows[0]["identity_percent"] != "100.000" || rows[0]["alignment_length"] != strconv.Itoa(len(headProtein)) {
			t.Errorf("%s: %v", program, rows)
		}
	}
	o := completes(t, "BLAST", given{"query": lambda, "subject": protein, "program": "blastx"})
	if rows := table(t, o.read(t, "hits.tsv")); len(rows) == 0 || rows[0]["identity_percent"] != "100.000" {
		t.Error("blastx", rows)
	}
}

// table reads a TSV file with a header.
func table(t *testing.T, text string) []map[string]string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	header := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		if len(cells) != len(header) {
			t.Fatalf("%d cells under %d headings: %q", len(cells), len(header), line)
		}
		row := map[string]string{}
		for i, c := range cells {
			row[header[i]] = c
		}
		rows = append(rows, row)
	}
	return rows
}

// mutate changes one letter in every so many.
func mutate(r *rand.Rand, seq, letters string, every int) string {
	b := []byte(seq)
	for i := range b {
		if r.IntN(every) == 0 {
			b[i] = letters[r.IntN(len(letters))]
		}
	}
	return string(b)
}

func TestGeneTreeGroupsWhatIsRelated(t *testing.T) {
	genome := sequence(t)[5000:5900]
	for _, tt := range []struct{ molecule, seq, letters string }{
		{"dna", genome, "ACGT"},
		{"protein", headProtein, "ACDEFGHIKLMNPQRSTVWY"},
	} {
		t.Run(tt.molecule, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 11))
			// Two families; each has an ancestor of its own and three children near it.
			var fasta strings.Builder
			names := map[string][]string{"a": {"a:1(x)", "a,2", "a'3"}, "b": {"b1", "b[4]", "b;5"}}
			for _, family := range []string{"a", "b"} {
				ancestor := mutate(r, tt.seq, tt.letters, 5)
				for _, name := range names[family] {
					child := mutate(r, ancestor, tt.letters, 40)
					fmt.Fprintf(&fasta, ">%s of family %s\n%s\n", name, family, child)
				}
			}
			in := input(t, "genes.fa", fasta.String())
			o := completes(t, "GeneTree", given{"sequences": in})
			if d := gocmp.Diff([]string{"alignment.fasta", "summary.tsv", "tree.nwk"}, o.files(t)); d != "" {
				t.Error(d)
			}
			tree := o.read(t, "tree.nwk")
			leaves, clades := newick(t, tree)
			want := append(slices.Clone(names["a"]), names["b"]...)
			slices.Sort(want)
			if d := gocmp.Diff(want, leaves); d != "" {
				t.Error(d)
			}
			slices.Sort(names["a"])
			slices.Sort(names["b"])
			if !slices.Contains(clades, strings.Join(names["a"], " ")) && !slices.Contains(clades, strings.Join(names["b"], " ")) {
				t.Errorf("the families are not apart: %s", tree)
			}
			alignment := o.read(t, "alignment.fasta")
			for _, name := range names["a"] {
				if !strings.Contains(alignment, ">"+name+" of family a\n") {
					t.Errorf("%s is not in the alignment", name)
				}
			}
			summary := o.statistics(t, "summary.tsv")
			if summary["sequences"] != "6" || summary["molecule"] != tt.molecule || summary["alignment_columns"] != strconv.Itoa(len(tt.seq)) {
				t.Error(summary)
			}
			again := completes(t, "GeneTree", given{"sequences": in, "molecule": tt.molecule})
			if d := gocmp.Diff(tree, again.read(t, "tree.nwk")); d != "" {
				t.Error("another tree the second time", d)
			}
		})
	}
}

// newick reads the names of a tree's leaves, sorted, and the leaves below each
// inner node, sorted and joined.
func newick(t *testing.T, tree string) (leaves, clades []string) {
	t.Helper()
	var open []int
	token := regexp.MustCompile(`[(,]|\)[0-9.]*|'(?:[^']|'')*'|:[0-9.eE-]+|;\s*$|[^(),:;'\s]+`)
	for _, w := range token.FindAllString(tree, -1) {
		switch {
		case w == "(":
			open = append(open, len(leaves))
		case w[0] == ')':
			clade := slices.Sorted(slices.Values(leaves[open[len(open)-1]:]))
			clades = append(clades, strings.Join(clade, " "))
			open = open[:len(open)-1]
		case w == "," || w[0] == ':' || w[0] == ';':
		case w[0] == '\'':
			leaves = append(leaves, strings.ReplaceAll(w[1:len(w)-1], "''", "'"))
		default:
			leaves = append(leaves, w)
		}
	}
	if len(open) > 0 || !strings.HasSuffix(tree, ";\n") {
		t.Errorf("no tree in Newick format: %s", tree)
	}
	slices.Sort(leaves)
	return leaves, clades
}
