package catalog_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/stint-jobs/stint/internal/catalog"
)

// The services that ship, run for real on real input: the lambda phage genome and
// the reads of it that come with Debian's bowtie2-examples.
const (
	servicesDir = "../../services"
	examples    = "/usr/share/doc/bowtie2/examples"
	lambda      = examples + "/reference/lambda_virus.fa.gz"
	reads1      = examples + "/reads/reads_1.fq.gz"
	reads2      = examples + "/reads/reads_2.fq.gz"
)

// missing skips a test for what is not installed, unless the programs are required.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "programs") {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// given are parameters of a job; files are paths of this machine.
type given map[string]any

// outcome is what a run left.
type outcome struct {
	dir            string // STINT_OUTPUT_DIR
	tmp            string // TMPDIR
	stdout, stderr string
	progress       []string
	code           int
}

// run runs a shipped service the way a job does: checked parameters, its command line, and an
// environment with nothing in it but what a job gets.
func run(t *testing.T, id string, g given) outcome {
	t.Helper()
	return runFrom(t, servicesDir, id, g)
}

func runFrom(t *testing.T, dir, id string, g given) outcome {
	t.Helper()
	c, problems, err := catalog.Load(dir, catalog.Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	s, err := c.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := s.Available(); !ok {
		missing(t, "%s: %s", id, why)
	}
	p, err := structpb.NewStruct(g)
	if err != nil {
		t.Fatal(err)
	}
	checked, violations := s.Check(p, nil)
	if len(violations) > 0 {
		t.Fatal(violations)
	}
	argv, err := s.Command(catalog.Call{})
	if err != nil {
		t.Fatal(err)
	}
	job := filepath.Join(t.TempDir(), "a job, with spaces")
	o := outcome{dir: filepath.Join(job, "output"), tmp: filepath.Join(job, "tmp")}
	for _, d := range []string{o.dir, o.tmp} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	progress := filepath.Join(job, "progress")
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = o.dir, &stdout, &stderr
	cmd.Env = append(s.Env(checked), "PATH="+os.Getenv("PATH"), "TMPDIR="+o.tmp, "STINT_JOB_ID=1", "STINT_OUTPUT_DIR="+o.dir,
		"STINT_CPUS=1", "STINT_MEMORY_BYTES=1073741824", "STINT_PROGRESS="+progress)
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	o.stdout, o.stderr, o.code = stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	if text, err := os.ReadFile(progress); err == nil {
		o.progress = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	if left, err := os.ReadDir(o.tmp); err != nil || len(left) > 0 {
		t.Errorf("%s left %v in its temporary folder, %v", id, left, err)
	}
	return o
}

// completes runs a service that must end well and say how far it is on the way.
func completes(t *testing.T, id string, g given) outcome {
	t.Helper()
	o := run(t, id, g)
	if o.code != 0 {
		t.Fatalf("%s ended with %d: %s%s", id, o.code, o.stdout, o.stderr)
	}
	last := -1
	for _, line := range o.progress {
		number, words, _ := strings.Cut(line, " ")
		percent, err := strconv.Atoi(number)
		if err != nil || percent < last || percent > 100 || words == "" {
			t.Errorf("%s: progress %q after %d", id, line, last)
		}
		last = percent
	}
	if last != 100 {
		t.Errorf("%s: the last progress is %d", id, last)
	}
	return o
}

func (o outcome) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files are the names of the results.
func (o outcome) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// statistics reads a table of statistics and values.
func (o outcome) statistics(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(o.read(t, name)), "\n") {
		k, v, ok := strings.Cut(line, "\t")
		if !ok || i == 0 && line != "statistic\tvalue" {
			t.Errorf("%s: line %q", name, line)
		}
		out[k] = v
	}
	return out
}

// example is the path of a file of Debian's bowtie2-examples.
func example(t *testing.T, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, "needs bowtie2-examples: %v", err)
	}
	return path
}

func unzipped(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(example(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// input writes a file whose name a careless script would trip over.
func input(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "-in put, $(x)", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
