package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/stint-jobs/stint/internal/job/terms"
)

// jobsPerFolder keeps any one folder small enough to list.
const jobsPerFolder = 1000

// paramsMost bounds what ReadParams takes into memory: more than any request may be.
const paramsMost = 16 << 20

// Dir is the folder of one job. The zero Dir is of no use.
type Dir struct {
	root *Root
	id   terms.ID
	held *os.Root // as in an Attempt
}

// ID is the job's.
func (d Dir) ID() terms.ID { return d.id }

// Path is the folder's absolute path.
func (d Dir) Path() string { return filepath.Join(d.root.path, d.rel()) }

// InputPath is the absolute path of the folder for input files. They may be links to files of the workspace, so that
// nothing may write to them.
func (d Dir) InputPath() string { return filepath.Join(d.Path(), "input") }

// ParamsPath is the absolute path of the parameters that the command reads.
func (d Dir) ParamsPath() string { return filepath.Join(d.Path(), "params.json") }

// Create makes the folder. It may be there already. input/ is made by whoever puts something into it.
func (d Dir) Create() error {
	if err := d.root.fs.MkdirAll(d.rel(), 0o755); err != nil {
		return fmt.Errorf("create the folder of job %s: %w", d.id, err)
	}
	return nil
}

// Hold opens the folder, as Attempt.Hold does. Attempts of the Dir that it answers are reached through it too.
func (d Dir) Hold() (Dir, error) {
	dir, err := openFolder(d.root.fs, d.rel())
	if err != nil {
		return Dir{}, fmt.Errorf("open the folder of job %s: %w", d.id, err)
	}
	d.held = dir
	return d, nil
}

// Release closes what Hold opened.
func (d Dir) Release() {
	if d.held != nil {
		d.held.Close()
	}
}

// WriteParams replaces params.json. A reader sees the old or the new one, never a part.
func (d Dir) WriteParams(data []byte) error {
	root, name := d.place("params.json")
	if err := writeAtomic(root, name, data); err != nil {
		return fmt.Errorf("write the parameters of job %s: %w", d.id, err)
	}
	return nil
}

// ReadParams is what WriteParams wrote.
func (d Dir) ReadParams() ([]byte, error) {
	root, name := d.place("params.json")
	b, err := readSmall(root, name, paramsMost)
	if err != nil {
		return nil, fmt.Errorf("read the parameters of job %s: %w", d.id, err)
	}
	return b, nil
}

// inputNoteName is the file with what was left out of the job's inputs.
const inputNoteName = "input.note"

// WriteInputNote keeps in plain words what was left out of the job's inputs, for attempts that find them staged.
func (d Dir) WriteInputNote(note string) error {
	root, name := d.place(inputNoteName)
	if err := writeAtomic(root, name, []byte(note)); err != nil {
		return fmt.Errorf("write the note on the inputs of job %s: %w", d.id, err)
	}
	return nil
}

// ReadInputNote returns what WriteInputNote wrote; empty where nothing was left out.
func (d Dir) ReadInputNote() (string, error) {
	root, name := d.place(inputNoteName)
	b, err := readSmall(root, name, paramsMost)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the note on the inputs of job %s: %w", d.id, err)
	}
	return string(b), nil
}

// Attempt is the folder of the n-th attempt, counted from 1. It need not exist.
func (d Dir) Attempt(n int) Attempt { return Attempt{root: d.root, id: d.id, n: n} }

// CreateAttempt makes the folder of the n-th attempt with output/ and tmp/. They may be there already. Without
// an error the Attempt that it answers is held.
func (d Dir) CreateAttempt(n int) (Attempt, error) {
	a, at := d.Attempt(n), path.Join("attempts", strconv.Itoa(n))
	root, rel := d.place(at)
	err := root.MkdirAll(rel, 0o755)
	if err == nil {
		a.held, err = openFolder(root, rel)
	}
	if err != nil {
		return Attempt{}, fmt.Errorf("create the folder of attempt %s: %w", a.Name(), err)
	}
	for _, name := range []string{"output", "tmp"} {
		if err := a.held.MkdirAll(name, 0o755); err != nil {
			a.Release()
			return Attempt{}, fmt.Errorf("create the folder of attempt %s: %w", a.Name(), err)
		}
	}
	return a, nil
}

// Attempts are the numbers of the attempts that have a folder, in their order.
func (d Dir) Attempts() ([]int, error) {
	f, err := d.root.fs.Open(path.Join(d.rel(), "attempts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the attempts of job %s: %w", d.id, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the attempts of job %s: %w", d.id, err)
	}
	var numbers []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n >= 1 && strconv.Itoa(n) == name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// RemoveInputs deletes the copies of inputs that attempts other than one got. Nothing of these may run any more.
func (d Dir) RemoveInputs(other int) error {
	numbers, err := d.Attempts()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n == other {
			continue
		}
		if err := d.Attempt(n).RemoveInput(); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the folder with everything in it, also what the command
// protected against writing. That it is gone already is no error. Nothing of the job may run any more.
func (d Dir) Remove() error {
	if err := removeAll(d.root.fs, d.rel()); err != nil {
		return fmt.Errorf("remove the folder of job %s: %w", d.id, err)
	}
	return nil
}

// rel is the folder's path below the root.
func (d Dir) rel() string {
	return path.Join(strconv.FormatUint(uint64(d.id)/jobsPerFolder, 10), d.id.String())
}

// place is how what is in the folder is reached.
func (d Dir) place(name string) (*os.Root, string) {
	if d.held != nil {
		return d.held, name
	}
	return d.root.fs, path.Join(d.rel(), name)
}

// removeAll is os.Root.RemoveAll that opens folders which a command closed to
// their owner, as some tools do with their caches.
func removeAll(root *os.Root, name string) error {
	err := root.RemoveAll(name)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if openErr := openFolders(root, name); openErr != nil {
		return errors.Join(err, openErr)
	}
	return root.RemoveAll(name)
}

// openFolders gives the owner all rights to a folder and those below it.
func openFolders(root *os.Root, name string) error {
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return err
	}
	if err := root.Chmod(name, 0o700); err != nil {
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, openFolders(root, path.Join(name, e.Name())))
		}
	}
	return err
}
