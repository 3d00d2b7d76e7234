package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// What changes with each event that a folder can live through.
func TestAPlaceIsKnownAgain(t *testing.T) {
	disk, other, anonymous := unix.Mkdev(254, 0), unix.Mkdev(254, 1), unix.Mkdev(0, 40)
	was := &storev1.Place{
		MachineId: "m", BootId: "b1", State: &storev1.Folder{Device: disk, Inode: 10, BirthNs: 5}, Data: &storev1.Folder{Device: anonymous, Inode: 20},
	}
	for _, c := range []struct {
		event  string
		change func(*storev1.Place)
		want   string
	}{
		{"nothing, or a rename", func(*storev1.Place) {}, ""},
		{"restart of the machine", func(p *storev1.Place) { p.BootId = "b2" }, ""},
		{"restart with other numbers of devices", func(p *storev1.Place) { p.BootId, p.State.Device = "b2", other }, ""},
		{"remount of a network file system", func(p *storev1.Place) { p.Data.Device = unix.Mkdev(0, 41) }, ""},
		{"a machine without an id", func(p *storev1.Place) { p.MachineId = "" }, ""},
		{"a file system that tells no birth", func(p *storev1.Place) { p.State.BirthNs = 0 }, ""},
		{"copy of the state", func(p *storev1.Place) { p.State.Inode, p.State.BirthNs = 11, 6 }, "state folder was another one"},
		{"copy of the data", func(p *storev1.Place) { p.Data.Inode = 21 }, "data folder was another one"},
		{"snapshot of the disk beside it", func(p *storev1.Place) { p.State.Device = other }, "state folder was another one"},
		{"copy to the root of another disk, after a restart", func(p *storev1.Place) { p.BootId, p.State.Device, p.State.BirthNs = "b2", other, 9 }, "state folder was another one"},
		{"another machine", func(p *storev1.Place) { p.MachineId, p.BootId = "n", "b9" }, "another machine"},
	} {
		now := proto.CloneOf(was)
		c.change(now)
		got := strings.Join(differences(was, now), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.event, got, c.want)
		}
	}
}

func TestAFolderIsLockedOnce(t *testing.T) {
	f := foldersOf("", t.TempDir())
	if err := f.make(); err != nil {
		t.Fatal(err)
	}
	unlock, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{f.state, f.data} {
		if _, err := lockFolder(t.Context(), dir); exitCode(err) != exitLocked {
			t.Errorf("%s is locked twice: %v", dir, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.lock(ctx); exitCode(err) != exitLocked {
		t.Errorf("a call that was cancelled: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := f.lockedTool(t.Context(), func() error { return errors.New("did") }); err == nil || err.Error() != "did" {
		t.Error(err)
	}
	if _, err := lockFolder(t.Context(), filepath.Join(f.data, "missing")); err == nil {
		t.Error("a folder that is not there is locked")
	}
}

func TestHiddenFoldersAreThoseOfTheInstallation(t *testing.T) {
	for _, c := range []struct {
		state, data string
		want        int
	}{{"", "/d", 1}, {"/d/x/state", "/d", 1}, {"/s", "/d", 2}, {"/dd", "/d", 2}} {
		got, err := foldersOf(c.state, c.data).absolute()
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

func TestExitCodesAreDocumented(t *testing.T) {
	text := readOperations(t)
	for _, e := range exits {
		if row := fmt.Sprintf("\n| `%d` | %s |", e.code, e.meaning); !strings.Contains(text, row) {
			t.Errorf("%s has no row %q in its table of exit codes", operations, strings.TrimSpace(row))
		}
	}
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailed},
		{fmt.Errorf("x: %w", errUsage), exitUsage},
		{fmt.Errorf("x: %w", job.ErrStorage), exitStorage},
		{fmt.Errorf("x: %w", locked(os.ErrExist)), exitLocked},
		{errors.Join(refused(os.ErrExist), job.ErrStorage), exitRefused},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
	}
}

// A database that does not close after its failure does not keep the server.
func TestAnEndThatHangsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		if err := within(time.Second, func() error { <-hang; return nil }); err == nil {
			t.Error("it was waited for")
		}
		close(hang)
		if err := within(time.Second, func() error { return os.ErrExist }); !errors.Is(err, os.ErrExist) {
			t.Error(err)
		}
	})
}
