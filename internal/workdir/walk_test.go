package workdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job/terms"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestJobGroups(t *testing.T) {
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	list := func() (groups [][]terms.ID, failed int) {
		for ids, err := range root.JobGroups() {
			if err != nil {
				failed++
				continue
			}
			groups = append(groups, ids)
		}
		return groups, failed
	}
	if groups, failed := list(); len(groups) != 0 || failed != 0 {
		t.Errorf("an empty folder has %v, and %d errors", groups, failed)
	}
	for _, id := range []terms.ID{2000, 7, 999, 1, 1000} {
		if err := root.Job(id).Create(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0/0", "0/1000", "0/x", "0/01", "01/1002", "notes/5"} { // not where the folder of a job is
		if err := os.MkdirAll(filepath.Join(root.Path(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root.Path(), "3"), nil, 0o600); err != nil { // not a folder
		t.Fatal(err)
	}
	groups, failed := list()
	want := [][]terms.ID{{1, 7, 999}, {1000}, {2000}}
	if !slices.EqualFunc(groups, want, slices.Equal) || failed != 1 {
		t.Errorf("groups %v and %d errors, want %v and 1", groups, failed, want)
	}
	for ids, err := range root.JobGroups() { // a caller may stop
		if len(ids) != 3 || err != nil {
			t.Errorf("the first group is %v, %v", ids, err)
		}
		break
	}
}

func TestChangeTime(t *testing.T) {
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d := root.Job(3)
	if _, err := d.ChangeTime(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := errors.Join(d.Create(), os.Chtimes(d.Path(), at, at)); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ChangeTime(); err != nil || !got.Equal(at) {
		t.Errorf("changed %v, want %v, %v", got, at, err)
	}
}
