package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// What is no text is wrong usage that names the argument, and nothing is sent.
func TestArgumentsThatAreNoTextAreWrongUsage(t *testing.T) {
	f := startFake(t)
	bad := "lat\xe9"
	for _, args := range [][]string{
		{"submit", bad},
		{"submit", "SequenceStats", "-p", "sequences=@" + bad + ".fa"},
		{"submit", "SequenceStats", "-p", bad + "=1"},
		{"submit", "SequenceStats", "--output-name", bad},
		{"submit", "SequenceStats", "--label", "a=" + bad},
		{"list", "--search", bad},
		{"list", "--label", bad},
		{"get", bad},
		{"watch", bad},
		{"logs", bad},
		{"cancel", bad},
		{"rerun", "1", "-p", "a=" + bad},
		{"results", "get", "1", bad},
		{"download", "/" + bad},
		{"ls", "/" + bad},
		{"rm", "/" + bad},
		{"services", bad},
		{"upload", "x", "/" + bad},
	} {
		r := stint(f, args...).want(t, exitUsage)
		if !strings.Contains(r.err, `lat\xe9`) || !strings.Contains(r.err, "UTF-8") || strings.Contains(r.err, "grpc") {
			t.Errorf("%q: %s", args, r.err)
		}
	}
	if n := len(f.jobs); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
}

// Names of this machine may be any bytes, where no name in the workspace is made of them.
func TestLocalNamesMayBeAnyBytes(t *testing.T) {
	f := startFake(t)
	name := filepath.Join(t.TempDir(), "lat\xe9.fa")
	if err := os.WriteFile(name, []byte(">a\nAC\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stint(f, "upload", name, "/in/lat.fa").want(t, 0)
	if got := f.files.content("/in/lat.fa"); got != ">a\nAC\n" {
		t.Errorf("stored %q", got)
	}
	wantIn(t, stint(f, "upload", name, "/in/").want(t, exitUsage).err, "is not UTF-8", "give the PATH with a name")
	stint(f, "download", "/in/lat.fa", "-o", name+".back").want(t, 0)
	params := name + ".yaml"
	if err := os.WriteFile(params, []byte("sequences: /in/lat.fa\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stint(f, "submit", "SequenceStats", "--params-file", params).want(t, 0)
}

func TestAFolderIsUploadedWithWhatItsLinksLeadTo(t *testing.T) {
	f := startFake(t)
	top := t.TempDir()
	dir := filepath.Join(top, "ud")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "a"), "A")
	write(filepath.Join(top, "store/b"), "B")
	write(filepath.Join(top, "store/sub/c"), "C")
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("a", "link")
	link("../store/b", "outside")
	link("../store/sub", "folder")
	stint(f, "upload", "-r", dir, "/up/").want(t, 0)
	if got := f.files.paths(); !slices.Equal(got, []string{"/up/ud/a", "/up/ud/folder/c", "/up/ud/link", "/up/ud/outside"}) {
		t.Fatalf("stored %q", got)
	}
	if got := f.files.content("/up/ud/outside"); got != "B" {
		t.Errorf("stored %q", got)
	}

	// What cannot be is told, and is no success.
	link("nowhere", "dangling")
	link("self", "self")
	link(".", "loop")
	write(filepath.Join(dir, "lat\xe9"), "x")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := stint(f, "upload", "-r", dir, "/again/").want(t, exitFailed)
	wantIn(t, r.err, "dangling\" is a link that leads nowhere", "self\" is a link that leads back to itself", "loop\" is a link to a folder that it is in",
		`lat\xe9" has a name that is not UTF-8`, "pipe\" is neither a file nor a folder", "5 of 10 files and folders were not uploaded")
	if !f.files.has("/again/ud/empty/") {
		t.Error("an empty folder was not made")
	}
	if got := f.files.content("/again/ud/folder/c"); got != "C" {
		t.Errorf("what can be uploaded is %q", got)
	}
}

// A limit of one call is none of the verb.
func TestWatchTakesAsManyIdsAsOthers(t *testing.T) {
	f := startFake(t)
	var ids []string
	f.mu.Lock()
	for i := range 2500 {
		j := &fakeJob{Job: &jobsv1.Job{Id: strconv.Itoa(i + 1), Service: "Date", State: jobsv1.State_STATE_COMPLETED}}
		f.jobs = append(f.jobs, j)
		f.commit(j)
		ids = append(ids, j.GetId())
	}
	f.mu.Unlock()
	r := stint(f, append([]string{"watch", "-o", "jsonl"}, ids...)...).want(t, 0)
	if n := strings.Count(r.out, `"STATE_COMPLETED"`); n != len(ids) || f.count("WatchStatus") != 3 {
		t.Errorf("%d jobs were shown, by %d calls", n, f.count("WatchStatus"))
	}
	// At the limit of a call, one beyond it, and by the other verbs that take ids.
	for _, many := range []int{999, 1000, 1001, len(ids)} {
		for _, verb := range [][]string{{"watch", "-o", "jsonl"}, {"get", "-o", "jsonl"}, {"cancel", "-o", "jsonl"}} {
			r := stint(f, append(slices.Clone(verb), ids[:many]...)...).want(t, 0)
			if n := strings.Count(r.out, "\n"); n != many {
				t.Errorf("%s of %d ids: %d jobs were shown: %.300s", verb[0], many, n, r.out+r.err)
			}
		}
	}
}

// Whole numbers of a file in YAML are those that people read.
func TestNumbersInYAMLAreWhatTheyLookLike(t *testing.T) {
	for text, want := range map[string]string{
		"n: 10": "10", "n: -7": "-7", "n: 0": "0", "n: 0x1F": "31", "n: 0o17": "15", "n: '010'": "010", "n: 1e3": "1000", "n: [1, 2]": "",
		"n: 010": "error", "n: 0777": "error", "n: 1_000": "error", "n: -012": "error", "m: {n: 00}": "error", "l: [1, 08]": "08", "n: [010]": "error",
	} {
		s, err := parseParams([]byte(text + "\n"))
		if (want == "error") != (err != nil) {
			t.Errorf("%s: %v, %v", text, s, err)
			continue
		}
		if v := s.GetFields()["n"]; err == nil && want != "" && v != nil && fmt.Sprint(v.AsInterface()) != want {
			t.Errorf("%s is %v, want %s", text, v.AsInterface(), want)
		}
		if err != nil && !strings.Contains(err.Error(), "line 1: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
