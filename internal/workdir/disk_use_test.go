package workdir

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatAJobTakesIsItsFilesAndABlockForEach(t *testing.T) {
	root, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := root.Job(7)
	if n, err := dir.DiskUse(t.Context()); n != 0 || err != nil {
		t.Errorf("a job without a folder takes %d, %v", n, err)
	}
	output := filepath.Join(dir.Path(), "output")
	if err := os.MkdirAll(output, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(output, "a"), make([]byte, 10_000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr", filepath.Join(output, "usr")); err != nil {
		t.Fatal(err)
	}
	if n, err := dir.DiskUse(t.Context()); n != 4*entryBytes+10_000 || err != nil {
		t.Errorf("two folders, a link and a file take %d, %v", n, err)
	}
}
