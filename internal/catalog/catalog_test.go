package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func write(tb testing.TB, path, text string, mode os.FileMode) {
	tb.Helper()
	if mode&0o111 != 0 && text == "" {
		text = "#!/bin/sh\n" // a program
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		tb.Fatal(err)
	}
}

// service writes a service that only has a command.
func service(tb testing.TB, dir, id, label string) {
	tb.Helper()
	write(tb, filepath.Join(dir, id, "run"), "#!/bin/sh\n", 0o755)
	write(tb, filepath.Join(dir, id, "service.yaml"), "id: "+id+"\nlabel: "+label+"\ncommand: [run]\n", 0o644)
}

func ids(c *Catalog) []string {
	var out []string
	for _, s := range c.List() {
		out = append(out, s.GetId())
	}
	return out
}

func texts(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

func TestABrokenServiceLeavesTheOthersAlone(t *testing.T) {
	dir := t.TempDir()
	service(t, dir, "Good", "zeta")
	service(t, dir, "Other", "Alpha")
	write(t, dir+"/Bad/service.yaml", "label: [\n", 0o644)
	write(t, dir+"/worse.json", "{", 0o644)
	write(t, dir+"/_lib/helper.sh", "", 0o644)
	write(t, dir+"/.git/config", "", 0o644)
	write(t, dir+"/README.md", "", 0o644)
	write(t, dir+"/empty/notes", "", 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Other", "Bad", "worse", "Good"}, ids(c)); d != "" {
		t.Error(d)
	}
	want := []string{
		"Bad/service.yaml:1: did not find expected node content",
		"empty: the folder has no service.yaml",
		"worse.json:1: it is no JSON: unexpected end of JSON input",
	}
	if d := cmp.Diff(want, texts(problems)); d != "" {
		t.Error(d)
	}
	for id, ok := range map[string]bool{"Good": true, "Other": true, "Bad": false, "worse": false} {
		s, there := c.Get(id)
		if !there {
			t.Fatal(id)
		}
		available, why := s.Available()
		if available != ok || (why == "") != ok || s.Proto().GetAvailable() != ok || s.Proto().GetUnavailableReason() != why {
			t.Errorf("%s: %v %q", id, available, why)
		}
		if _, err := s.Command(Call{}); (err == nil) != ok || !ok && !errors.Is(err, job.ErrUnavailable) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, _, err := Load(dir+"/none", Options{}); err == nil {
		t.Error("a folder that is not there was loaded")
	}
}

func TestTheFirstOfTwoWithOneIDIsUsed(t *testing.T) {
	dir := t.TempDir()
	service(t, dir, "Same", "First")
	write(t, dir+"/Twin/run", "", 0o755)
	write(t, dir+"/Twin/service.yaml", "id: Same\nlabel: Second\ncommand: [run]\n", 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Twin/service.yaml: id: Same/service.yaml describes the service Same already; this description is not used"}
	if d := cmp.Diff(want, texts(problems)); d != "" {
		t.Error(d)
	}
	if s, _ := c.Get("Same"); s.Proto().GetLabel() != "First" || len(c.List()) != 1 {
		t.Error(s.Proto())
	}
}

func TestWhatIsNoFileIsNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/Folder/service.yaml", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/Giant/service.yaml", strings.Repeat("#", maxSpecSize+1), 0o644)
	if err := os.MkdirAll(dir+"/Gone", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/nowhere", dir+"/Gone/service.yaml"); err != nil {
		t.Fatal(err)
	}
	_, problems, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Folder/service.yaml: it is not a regular file",
		"Giant/service.yaml: it has 1048577 bytes; at most 1048576 are read",
		"Gone/service.yaml: no such file or directory",
	}
	if d := cmp.Diff(want, texts(problems)); d != "" {
		t.Error(d)
	}
}

func TestFindSaysWhatWasMeantAndWhatWentAway(t *testing.T) {
	dir := t.TempDir()
	service(t, dir, "GenomeAssembly", "Assembly")
	service(t, dir, "GenomeAnnotation", "Annotation")
	c, _, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Find("GenomeAssembly"); err != nil || s.ID() != "GenomeAssembly" {
		t.Error(s, err)
	}
	for id, want := range map[string]string{
		"genomeassembly": `there is no service "genomeassembly"; did you mean "GenomeAssembly"?`,
		"GenomeAnotaton": `there is no service "GenomeAnotaton"; did you mean "GenomeAnnotation"?`,
		"Weather":        `there is no service "Weather"`,
		"":               `there is no service ""`,
		"a\x00":          `there is no service "a\x00"`,
	} {
		if _, err := c.Find(id); !errors.Is(err, job.ErrNotFound) || err.Error() != want {
			t.Errorf("%q: %v", id, err)
		}
	}
	j := &jobsv1.Job{Service: "Gone"}
	if _, err := c.FindFor(j); !errors.Is(err, job.ErrNotFound) || err.Error() != `the service "Gone" was removed from the catalog after this job was submitted` {
		t.Error(err)
	}
	j.Service = "GenomeAssembly"
	if s, err := c.FindFor(j); err != nil || s.ID() != "GenomeAssembly" {
		t.Error(err)
	}
}

func TestReloadReplacesTheCatalogAsAWhole(t *testing.T) {
	dir := t.TempDir()
	service(t, dir, "One", "One")
	l, problems, err := Open(dir, Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	before := l.Catalog()
	service(t, dir, "Two", "Two")
	if err := os.RemoveAll(dir + "/One"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/Three/service.yaml", "label: Three\n", 0o644)
	problems, err = l.Reload()
	if err != nil || len(problems) != 1 {
		t.Fatal(problems, err)
	}
	if d := cmp.Diff([]string{"Three", "Two"}, ids(l.Catalog())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"One"}, ids(before)); d != "" {
		t.Error("a catalog in use changed", d)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reload(); err == nil {
		t.Error("a folder that is gone was loaded")
	}
	if len(l.Catalog().List()) != 2 {
		t.Error("a reload that failed changed the catalog")
	}
	if _, _, err := Open(dir, Options{}); err == nil {
		t.Error("a folder that is gone was opened")
	}
}

func TestAServiceComesUpWhenItsProgramIsInstalled(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	write(t, dir+"/S/run", "", 0o755)
	write(t, dir+"/S/service.yaml", "label: S\ncommand: [run]\nprograms: [{name: megahit, package: megahit}, {name: FastTree, package: fasttree}]\n", 0o644)
	write(t, dir+"/T/service.yaml", "label: T\ncommand: [tool, -x, plain]\n", 0o644)
	write(t, bin+"/FastTree", "", 0o644) // not executable, so not there
	synctest.Test(t, func(t *testing.T) {
		c, problems, err := Load(dir, Options{Path: "relative:" + bin})
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		s, _ := c.Get("S")
		tool, _ := c.Get("T")
		if _, why := s.Available(); why != "needs megahit, FastTree: apt-get install megahit fasttree" {
			t.Error(why)
		}
		if _, why := tool.Available(); why != "needs tool on the server's PATH" {
			t.Error(why)
		}
		shown := s.Proto()
		if s.Proto() != shown {
			t.Error("the message is made anew though nothing changed")
		}
		for _, p := range []string{"/megahit", "/FastTree", "/tool"} {
			write(t, bin+p, "", 0o755)
			if err := os.Chmod(bin+p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(lookupsHold) //nolint:forbidigo // the bubble's time
		if ok, why := s.Available(); !ok {
			t.Error(why)
		}
		if !s.Proto().GetAvailable() || s.Proto().GetUnavailableReason() != "" || shown.GetAvailable() {
			t.Error(s.Proto(), shown)
		}
		argv, err := tool.Command(Call{ParamsFile: "/p.json"})
		if d := cmp.Diff([]string{bin + "/tool", "-x", "plain"}, argv); d != "" || err != nil {
			t.Error(d, err)
		}
		if err := os.Remove(dir + "/S/run"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookupsHold) //nolint:forbidigo // the bubble's time
		if _, why := s.Available(); why != "its command run is gone or no longer executable" {
			t.Error(why)
		}
	})
}

func TestProgramsOfAnotherMachineAreNotLookedForHere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/S/service.yaml", "label: S\ncommand: [certainly-not-installed-here, a b]\nexecutor: slurm\n", 0o644)
	write(t, dir+"/L/service.yaml", "label: L\ncommand: [certainly-not-installed-here]\n", 0o644)
	c, _, err := Load(dir, Options{Remote: func(executor string) bool { return executor == "slurm" }})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Get("S")
	argv, err := s.Command(Call{})
	if d := cmp.Diff([]string{"/usr/bin/env", "certainly-not-installed-here", "a b"}, argv); d != "" || err != nil {
		t.Error(d, err)
	}
	l, _ := c.Get("L")
	if ok, _ := l.Available(); ok {
		t.Error("a program that is missing here is taken for there")
	}
}

func TestCommandNamesFilesOfTheFolderAbsolutely(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/S/bin/start", "", 0o755)
	write(t, dir+"/S/main.py", "", 0o644)
	write(t, dir+"/S/service.yaml", "label: S\ncommand: [bin/start, ./main.py, main.py, $HOME, '*', --x=./y]\nnetwork: true\n", 0o644)
	c, problems, err := Load(dir, Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	s, _ := c.Get("S")
	argv, err := s.Command(Call{ParamsFile: "/p.json"})
	want := []string{dir + "/S/bin/start", dir + "/S/main.py", "main.py", "$HOME", "*", "--x=./y"}
	if d := cmp.Diff(want, argv); d != "" || err != nil {
		t.Error(d, err)
	}
	argv[1] = "changed"
	if again, _ := s.Command(Call{}); again[1] != dir+"/S/main.py" {
		t.Error("the next job got a changed command")
	}
	if s.Dir() != dir+"/S" || !s.Network() || s.AppSpec() != nil {
		t.Error(s.Dir(), s.Network(), s.AppSpec())
	}
}

func TestDisplayTakesTheFirstPatternThatMatches(t *testing.T) {
	s := described(t, `
label: S
command: [run]
results:
  - {pattern: summary.tsv, display: table, title: Summary}
  - {pattern: "*.tsv", display: text}
  - {pattern: "trees/*.nwk", display: tree, title: Trees}
`)
	for file, want := range map[string]string{
		"summary.tsv":     "table Summary",
		"other.tsv":       "text ",
		"sub/other.tsv":   "download ",
		"trees/a.nwk":     "tree Trees",
		"trees/b/a.nwk":   "download ",
		"x.bin":           "download ",
		"":                "download ",
		"../trees/a.nwk":  "download ",
		"trees/a\nb.nwk":  "tree Trees",
		"trees/[a-z].nwk": "tree Trees",
	} {
		display, title := s.Display(file)
		if got := display + " " + title; got != want {
			t.Errorf("%q: %q", file, got)
		}
	}
}

func TestDistanceIsTheLeastNumberOfChanges(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"read1", "read2", 1}, {"raed1", "read1", 1}, {"contig", "contigs", 1}, {"abc", "xyz", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d", tt.a, tt.b, got)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q to %q: %d", tt.b, tt.a, got)
		}
	}
	if slices.Contains([]string{didYouMean("sequence", []string{"sequences", "subject"})}, "") {
		t.Error("nothing suggested")
	}
}
