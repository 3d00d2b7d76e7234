package workdir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/job/terms"
)

// Root is the folder that holds the folders of all jobs. Everything below it is
// reached through one os.Root, so that no name and no symbolic link leads outside. Its methods
// may be called from several goroutines.
type Root struct {
	path string
	fs   *os.Root
}

// Open opens the folder at path and makes it if it is missing, for its owner only.
func Open(path string) (*Root, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder of jobs: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("open the folder of jobs: %w", err)
	}
	r, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open the folder of jobs: %w", err)
	}
	return &Root{path: abs, fs: r}, nil
}

// Close releases the folder. Files opened through it stay open.
func (r *Root) Close() error { return r.fs.Close() }

// Path is the folder's absolute path.
func (r *Root) Path() string { return r.path }

// Job is the folder of one job. It need not exist.
func (r *Root) Job(id terms.ID) Dir { return Dir{root: r, id: id} }

// Last is the largest id of a job that has a folder; 0 when none has.
func (r *Root) Last() (terms.ID, error) {
	groups, err := r.numbers(".")
	if err != nil {
		return 0, err
	}
	for _, group := range slices.Backward(groups) {
		ids, err := r.numbers(strconv.FormatUint(group, 10))
		if err != nil {
			return 0, err
		}
		if len(ids) > 0 { // the folders of old jobs may have been removed
			return terms.ID(ids[len(ids)-1]), nil
		}
	}
	return 0, nil
}

// numbers are the names in a folder that are decimal numbers, in their order.
func (r *Root) numbers(dir string) ([]uint64, error) {
	f, err := r.fs.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("list the folders of jobs: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the folders of jobs: %w", err)
	}
	var found []uint64
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil && strconv.FormatUint(n, 10) == name {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

// AttemptByName is the attempt that Attempt.Name named.
func (r *Root) AttemptByName(name string) (Attempt, error) {
	id, number, ok := strings.Cut(name, "/")
	if !ok {
		return Attempt{}, fmt.Errorf("attempt name %q is not JOB/NUMBER: %w", name, terms.ErrNotFound)
	}
	jobID, err := terms.ParseID(id)
	if err != nil {
		return Attempt{}, fmt.Errorf("attempt name %q: %w", name, err)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || strconv.Itoa(n) != number {
		return Attempt{}, fmt.Errorf("attempt name %q is not JOB/NUMBER: %w", name, terms.ErrNotFound)
	}
	return r.Job(jobID).Attempt(n), nil
}

// openFolder opens a folder as a root of its own, and nothing else: where a command put a pipe
// in its place, opening that would wait for the pipe's other end.
func openFolder(root *os.Root, name string) (*os.Root, error) { return root.OpenRoot(name + "/.") }
