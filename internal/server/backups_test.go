package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/store/file"
)

// testBackups makes copies of a few bytes, which are good.
func testBackups(t *testing.T) *backups {
	t.Helper()
	return &backups{
		cfg: BackupConfig{Dir: filepath.Join(t.TempDir(), "backups"), Every: time.Hour, Keep: 2}, log: slog.New(slog.DiscardHandler),
		copy:  func(path string) (int64, error) { return 4, os.WriteFile(path, []byte("copy"), 0o600) },
		size:  func() int64 { return 4 },
		at:    func() file.Position { return file.Position{Revision: 17} },
		check: func(context.Context, string) ([]string, error) { return nil, nil },
		last:  backupState{ok: true},
	}
}

// files are the names in the folder of the backups, the unfinished ones included.
func (b *backups) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(b.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

//nolint:forbidigo // fake time: a synctest bubble
func TestBackupsAreMadeInTimeAndOldOnesRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBackups(t)
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		time.Sleep(time.Second)
		if got := b.files(t); len(got) != 1 || got[0] != nameOfBackup(begin, 17) {
			t.Fatalf("at the start there are %v", got)
		}
		time.Sleep(3 * time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := []string{nameOfBackup(begin.Add(2*time.Hour), 17), nameOfBackup(begin.Add(3*time.Hour), 17)}
		if got := b.files(t); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("after three hours there are %v, want %v", got, want)
		}
		if last := b.state(); !last.ok || last.bytes != 4 || !last.time.Equal(begin.Add(3*time.Hour)) {
			t.Errorf("the state is %+v", last)
		}
		// Another process goes on where this one ended, and removes what is unfinished.
		next := testBackups(t)
		next.cfg.Dir = b.cfg.Dir
		part := filepath.Join(b.cfg.Dir, "."+nameOfBackup(begin, 1)+".part")
		if err := os.WriteFile(part, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		next.begin()
		if wait := next.due(time.Now()); wait > time.Hour || wait < 58*time.Minute || next.state().bytes != 4 {
			t.Errorf("the next one is due in %v; the state is %+v", wait, next.state())
		}
		if got := next.files(t); len(got) != 2 {
			t.Errorf("there are %v", got)
		}
	})
}

// A backup that fails leaves nothing, takes no good one's place, shows in the metrics, and is tried again.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestABackupThatFailsIsReportedAndTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(*backups){
		"copy": func(b *backups) { b.copy = func(string) (int64, error) { return 0, errors.New("broken") } },
		"damaged": func(b *backups) {
			b.check = func(context.Context, string) ([]string, error) { return []string{"page 3: broken"}, nil }
		},
		"check": func(b *backups) {
			b.check = func(context.Context, string) ([]string, error) { return nil, errors.New("broken") }
		},
		"room":   func(b *backups) { b.floor = 1 << 60 },
		"folder": func(b *backups) { b.cfg.Dir = filepath.Join(b.cfg.Dir, nameOfBackup(time.Now(), 17), "below-a-file") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := testBackups(t)
				b.cfg.Every = 4 * time.Hour
				var log strings.Builder
				b.log = slog.New(slog.NewTextHandler(&log, nil))
				dir := b.cfg.Dir
				b.try(t.Context())
				if len(b.files(t)) != 1 {
					t.Fatal("no good backup")
				}
				fail(b)
				time.Sleep(time.Second)
				b.try(t.Context())
				if b.state().ok || !strings.Contains(log.String(), "the backup of the database failed") {
					t.Errorf("the state is %+v, the log %s", b.state(), log.String())
				}
				if wait := b.due(time.Now().Add(4 * time.Hour)); wait != retryAfter {
					t.Errorf("tried again in %v", wait)
				}
				b.cfg.Dir = dir
				if got := b.files(t); len(got) != 1 {
					t.Errorf("there are %v", got)
				}
			})
		})
	}
}

func TestNamesOfBackupsSortByTime(t *testing.T) {
	at := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	first, second := nameOfBackup(at, 1<<60), nameOfBackup(at.Add(time.Second), 9)
	if first >= second {
		t.Errorf("%s is not before %s", first, second)
	}
	if got, err := timeOfBackup(first); err != nil || !got.Equal(at) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := timeOfBackup("stint-1.db"); err == nil {
		t.Error("a name of something else is taken")
	}
}

func TestBackupSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		cfg  BackupConfig
		want string
	}{
		{BackupConfig{}, ""},
		{BackupConfig{Dir: "x", Every: time.Hour, Keep: 1}, ""},
		{BackupConfig{Dir: "x", Every: time.Second, Keep: 1}, "--backup-every"},
		{BackupConfig{Dir: "x", Every: time.Hour}, "--backup-keep"},
	} {
		err := c.cfg.check()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

// A backup whose name cannot be taken is removed again, reported, and takes no good one's place.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestABackupThatCannotBeNamedLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBackups(t)
		var log strings.Builder
		b.log = slog.New(slog.NewTextHandler(&log, nil))
		b.try(t.Context())
		good, taken := nameOfBackup(time.Now(), 17), nameOfBackup(time.Now().Add(time.Second), 17)
		if err := os.Mkdir(filepath.Join(b.cfg.Dir, taken), 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b.try(t.Context())
		if b.state().ok || !strings.Contains(log.String(), "name the copy") {
			t.Errorf("the state is %+v, the log %s", b.state(), log.String())
		}
		if got := b.files(t); strings.Join(got, " ") != good+" "+taken {
			t.Errorf("there are %v", got)
		}
		time.Sleep(time.Second)
		if b.try(t.Context()); !b.state().ok {
			t.Errorf("the next one failed, too: %s", log.String())
		}
	})
}

// An old backup that cannot be removed is reported, keeps no other from going, and does not make the new one a failure.
func TestOldBackupsThatCannotBeRemovedAreReported(t *testing.T) {
	b := testBackups(t)
	var log strings.Builder
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	b.cfg.Keep = 1
	begin := time.Now()
	var old []string
	for i := range 3 {
		path := filepath.Join(b.cfg.Dir, nameOfBackup(begin.Add(time.Duration(i-5)*time.Hour), 17))
		if err := errors.Join(os.MkdirAll(b.cfg.Dir, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		old = append(old, path)
	}
	if err := unix.Mount(old[1], old[1], "", unix.MS_BIND, ""); err != nil { // what is mounted cannot be removed
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(old[1], unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b.try(t.Context())
	if !b.state().ok || !strings.Contains(log.String(), "remove old backups") {
		t.Errorf("the state is %+v, the log %s", b.state(), log.String())
	}
	if got := b.files(t); len(got) != 2 || got[0] != filepath.Base(old[1]) || got[1] <= filepath.Base(old[2]) {
		t.Errorf("there are %v", got)
	}
}
