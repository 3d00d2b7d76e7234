package staging

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

// shell runs a command in the environment of an attempt, as this user.
func shell(t *testing.T, task executor.Task, script string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/bin/sh", "-euc", script)
	c.Dir, c.Env = task.Dir.OutputPath(), task.Command.Env
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// Whatever a command does to what it was given, as root too: the workspace, the results of earlier jobs, uploads that are
// reused, other jobs and the next attempt have what they had.
func TestAnInputIsTheAttemptsOwn(t *testing.T) {
	for name, script := range map[string]string{
		"append":          `chmod u+w "$STINT_PARAM_read" && echo evil >>"$STINT_PARAM_read"`,
		"empty":           `chmod u+w "$STINT_PARAM_read" && : >"$STINT_PARAM_read"`,
		"within":          `chmod u+w "$STINT_PARAM_read" && printf X | dd of="$STINT_PARAM_read" conv=notrunc status=none`,
		"cut":             `chmod u+w "$STINT_PARAM_read" && truncate -s 1 "$STINT_PARAM_read"`,
		"another link":    `ln "$STINT_PARAM_read" link && chmod u+w link && echo evil >>link`,
		"a symbolic link": `ln -s "$STINT_PARAM_read" link && chmod u+w link && echo evil >>link`,
		"modes":           `chmod 777 "$STINT_PARAM_read" && touch -d 1970-01-01 "$STINT_PARAM_read"`,
		"in a folder":     `chmod u+w "$STINT_PARAM_dir"/x && echo evil >>"$STINT_PARAM_dir"/x && rm -f "$STINT_PARAM_dir"/y && echo new >"$STINT_PARAM_dir"/z`,
		"removed":         `rm -rf "$STINT_PARAM_read" "$STINT_PARAM_dir"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			s.put(t, "/uploads/3d5f/a", "old\n")
			must(t, os.Chmod(filepath.Join(s.dir, "workspace", alice, "uploads/3d5f/a"), 0o444))
			s.run(t, withID(newJob(t, "Cat", nil), "9"), 1)
			earlier, _, err := s.Publish(t.Context(), withID(newJob(t, "Cat", nil), "9"), 1, nil)
			must(t, err)
			s.put(t, earlier+"/x", "old\n")
			s.put(t, earlier+"/y", "old\n")
			before := s.snapshot(t)
			j := newJob(t, "Cat", map[string]any{"read": "/uploads/3d5f/a", "dir": earlier})
			first, err := s.Prepare(t.Context(), j, 1, nil)
			must(t, err)
			shell(t, first, script)
			second, err := s.Prepare(t.Context(), withID(newJob(t, "Cat", map[string]any{"read": "/uploads/3d5f/a", "dir": earlier}), "18"), 1, nil)
			must(t, err)
			third, err := s.Prepare(t.Context(), j, 2, nil)
			must(t, err)
			for _, other := range []executor.Task{second, third} {
				shell(t, other, `[ "$(cat "$STINT_PARAM_read" "$STINT_PARAM_dir"/x "$STINT_PARAM_dir"/y)" = "$(printf 'old\nold\nold')" ] && [ ! -e "$STINT_PARAM_dir"/z ]`)
			}
			if after := s.snapshot(t); !slices.Equal(before, after) {
				t.Errorf("the workspace was\n%q\nand is\n%q", before, after)
			}
		})
	}
}

// snapshot is what the workspace has: names, modes, times and contents.
func (s *station) snapshot(t *testing.T) []string {
	t.Helper()
	root := filepath.Join(s.dir, "workspace")
	var all []string
	for _, name := range onDisk(t, root) {
		info, err := os.Lstat(filepath.Join(root, name))
		must(t, err)
		line := name + " " + info.Mode().String() + " " + info.ModTime().String()
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(filepath.Join(root, name))
			must(t, err)
			line += " " + string(b)
		}
		all = append(all, line)
	}
	return all
}

func TestCopiesGoWhenTheirAttemptHasEnded(t *testing.T) {
	s := newStation(t)
	s.put(t, "/a", "x")
	s.put(t, "/d/x", "x")
	j := newJob(t, "Cat", map[string]any{"read": "/a", "dir": "/d"})
	first, err := s.Prepare(t.Context(), j, 1, nil)
	must(t, err)
	shell(t, first, `mkdir "$STINT_PARAM_dir"/closed && : >"$STINT_PARAM_dir"/closed/x && chmod 0 "$STINT_PARAM_dir"/closed`)
	second, err := s.Prepare(t.Context(), j, 2, nil)
	must(t, err)
	for path, want := range map[string]bool{first.Dir.Path(): false, second.Dir.Path(): true} {
		if _, err := os.Lstat(path + "/input"); (err == nil) != want {
			t.Errorf("%s/input: %v", path, err)
		}
	}
	s.Release(j, 2)
	s.Release(j, 2) // once more is no error
	if got := onDisk(t, second.Dir.Path()); !slices.Equal(got, []string{"output", "tmp"}) || s.log.Len() > 0 {
		t.Errorf("left %q, logged %s", got, s.log)
	}
}

// An executor that shows inputs read-only needs no copies.
func TestASealedInputIsNotCopied(t *testing.T) {
	s := newStation(t)
	s.put(t, "/a", "x")
	s.cfg.Sealed = func(executor string) bool { return executor == "sealed" }
	for name, want := range map[string]string{"sealed": "jobs/0/17/input/read/a", "other": "jobs/0/18/attempts/1/input/read/a"} {
		j := newJob(t, "Cat", map[string]any{"read": "/a"})
		if j.Executor = name; name == "other" {
			j.Id = "18"
		}
		task, err := s.Prepare(t.Context(), j, 1, nil)
		must(t, err)
		if at := filepath.Join(s.dir, want); !slices.Contains(task.Command.Env, "STINT_PARAM_read="+at) {
			t.Errorf("%s: the input is not at %s: %q", name, at, task.Command.Env)
		}
	}
}

func TestACopyWaitsForRoom(t *testing.T) {
	s := newStation(t)
	s.put(t, "/d/x", strings.Repeat("x", 1<<20))
	s.put(t, "/d/y", "y")
	j := newJob(t, "Cat", map[string]any{"dir": "/d"})
	var asked []int64
	var err error
	released := 0
	s.cfg.Room = func(bytes int64) (func(), error) {
		asked = append(asked, bytes)
		return func() { released++ }, err
	}
	err = job.Userf(job.ErrNoSpace, "Waiting for room.")
	_, got := s.Prepare(t.Context(), j, 1, nil)
	wantFailure(t, got, diskFull, "Waiting for room.")
	if !errors.Is(got, job.ErrNoSpace) {
		t.Errorf("without room: %v", got)
	}
	if left := onDisk(t, filepath.Join(s.dir, "jobs/0/17/attempts/1")); !slices.Equal(left, []string{"output", "tmp"}) {
		t.Errorf("an attempt that waits for room has %q", left)
	}
	err = job.Userf(job.ErrExhausted, "Never.")
	_, got = s.Prepare(t.Context(), j, 1, nil)
	wantFailure(t, got, launchFail, "Never.")
	err = nil
	task, got := s.Prepare(t.Context(), j, 1, nil)
	must(t, got)
	for _, bytes := range asked {
		if bytes < 1<<20+1 || bytes > 1<<20+16<<10 {
			t.Errorf("asked for %d bytes", bytes)
		}
	}
	if len(asked) != 3 || released != 1 {
		t.Errorf("asked %d times, released %d times", len(asked), released)
	}
	shell(t, task, `[ "$(wc -c <"$STINT_PARAM_dir"/x)" = 1048576 ] && [ "$(cat "$STINT_PARAM_dir"/y)" = y ]`)
	if got := onDisk(t, task.Dir.Path()+"/input"); len(got) != 4 { // nothing is left of the first two
		t.Errorf("there is %q", got)
	}
}

func TestACopyThatTakesAWhileIsToldOf(t *testing.T) {
	tellEvery = 0
	defer func() { tellEvery = defaultTellEvery }()
	s := newStation(t)
	s.put(t, "/big", strings.Repeat("x", 40<<20))
	var told []string
	_, err := s.Prepare(t.Context(), newJob(t, "Cat", map[string]any{"read": "/big"}), 1, func(m string) { told = append(told, m) })
	must(t, err)
	want := []string{"Copying the file /big: 16.8 MB of 41.9 MB.", "Copying the file /big: 33.6 MB of 41.9 MB."}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

func TestACopyEndsWithItsContext(t *testing.T) {
	tellEvery = 0
	defer func() { tellEvery = defaultTellEvery }()
	s := newStation(t)
	s.put(t, "/big", strings.Repeat("x", 40<<20))
	ctx, cancel := context.WithCancel(t.Context())
	j := newJob(t, "Cat", map[string]any{"read": "/big"})
	_, err := s.Prepare(ctx, j, 1, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if left := onDisk(t, filepath.Join(s.dir, "jobs/0/17/attempts/1")); !slices.Equal(left, []string{"output", "tmp"}) {
		t.Errorf("left %q", left)
	}
}
