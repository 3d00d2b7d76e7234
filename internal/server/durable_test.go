package server

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that cannot be written, synced or named leaves the old one in its place, and nothing beside it.
func TestAFileIsReplacedAsAWholeOrNotAtAll(t *testing.T) {
	broken := errors.New("broken off")
	text := func(w io.Writer) error {
		_, err := io.WriteString(w, "new")
		return err
	}
	// device has what is written to the new file go to a device.
	device := func(name string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.Symlink(name, path+".part"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		write func(io.Writer) error
		want  error
	}{
		"nothing fails":            {write: text},
		"what is written fails":    {write: func(w io.Writer) error { return errors.Join(text(w), broken) }, want: broken},
		"the disk is full":         {spoil: device("/dev/full"), write: text, want: syscall.ENOSPC},
		"the file takes no syncs":  {spoil: device("/dev/null"), write: text, want: syscall.EINVAL},
		"the name cannot be taken": {spoil: toFolder, write: text, want: syscall.EEXIST},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, path)
			}
			before, statErr := os.Stat(path)
			if statErr != nil {
				t.Fatal(statErr)
			}
			if err := replaceFile(path, c.write); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			after, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if os.SameFile(before, after) != (c.want != nil) {
				t.Errorf("the file was replaced: %v", c.want == nil)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
	if err := replaceFile(filepath.Join(t.TempDir(), "no", "folder"), text); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

// toFolder makes the file a folder, which no file can take the place of.
func toFolder(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
}
