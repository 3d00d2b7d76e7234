//go:build linux

package catalog_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// The test program is also the shim of the executor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		unix.Exit(shim.Main(os.Args[2:])) // os.Exit of the race detector takes a second
	}
	os.Exit(m.Run())
}

// No service that ships needs anything that the sandbox does not show, nor the network.
func TestShippedServicesRunInASandbox(t *testing.T) {
	if _, err := exec.LookPath("bwrap"); err != nil {
		missing(t, "needs bubblewrap: %v", err)
	}
	genome := sequence(t)
	reads := func(path string) string {
		lines := strings.SplitAfterN(unzipped(t, path), "\n", 4*2000+1)
		return strings.Join(lines[:4*2000], "")
	}
	for _, tt := range []struct {
		id      string
		params  given
		files   map[string]string // parameters that are files
		results []string
	}{
		{id: "Date", results: []string{"now"}},
		{id: "Sleep", params: given{"sleep_time": 0}},
		{id: "SequenceStats", files: map[string]string{"sequences": ">a\n" + genome + "\n"}, results: []string{"stats.tsv", "summary.txt"}},
		{id: "GenomeAssembly", files: map[string]string{"read1": reads(reads1), "read2": reads(reads2)}, results: []string{"contigs.fasta", "contigs.tsv", "stats.tsv"}},
		{id: "GenomeAnnotation", files: map[string]string{"contigs": ">a\n" + genome + "\n"}, results: []string{"genes.fna", "genes.gff", "proteins.faa", "summary.tsv"}},
		{id: "BLAST", files: map[string]string{"query": ">q\n" + genome[1000:1700] + "\n", "subject": ">a\n" + genome + "\n"}, results: []string{"alignments.txt", "hits.tsv"}},
		{
			id: "GeneTree", results: []string{"alignment.fasta", "summary.tsv", "tree.nwk"},
			files: map[string]string{"sequences": ">a\n" + genome[5000:5600] + "\n>b\n" + genome[5000:5500] + genome[100:200] + "\n>c\n" + genome[5100:5600] + genome[200:300] + "\n>d\n" + genome[5050:5650] + "\n"},
		},
	} {
		t.Run(tt.id, func(t *testing.T) {
			exit, files, said := inSandbox(t, tt.id, tt.params, tt.files)
			if exit.Code != 0 || exit.Reason != jobsv1.Reason_REASON_UNSPECIFIED {
				t.Fatalf("ended with %+v: %s", exit, said)
			}
			if d := gocmp.Diff(tt.results, files); d != "" {
				t.Error(d)
			}
		})
	}
}

// inSandbox runs a shipped service as a job in a sandbox. Its input files lie where those of jobs do.
func inSandbox(t *testing.T, id string, params given, files map[string]string) (executor.Exit, []string, string) {
	t.Helper()
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	folder := root.Job(1)
	attempt := folder.Attempt(1)
	for _, err := range []error{folder.Create(), attempt.Create(), os.MkdirAll(folder.InputPath(), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := given{}
	maps.Copy(all, params)
	for name, text := range files {
		path := filepath.Join(folder.InputPath(), name+" of the user.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all[name] = path
	}
	s, checked := service(t, id, all)
	argv, err := s.Command(catalog.Call{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := local.New(local.Config{Folders: root, Sandbox: local.Sandbox{Mode: local.SandboxRequire}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := e.Start(t.Context(), executor.Task{
		Job: &jobsv1.Job{Id: "1"}, Attempt: 1, Dir: attempt,
		Command: executor.Command{
			Argv: argv, Reads: s.Reads(), Network: s.Network(), Resources: &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 30},
			Env: append(s.Env(checked), "PATH="+os.Getenv("PATH"), "TMPDIR="+attempt.TmpPath(), "STINT_JOB_ID=1", "STINT_OUTPUT_DIR="+attempt.OutputPath(),
				"STINT_CPUS=1", "STINT_MEMORY_BYTES=1073741824", "STINT_PROGRESS="+attempt.ProgressPath()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := e.Wait(t.Context(), h, func(executor.Observation) {})
	if err != nil {
		t.Fatal(err)
	}
	results, _, err := attempt.ListResults(100)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Path)
	}
	slices.Sort(names)
	var said bytes.Buffer
	for _, stream := range []workdir.Stream{workdir.Stdout, workdir.Stderr} {
		if err := attempt.ReadLog(t.Context(), stream, workdir.LogOptions{}, func(c workdir.LogChunk) error {
			_, err := said.Write(c.Data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return exit, names, said.String()
}

// service is a shipped one with checked parameters.
func service(t *testing.T, id string, g given) (*catalog.Service, *structpb.Struct) {
	t.Helper()
	c, problems, err := catalog.Load(servicesDir, catalog.Options{})
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
	return s, checked
}
