package workspace

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stint-jobs/stint/internal/job"
)

// Clean gives the one form of a path: absolute, with single slashes and none
// at the end. Anything that job.CleanPath refuses is a *job.InvalidError for the field `path`.
func Clean(p string) (string, error) {
	clean, err := job.CleanPath(p)
	if err != nil {
		return "", job.Invalid("path", "%s", err)
	}
	return clean, nil
}

// cleanEntry is Clean for what cannot be the root of the tree.
func cleanEntry(p string) (string, error) {
	clean, err := Clean(p)
	if err == nil && clean == "/" {
		err = job.Invalid("path", "must name something in the workspace, for example /reads/sample1.fastq")
	}
	return clean, err
}

// newEntry is cleanEntry for what is to be made.
func (w *Workspace) newEntry(p string) (string, error) {
	clean, err := cleanEntry(p)
	if n := strings.Count(clean, "/"); err == nil && w.options.MaxDepth > 0 && n > w.options.MaxDepth {
		err = job.Invalid("path", "has %d names; folders may be nested so that a path has at most %d", n, w.options.MaxDepth)
	}
	return clean, err
}

// rel is a clean path as os.Root takes it.
func rel(clean string) string {
	if clean == "/" {
		return "."
	}
	return clean[1:]
}

// shown reports whether a name found on disk can be a segment of a path.
// Commands may write any bytes into the names of their results.
func shown(name string) bool {
	return len(name) <= 255 && utf8.ValidString(name) && !strings.HasPrefix(name, reserved) &&
		!strings.ContainsFunc(name, unicode.IsControl)
}

// ancestors are the folders above a clean path, outermost first, without the root.
func ancestors(clean string) []string {
	var up []string
	for dir := path.Dir(clean); dir != "/"; dir = path.Dir(dir) {
		up = append([]string{dir}, up...)
	}
	return up
}
