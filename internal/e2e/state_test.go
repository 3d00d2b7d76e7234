package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// refuses wants stintd not to serve, for a reason in words.
func refuses(t *testing.T, words []string, args ...string) {
	t.Helper()
	args = append([]string{"--services", "testdata/services", "--listen", "127.0.0.1:0"}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "stintd"), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitRefused {
		t.Errorf("stintd %v: %v\n%s", args, err, said.String())
	}
	for _, want := range words {
		if !strings.Contains(said.String(), want) {
			t.Errorf("stintd %v does not say %q:\n%s", args, want, said.String())
		}
	}
}

// copyFolder makes a copy with all attributes, as an operator does.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A server that is started on a copy of the folders refuses, and the original's job goes on. Once the copy was adopted a
// server starts on it, and still does not end the original's processes.
func TestACopyBesideItsOriginal(t *testing.T) {
	dir := t.TempDir()
	original, copied := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	h := newHostileOn(t, original)
	j := misbehave("wait")
	j.Retry = &jobsv1.RetryPolicy{MaxAttempts: 1}
	id := h.submit("ann", j)
	h.until(id, jobsv1.State_STATE_RUNNING)
	h.written(t, id, 1, "pid", 1)
	copyFolder(t, original, copied)
	refuses(t, []string{"state folder was another one", "data folder was another one", "stintd adopt --state " + copied, "stintd restore"}, "--data", copied)
	if got := h.get(id).GetState(); got != jobsv1.State_STATE_RUNNING {
		t.Fatalf("the original's job is %v", got)
	}
	stintd(t, "adopt", "--data", copied)
	second := &server{TB: t, data: copied, flags: []string{"--auth", "token"}}
	newServerWith(t, second)
	ann := h.as("ann")
	lost := untilEnd(t, second, ann, id)
	if lost.GetReason() != jobsv1.Reason_REASON_LOST {
		t.Errorf("in the copy the job is %v %v", lost.GetState(), lost.GetReason())
	}
	second.stop()
	if !strings.Contains(second.log.String(), "started at another place") {
		t.Error("the copy's log does not say what it left alone")
	}
	if got := h.get(id).GetState(); got != jobsv1.State_STATE_RUNNING {
		t.Fatalf("the original's job is %v", got)
	}
	h.release()
	h.want(t, id, jobsv1.State_STATE_COMPLETED, 0)
}

// untilEnd waits for the end of a job and returns it.
func untilEnd(t *testing.T, s *server, ctx context.Context, id string) *jobsv1.Job { //nolint:revive // the context is who calls
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stream, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{Id: id, UntilFinal: true})
	for err == nil {
		_, err = stream.Recv()
	}
	got, err := s.jobs().Get(ctx, &jobsv1.GetRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return got.GetJob()
}

// Folders that were renamed are the same ones.
func TestRenamedFoldersAreTheSame(t *testing.T) {
	dir := t.TempDir()
	s := newServerOn(t, filepath.Join(dir, "a"))
	s.stop()
	s.data = filepath.Join(dir, "b")
	if err := os.Rename(filepath.Join(dir, "a"), s.data); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.stop()
	s.check()
}

// The state can be apart from the data, and each is refused without the other.
func TestStateApartFromData(t *testing.T) {
	dir := t.TempDir()
	state, data := filepath.Join(dir, "state"), filepath.Join(dir, "data")
	s := newServerOn(t, data, "--state", state)
	s.flags = []string{"--state", state}
	if _, err := os.Stat(filepath.Join(data, "state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a state folder below the data: %v", err)
	}
	if out, code := run(t, "stintd", "token", "list", "--state", state); code != 0 {
		t.Errorf("over the socket: exit code %d, %s", code, out)
	}
	// The data folder is in use whatever state a second server has.
	if _, code := run(t, "stintd", "--data", data, "--listen", "127.0.0.1:0", "--services", "testdata/services"); code != exitLocked {
		t.Errorf("a second server on the data: exit code %d", code)
	}
	s.stop()
	refuses(t, []string{"there is no database in the state folder", "whose state folder is " + state, "stintd restore"}, "--data", data, "--state", filepath.Join(dir, "other"))
	refuses(t, []string{"data folder was another one"}, "--data", filepath.Join(dir, "third"), "--state", state)
	fourth := newServerOn(t, filepath.Join(dir, "fourth"))
	fourth.stop()
	refuses(t, []string{"belongs to installation"}, "--data", data, "--state", filepath.Join(dir, "fourth", "state"))
	s.start()
}

func TestTheFirstEditionIsRefused(t *testing.T) {
	data := t.TempDir()
	old := filepath.Join(data, "jobs.db")
	if err := os.WriteFile(old, []byte("whatever"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, []string{old, "first edition", "empty state folder", "workspaces"}, "--data", data)
	if _, err := os.Stat(filepath.Join(data, "state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a state folder was made: %v", err)
	}
}

// FUSE stands for the network file systems, which a test cannot mount.
func TestAStateOnANetworkFileSystemIsRefused(t *testing.T) {
	dir, below := t.TempDir(), t.TempDir()
	root, err := fs.NewLoopbackRoot(below)
	if err != nil {
		t.Fatal(err)
	}
	mounted, err := fs.Mount(dir, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true, FsName: "test", Name: "stint"}})
	if err != nil {
		if required("fuse") && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := mounted.Unmount(); err != nil {
			t.Error(err)
		}
	})
	state, data := filepath.Join(dir, "state"), t.TempDir()
	refuses(t, []string{state, "fuse.stint", "mounted on " + dir, "local disk", "--state-on-network-fs"}, "--data", data, "--state", state)
	refuses(t, []string{"fuse.stint"}, "--data", dir) // the default is below the data
	s := newServerOn(t, data, "--state", state, "--state-on-network-fs")
	if _, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{}); err != nil {
		t.Error(err)
	}
	s.stop()
}

// A database that is older than what was acknowledged is found by the check, and no server goes on from it.
func TestAnOlderDatabaseIsFound(t *testing.T) {
	s := newServer(t)
	s.stop()
	db := filepath.Join(s.data, "state", "jobs.db")
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	if _, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(0)}); err != nil {
		t.Fatal(err)
	}
	s.untilFinal(time.Minute)
	s.stop()
	if err := os.WriteFile(db, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := run(t, "stintd", "check", "--data", s.data); code != 1 || !strings.Contains(out, "older than what the server last acknowledged") {
		t.Errorf("exit code %d: %s", code, out)
	}
	refuses(t, []string{"older than what the server last acknowledged", "stintd restore", "stintd adopt"}, "--data", s.data)
	stintd(t, "adopt", "--data", s.data)
	s.check()
	s.start()
}

// What a loss of power can leave of a file never ends the check itself.
func TestACheckOfADamagedDatabaseSaysSo(t *testing.T) {
	s := newServer(t)
	for range 20 {
		if _, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(0)}); err != nil {
			t.Fatal(err)
		}
	}
	s.untilFinal(time.Minute)
	s.stop()
	db := filepath.Join(s.data, "state", "jobs.db")
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	var used []int
	for at := 2 * page; at+page <= len(whole); at += page {
		if !bytes.Equal(whole[at:at+page], make([]byte, page)) {
			used = append(used, at)
		}
	}
	for i := 0; i < len(used); i += 1 + len(used)/20 {
		at := used[i]
		broken := slices.Clone(whole)
		for i := range page {
			broken[at+i] ^= byte(0x5a + i)
		}
		if err := os.WriteFile(db, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stintd"), "check", "--data", s.data)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 || strings.Contains(errs.String(), "goroutine ") {
			t.Errorf("page %d: exit code %d\n%s%s", at/page, code, out, errs.String())
		}
	}
}

// Markers that cannot be read are refused with their path.
func TestDamagedMarkersAreRefused(t *testing.T) {
	s := newServer(t)
	s.stop()
	for _, path := range []string{filepath.Join(s.data, "installation.json"), filepath.Join(s.data, "state", "acknowledged.json")} {
		good, err := os.ReadFile(path)
		if err != nil || !json.Valid(good) {
			t.Fatalf("%s: %s, %v", path, good, err)
		}
		if err := os.WriteFile(path, good[:len(good)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, []string{path, "cannot be read"}, "--data", s.data)
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
}
