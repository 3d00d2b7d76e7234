package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree lists the files below dir with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		found[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestResultsOfAHostileServerStayInTheFolder(t *testing.T) {
	f := startFake(t)
	base := t.TempDir()
	t.Chdir(base)
	id := submitted(t, f, "Sleep")
	f.update(id, func(j *fakeJob) {
		for _, p := range []string{
			"good.txt", "sub/deep/good.txt", "../up", "/etc/absolute", "sub/../../up", "", ".", "sub//double", "trailing/",
			"ctrl\x1b[2J", "link/through", "over\u202ewrite", strings.Repeat("x", 300), "good.txt",
		} {
			j.results = append(j.results, fakeResult{p, "content of " + p})
		}
	})
	if err := os.MkdirAll("out", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join("out", "link")); err != nil {
		t.Fatal(err)
	}
	r := stint(f, "results", "get", id, "--all", "--dir", "out").want(t, exitFailed)
	wantIn(t, r.out, "2 files in out")
	wantIn(t, r.err, "12 files could not be brought", `unsafe file name`, "is there already")
	if strings.ContainsFunc(strings.ReplaceAll(r.err, "\n", ""), unsafe) {
		t.Errorf("unsafe: %q", r.err)
	}
	if err := os.Remove(filepath.Join("out", "link")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"out/good.txt": "content of good.txt", "out/sub/deep/good.txt": "content of sub/deep/good.txt"}
	if diff := cmp.Diff(want, tree(t, base)); diff != "" {
		t.Error(diff)
	}
}

func TestADownloadAppearsWholeOrNotAtAll(t *testing.T) {
	f := startFake(t)
	dir := t.TempDir()
	t.Chdir(dir)
	id := submitted(t, f, "Sleep")
	f.update(id, func(j *fakeJob) {
		j.results = []fakeResult{{"big.txt", strings.Repeat("0123456789", 5)}, {"empty", ""}}
	})
	f.fail("ReadResult", fault{err: errLost, frames: 3})
	stint(f, "results", "get", id, "big.txt").want(t, exitUnreachable)
	f.fail("ReadResult", fault{eof: true, frames: 3})
	r := stint(f, "results", "get", id, "big.txt").want(t, exitFailed)
	wantIn(t, r.err, "not complete")
	f.fail("ReadResult", fault{eof: true})
	stint(f, "results", "get", id, "big.txt").want(t, exitFailed)
	if got := tree(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	stint(f, "results", "get", id, "big.txt").want(t, 0)
	stint(f, "results", "get", id, "empty").want(t, 0)
	wantIn(t, stint(f, "results", "get", id, "big.txt").want(t, exitFailed).err, "big.txt", "is there already")
	stint(f, "results", "get", id, "big.txt", "--force").want(t, 0)
	stint(f, "results", "get", id, "empty", "-o", "big.txt").want(t, 0)
	if r := stint(f, "results", "get", id, "big.txt", "-o", "-").want(t, 0); len(r.out) != 50 {
		t.Errorf("stdout %q", r.out)
	}
	if diff := cmp.Diff(map[string]string{"big.txt": "", "empty": ""}, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestAHoleInADownloadIsAnError(t *testing.T) {
	a := newApp(nil, io.Discard, io.Discard)
	frames := []part{{size: 10}, {offset: 0, data: []byte("01234"), size: -1}, {offset: 6, data: []byte("6789"), size: -1}}
	var out strings.Builder
	err := a.pump("x", &out, func() (part, error) {
		if len(frames) == 0 {
			return part{}, io.EOF
		}
		next := frames[0]
		frames = frames[1:]
		return next, nil
	})
	if !errors.Is(err, errIncomplete) {
		t.Errorf("got %v and %q", err, out.String())
	}
}

func TestWorkspaceVerbs(t *testing.T) {
	f := startFake(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"a.txt": "A", "run/b.txt": "B", "run/sub/c.txt": "C"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stint(f, "upload", "a.txt", "/x/renamed.txt").want(t, 0)
	stint(f, "upload", "a.txt", "/x/").want(t, 0)
	stint(f, "upload", "-r", "run", "/runs/").want(t, 0)
	stintWith(f, func(a *app) { a.in = strings.NewReader("from stdin") }, "upload", "-", "/x/stdin.txt").want(t, 0)
	want := []string{"/runs/run/b.txt", "/runs/run/sub/c.txt", "/x/a.txt", "/x/renamed.txt", "/x/stdin.txt"}
	if diff := cmp.Diff(want, f.files.paths()); diff != "" {
		t.Error(diff)
	}
	wantIn(t, stint(f, "upload", "a.txt", "/x/").want(t, exitFailed).err, "There is a file /x/a.txt already.")
	stint(f, "upload", "a.txt", "/x/", "--force").want(t, 0)
	for _, bad := range [][]string{{"a.txt"}, {"a.txt", "relative"}, {"run", "/y"}, {"none", "/y"}, {"-", "/y/"}} {
		stint(f, append([]string{"upload"}, bad...)...).want(t, exitUsage)
	}
	if r := stint(f, "ls", "/x", "-o", "name").want(t, 0); r.out != "/x/a.txt\n/x/renamed.txt\n/x/stdin.txt\n" {
		t.Errorf("ls: %q", r.out)
	}
	wantIn(t, stint(f, "ls").want(t, 0).out, "NAME\tSIZE\tMODIFIED\tTYPE\nruns/\t\t")
	stint(f, "ls", "/none").want(t, exitFailed)
	stint(f, "download", "-r", "/runs", "--dir", "back").want(t, 0)
	if diff := cmp.Diff(map[string]string{"run/b.txt": "B", "run/sub/c.txt": "C"}, tree(t, "back")); diff != "" {
		t.Error(diff)
	}
	if r := stint(f, "download", "/x/stdin.txt", "-o", "-").want(t, 0); r.out != "from stdin" {
		t.Errorf("download: %q", r.out)
	}
	wantIn(t, stint(f, "rm", "-r", "/runs").want(t, 0).out, "2 files removed")
	stint(f, "rm", "/x/a.txt", "/none").want(t, exitFailed)
	if slices.Contains(f.files.paths(), "/x/a.txt") {
		t.Error("rm left a file")
	}
}

func TestCancelTellsTheTruthForEachJob(t *testing.T) {
	f := startFake(t)
	submitted(t, f, "Sleep")
	submitted(t, f, "Sleep")
	f.end("2", completed, 0, "")
	r := stint(f, "cancel", "1", "2", "99", "--reason", "wrong").want(t, exitFailed)
	want := "ID\tSTATE\tANSWER\n1\tCANCELLED\tcancelled\n2\tCOMPLETED\thad ended before\n99\t\trefused: There is no such job, or it is not yours.\n"
	if r.out != want {
		t.Errorf("said %q", r.out)
	}
	wantIn(t, r.err, "1 of 3 jobs could not be cancelled")
	stint(f, "cancel", "1").want(t, 0)
	wantIn(t, stint(f, "get", "1").want(t, 0).out, "by tester: wrong")
}

func TestRerunReportAndAdmin(t *testing.T) {
	f := startFake(t)
	t.Chdir(t.TempDir())
	submitted(t, f, "Sleep", "-p", "sleep_time=5")
	stint(f, "rerun", "1", "-p", "sleep_time=7", "--output-name", "again").want(t, 0)
	if j := f.find("2"); j.GetRerunOf() != "1" || j.GetParameters().GetFields()["sleep_time"].GetNumberValue() != 7 || j.GetOutputName() != "again" {
		t.Errorf("rerun: %v", j.Job)
	}
	stint(f, "rerun", "2", "-p", "sleep_time:=null").want(t, 0)
	if n := len(f.find("3").GetParameters().GetFields()); n != 0 {
		t.Errorf("%d parameters are left", n)
	}
	wantIn(t, stint(f, "rerun", "1", "-p", "sleep_time=9999999").want(t, exitUsage).err, "-p sleep_time must be at most 604800")
	wantIn(t, stint(f, "report", "1").want(t, exitUsage).err, "description is required")
	f.end("1", failed, 0, "")
	wantIn(t, stint(f, "report", "1").want(t, 0).out, "Reported as issue-1.")
	r := stintWith(f, func(a *app) { a.in = strings.NewReader("from stdin\n") }, "report", "2", "-m", "-", "-o", "name").want(t, 0)
	if r.out != "issue-2\n" {
		t.Errorf("report: %q", r.out)
	}
	defer func() {
		wantIn(t, stint(f, "admin", "issues", "delete", "issue-1").want(t, 0).out, "Report issue-1 is deleted.")
		stint(f, "admin", "issues", "delete", "issue-1").want(t, 1)
	}()
	wantIn(t, stint(f, "admin", "issues").want(t, 0).out, "issue-1\t", "\tFAILED\t", `from stdin\n`)
	stint(f, "admin", "submissions", "close", "-m", "Closed until 14:00.").want(t, 0)
	wantIn(t, stint(f, "server").want(t, 0).out, "Submissions\tclosed", "Closed until 14:00.", "local\tyes\t1\t1/2")
	wantIn(t, stint(f, "submit", "Date").want(t, exitFailed).err, "Closed until 14:00.")
	stint(f, "admin", "submissions", "open").want(t, 0)
	stint(f, "admin", "backup", "copy.db").want(t, 0)
	info, err := os.Stat("copy.db")
	if err != nil || info.Size() != 8 || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", info, err)
	}
	stint(f, "admin", "backup", "copy.db").want(t, exitFailed)
	stint(f, "admin", "tokens", "create", "--expires", "soon").want(t, exitUsage)
	wantIn(t, stint(f, "admin", "orphans").want(t, exitFailed).err, "does not offer this")
}

func TestProgressBarsAreDrawnAndEnd(t *testing.T) {
	f := startFake(t)
	errOut := newLockedBuffer()
	r := stintWith(f, func(a *app) {
		onTerminal(60)(a)
		a.err, a.screen.errTTY = errOut, true
	}, "upload", "files_test.go", "/x")
	r.want(t, 0)
	wantIn(t, errOut.String(), "Uploading files_tes…", "done!")
}

func TestCompletionOfIDsServicesAndParameters(t *testing.T) {
	f := startFake(t)
	submitted(t, f, "Sleep")
	submitted(t, f, "Date")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"submit", ""}, "Everything"},
		{[]string{"submit", "SequenceStats", "-p", ""}, "sequences="},
		{[]string{"get", ""}, "1\tQUEUED Sleep Sleep-1"},
		{[]string{"list", "--state", ""}, "queued"},
		{[]string{"results", "get", "2", ""}, "now"},
		{[]string{"list", "-o", ""}, "jsonl"},
	} {
		r := stint(nil, append([]string{"__complete", "--server", f.addr}, test.args...)...)
		wantIn(t, r.out, test.want)
	}
	f.stop()
	if r := stint(nil, "__complete", "--server", f.addr, "get", "").want(t, 0); strings.Contains(r.out, "\t") {
		t.Errorf("without a server: %q", r.out)
	}
}

func TestAWriteErrorIsNotSuccess(t *testing.T) {
	f := startFake(t)
	for _, args := range [][]string{{"services"}, {"list", "-o", "json"}, {"version"}, nil} {
		r := stintWith(f, func(a *app) { a.out = &stickyWriter{w: failingWriter{}} }, args...)
		wantIn(t, r.want(t, exitFailed).err, "disk full")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
