package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/stint-jobs/stint/internal/job/terms"
)

// Attempt is the folder of one attempt of a job. It is a name: it may be copied
// and need not exist. The zero Attempt is of no use.
type Attempt struct {
	root *Root
	id   terms.ID
	n    int
	held *os.Root // the folder itself; nil where it is reached from the root each time
}

// Hold opens the folder. The Attempt that it answers reaches its files from there instead of
// going down from the Root for each, and is of use until Release is called; its paths are those of the name.
// It is for whoever does several things to it. A missing folder is fs.ErrNotExist.
func (a Attempt) Hold() (Attempt, error) {
	dir, err := openFolder(a.root.fs, a.rel())
	if err != nil {
		return Attempt{}, fmt.Errorf("open the folder of attempt %s: %w", a.Name(), err)
	}
	a.held = dir
	return a, nil
}

// Release closes what Hold opened. Files opened through it stay open.
func (a Attempt) Release() {
	if a.held != nil {
		a.held.Close()
	}
}

// at is the Attempt held, for something that takes several steps, and what to call afterwards.
func (a Attempt) at() (Attempt, func(), error) {
	if a.held != nil {
		return a, func() {}, nil
	}
	held, err := a.Hold()
	return held, held.Release, err
}

// JobID is the job's.
func (a Attempt) JobID() terms.ID { return a.id }

// Number counts the job's attempts from 1.
func (a Attempt) Number() int { return a.n }

// Name names the attempt among all of its Root, for example `17/1`, however
// the Root is moved. Root.AttemptByName takes it.
func (a Attempt) Name() string { return a.id.String() + "/" + strconv.Itoa(a.n) }

// Path is the folder's absolute path.
func (a Attempt) Path() string { return filepath.Join(a.root.path, a.rel()) }

// OutputPath is the absolute path of the command's working directory, where its results are.
func (a Attempt) OutputPath() string { return filepath.Join(a.Path(), "output") }

// TmpPath is the absolute path of the folder for the command's temporary files.
func (a Attempt) TmpPath() string { return filepath.Join(a.Path(), "tmp") }

// ProgressPath is the absolute path of the file that the command may append its progress to.
func (a Attempt) ProgressPath() string { return filepath.Join(a.Path(), progressName) }

// Create makes the folder with output/ and tmp/. They may be there already.
func (a Attempt) Create() error {
	made, err := Dir{root: a.root, id: a.id}.CreateAttempt(a.n)
	made.Release()
	return err
}

// EmptyTmp removes what the command left in tmp/.
func (a Attempt) EmptyTmp() error {
	root, tmp := a.place("tmp")
	f, err := root.Open(tmp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty tmp of attempt %s: %w", a.Name(), err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		err = errors.Join(err, removeAll(root, path.Join(tmp, name)))
	}
	if err != nil {
		return fmt.Errorf("empty tmp of attempt %s: %w", a.Name(), err)
	}
	return nil
}

// RemoveInput deletes the copies of inputs that the attempt got. Nothing of it may run any more.
func (a Attempt) RemoveInput() error {
	root, name := a.place("input")
	if err := removeAll(root, name); err != nil {
		return fmt.Errorf("remove the inputs of attempt %s: %w", a.Name(), err)
	}
	return nil
}

// Exists reports whether the attempt has a folder.
func (a Attempt) Exists() bool {
	info, err := a.root.fs.Lstat(a.rel())
	return err == nil && info.IsDir()
}

// rel is the folder's path below the root.
func (a Attempt) rel() string {
	return path.Join(Dir{root: a.root, id: a.id}.rel(), "attempts", strconv.Itoa(a.n))
}

// place is how a file directly in the folder, or the folder itself as ".", is reached.
func (a Attempt) place(name string) (*os.Root, string) {
	if a.held != nil {
		return a.held, name
	}
	return a.root.fs, path.Join(a.rel(), name)
}
