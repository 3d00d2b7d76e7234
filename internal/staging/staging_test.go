package staging

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

const (
	alice    = "alice@example.org"
	install  = "k3x9ab"
	programs = "/usr/bin:/bin"
)

// station is an Area on real folders.
type station struct {
	*Area
	dir      string
	services string
	log      *bytes.Buffer
}

// serviceFiles are the services that tests run.
var serviceFiles = map[string]string{
	"Cat/service.yaml": `
id: Cat
label: Cat
command: [run, first, ./run]
parameters:
  - {id: read, label: Read, type: file}
  - {id: reads, label: Reads, type: file, multiple: true}
  - {id: dir, label: Folder, type: folder}
  - {id: libs, label: Libraries, type: group, multiple: true, group: [{id: read1, label: R, type: file}, {id: name, label: N, type: string}]}
  - {id: text, label: Text, type: string}
  - {id: number, label: Number, type: number}
  - {id: flag, label: Flag, type: boolean}
`,
	"Cat/run":                "#!/bin/sh\nset -eu\ncat \"$STINT_PARAM_read\" > copy\ncp \"$STINT_PARAMS\" params\n",
	"NeedsMore/service.yaml": "id: NeedsMore\nlabel: N\ncommand: [no-such-program-here]\n",
	"Spec.json":              `{"id": "Spec", "label": "S", "script": "App-Spec", "parameters": [{"id": "a-b", "type": "wstype"}, {"id": "a_b", "type": "wstype"}]}`,
	"App-Spec":               "#!/bin/sh\n",
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{dir: t.TempDir(), services: t.TempDir(), log: &bytes.Buffer{}}
	for name, text := range serviceFiles {
		file := filepath.Join(s.services, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755))
	}
	s.open(t, workspace.Options{})
	return s
}

// open makes the Area, as a server that starts does.
func (s *station) open(t *testing.T, o workspace.Options) {
	t.Helper()
	live, problems, err := catalog.Open(s.services, catalog.Options{Path: programs})
	must(t, err)
	for _, p := range problems {
		if !p.Minor {
			t.Fatal(p)
		}
	}
	files, err := workspace.Open(filepath.Join(s.dir, "workspace"), o)
	must(t, err)
	folders, err := workdir.Open(filepath.Join(s.dir, "jobs"))
	must(t, err)
	t.Cleanup(func() { must(t, files.Close(), folders.Close()) })
	s.Area, err = New(Config{
		Catalog: live, Workspace: files, Folders: folders, InstallID: install, Path: programs,
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	must(t, err)
}

func (s *station) put(t *testing.T, p, content string) {
	t.Helper()
	_, err := s.cfg.Workspace.Put(t.Context(), alice, p, strings.NewReader(content), workspace.PutOptions{Overwrite: true})
	must(t, err)
}

func (s *station) read(t *testing.T, p string) string {
	t.Helper()
	f, err := s.cfg.Workspace.Open(t.Context(), alice, p)
	must(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(t, err)
	return string(b)
}

func (s *station) list(t *testing.T, folder string) []string {
	t.Helper()
	l, err := s.cfg.Workspace.List(t.Context(), alice, folder, workspace.Page{})
	must(t, err)
	var paths []string
	for _, e := range l.Entries {
		paths = append(paths, e.GetPath())
	}
	return paths
}

func newJob(t *testing.T, service string, params map[string]any) *jobsv1.Job {
	t.Helper()
	p, err := structpb.NewStruct(params)
	must(t, err)
	return &jobsv1.Job{
		Id: "17", Owner: alice, Service: service, OutputName: "run", OutputFolder: "/home", Parameters: p,
		Resources: &jobsv1.Resources{Cpus: 2, MemoryBytes: 1 << 30},
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// wantFailure checks what a job fails with and that its user is told each of the words.
func wantFailure(t *testing.T, err error, reason jobsv1.Reason, words ...string) {
	t.Helper()
	var f *executor.Failure
	if !errors.As(err, &f) || f.Reason != reason {
		t.Fatalf("got %v, want %v", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(f.Message, w) {
			t.Fatalf("the user is told %q, which lacks %q", f.Message, w)
		}
	}
}

// onDisk are the names of everything in a folder and below, sorted.
func onDisk(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, p); name != "." {
			names = append(names, name)
		}
		return err
	}))
	slices.Sort(names)
	return names
}

// smallDisk mounts a disk of 256 kB at dir, or skips the test.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a disk of its own cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

func TestNewSaysWhatItNeeds(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Fatal("made without anything")
	}
}

func TestSearchPathHasNoRelativeEntries(t *testing.T) {
	for own, want := range map[string]string{
		"":                        "/usr/local/bin:/usr/bin:/bin",
		"/opt/x:.::bin:/bin:/opt": "/opt/x:/bin:/opt:/usr/local/bin:/usr/bin",
	} {
		if got := searchPath(own); got != want {
			t.Errorf("searchPath(%q) = %q, want %q", own, got, want)
		}
	}
}
