package staging

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

// What of a folder a command is not given is said on the job, also after a crash and for later attempts.
func TestTheOwnerIsToldWhatOfAFolderIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(folder string) error
		want  string
	}{
		"nothing":               {func(string) error { return nil }, ""},
		"a link that leads out": {func(f string) error { return os.Symlink("/etc/passwd", filepath.Join(f, "out")) }, `"out"`},
		"a link to nothing":     {func(f string) error { return os.Symlink("gone", filepath.Join(f, "dead")) }, `"dead"`},
		"a link to a folder":    {func(f string) error { return os.Symlink("sub", filepath.Join(f, "again")) }, `"again"`},
		"a pipe":                {func(f string) error { return unix.Mkfifo(filepath.Join(f, "sub/pipe"), 0o644) }, `"sub/pipe"`},
		"many": {func(f string) (err error) {
			for i := range 30 {
				err = errors.Join(err, os.Symlink("gone", filepath.Join(f, fmt.Sprint("dead", i))))
			}
			return err
		}, " and 27 more"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			s.put(t, "/d/sub/x", "x")
			must(t, c.leave(filepath.Join(s.dir, "workspace", alice, "d")))
			j := newJob(t, "Cat", map[string]any{"dir": "/d"})
			for attempt := 1; attempt <= 3; attempt++ {
				task, err := s.Prepare(t.Context(), j, attempt, nil)
				must(t, err)
				if c.want == "" && task.InputNote != "" || !strings.Contains(task.InputNote, c.want) {
					t.Errorf("attempt %d: %q, want %s", attempt, task.InputNote, c.want)
				}
				if c.want != "" && (!strings.HasPrefix(task.InputNote, "Left out of the folder /d, given for the parameter dir: ") || strings.Count(task.InputNote, "Left out") != 1) {
					t.Errorf("attempt %d: %q", attempt, task.InputNote)
				}
			}
		})
	}
}

// A note has a bound, and is text whatever a command wrote in its place.
func TestTheNoteOnInputsIsBoundedText(t *testing.T) {
	s := newStation(t)
	s.put(t, "/d/x", "x")
	j := newJob(t, "Cat", map[string]any{"dir": "/d"})
	id, err := job.ParseID(j.GetId())
	must(t, err)
	_, err = s.Prepare(t.Context(), j, 1, nil)
	must(t, err)
	must(t, s.cfg.Folders.Job(id).WriteInputNote(strings.Repeat("\xff\u00e9", 10_000)))
	task, err := s.Prepare(t.Context(), j, 2, nil)
	must(t, err)
	if n := len(task.InputNote); n == 0 || n > maxNote || !utf8.ValidString(task.InputNote) {
		t.Errorf("the note has %d bytes, valid %v", n, utf8.ValidString(task.InputNote))
	}
	must(t, s.cfg.Folders.Job(id).WriteInputNote(strings.Repeat("x", 17<<20)))
	_, err = s.Prepare(t.Context(), j, 3, nil)
	wantFailure(t, err, launchFail, "could not be made ready")
}
