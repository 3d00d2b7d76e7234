package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// BackupConfig says where copies of the database are kept.
type BackupConfig struct {
	// Dir is the folder for them. Empty means that none are made.
	Dir string
	// Every is the time between two of them.
	Every time.Duration
	// Keep is how many good ones are kept.
	Keep int
}

func defineBackup(f *pflag.FlagSet, c *BackupConfig) {
	f.StringVar(&c.Dir, "backup-dir", "", "folder for backups of the database, best on another disk; empty makes none")
	f.DurationVar(&c.Every, "backup-every", 24*time.Hour, "time between two backups")
	f.IntVar(&c.Keep, "backup-keep", 7, "backups that are kept")
}

func (c BackupConfig) check() error {
	if c.Dir == "" {
		return nil
	}
	var errs []error
	if c.Every < time.Minute {
		errs = append(errs, errors.New("--backup-every must be a minute at least"))
	}
	if c.Keep < 1 {
		errs = append(errs, errors.New("--backup-keep must be 1 at least"))
	}
	return errors.Join(errs...)
}

// retryAfter is how long a backup that failed waits for the next try, if the next one is not due before.
const retryAfter = 15 * time.Minute

// backups makes copies of the database, and checks each.
type backups struct {
	cfg   BackupConfig
	floor int64 // bytes that must stay free on the disk of the copies
	log   *slog.Logger
	copy  func(path string) (int64, error) // durable when it returns
	size  func() int64                     // of the next copy, about
	at    func() file.Position
	check func(ctx context.Context, path string) (problems []string, err error)

	mu   sync.Mutex
	last backupState
}

// backupState is what the metrics show.
type backupState struct {
	time  time.Time // of the newest good one; zero without any
	bytes int64
	ok    bool // the last try made a good one
}

// newBackups returns nil where none are to be made.
func newBackups(c Config, st *store.Store, log *slog.Logger) *backups {
	if c.Backup.Dir == "" {
		return nil
	}
	return &backups{
		cfg: c.Backup, floor: c.MinFreeSpace, log: log, copy: st.Backup, size: st.Size, at: st.Position,
		check: func(ctx context.Context, path string) ([]string, error) { return checkInChild(ctx, thisProgram, path) },
		last:  backupState{ok: true},
	}
}

// state is how the backups are.
func (b *backups) state() backupState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// Run makes backups until ctx ends. One that fails is reported and tried again; it never ends the server.
func (b *backups) Run(ctx context.Context) error {
	b.begin()
	for {
		wait := b.due(time.Now())
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		b.try(ctx)
	}
}

// begin finds the newest good backup and removes what an earlier process did not finish.
func (b *backups) begin() {
	names, err := b.list()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.log.Error("look for backups", "error", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(names) > 0 {
		newest := names[len(names)-1]
		b.last.time, _ = timeOfBackup(newest)
		if info, err := os.Stat(filepath.Join(b.cfg.Dir, newest)); err == nil {
			b.last.bytes = info.Size()
		}
	}
	parts, _ := filepath.Glob(filepath.Join(b.cfg.Dir, ".stint-*.part*"))
	for _, path := range parts {
		if err := os.Remove(path); err != nil {
			b.log.Warn("remove an unfinished backup", "error", err)
		}
	}
}

// due returns how long to wait for the next one.
func (b *backups) due(now time.Time) time.Duration {
	last := b.state()
	if last.time.IsZero() && last.ok {
		return 0
	}
	wait := last.time.Add(b.cfg.Every).Sub(now)
	if !last.ok {
		wait = max(wait, min(retryAfter, b.cfg.Every))
	}
	return max(wait, 0)
}

// try makes a backup and notes how that went.
func (b *backups) try(ctx context.Context) {
	begin := time.Now()
	name, size, err := b.make(ctx)
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	if b.last.ok = err == nil; b.last.ok {
		b.last.time, b.last.bytes = begin, size
	}
	b.mu.Unlock()
	if err != nil {
		b.log.Error("the backup of the database failed", "error", err)
		return
	}
	b.log.Info("the database was backed up and the copy checked", "file", name, "bytes", size, "seconds", time.Since(begin).Seconds())
	if err := b.prune(); err != nil {
		b.log.Error("remove old backups", "error", err)
	}
}

// make makes one backup: under another name until it is complete, durable and found to be good.
func (b *backups) make(ctx context.Context) (name string, size int64, err error) {
	if err := os.MkdirAll(b.cfg.Dir, 0o700); err != nil {
		return "", 0, fmt.Errorf("make the folder for backups: %w", err)
	}
	// The revision is read before the copy begins, so that the copy has come as far at least.
	name = nameOfBackup(time.Now(), b.at().Revision)
	part := filepath.Join(b.cfg.Dir, "."+name+".part")
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(part))
		}
	}()
	if size, err = b.write(part); err != nil {
		return name, 0, fmt.Errorf("write the copy: %w", err)
	}
	problems, err := b.check(ctx, part)
	if err != nil {
		return name, 0, fmt.Errorf("check the copy: %w", err)
	}
	if len(problems) > 0 {
		return name, 0, fmt.Errorf("the copy is damaged: %s (%d problems in all)", problems[0], len(problems))
	}
	if err := os.Rename(part, filepath.Join(b.cfg.Dir, name)); err != nil {
		return name, 0, fmt.Errorf("name the copy: %w", err)
	}
	return name, size, syncFolder(b.cfg.Dir)
}

// write writes the copy, if the disk then keeps its floor.
func (b *backups) write(path string) (int64, error) {
	free, err := freeBytes(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	if need := b.size(); free-need < b.floor {
		return 0, fmt.Errorf("the disk of the backups has %d bytes of room, the copy needs %d, and --min-free-space keeps %d", free, need, b.floor)
	}
	return b.copy(path)
}

// The name of a backup has the time and the revision, so that names sort by time.
var backupRE = regexp.MustCompile(`^stint-([0-9]{8}T[0-9]{6}Z)-r[0-9]{20}\.db$`)

const backupTime = "20060102T150405Z"

func nameOfBackup(at time.Time, revision uint64) string {
	digits := strconv.FormatUint(revision, 10)
	return fmt.Sprintf("stint-%s-r%s%s.db", at.UTC().Format(backupTime), strings.Repeat("0", 20-len(digits)), digits)
}

func timeOfBackup(name string) (time.Time, error) {
	m := backupRE.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, fmt.Errorf("%s is not the name of a backup", name)
	}
	return time.Parse(backupTime, m[1])
}

// list returns the names of the good backups, oldest first.
func (b *backups) list() ([]string, error) {
	entries, err := os.ReadDir(b.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if backupRE.MatchString(e.Name()) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// prune removes the oldest backups above the number that is kept.
func (b *backups) prune() error {
	names, err := b.list()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names[:max(0, len(names)-b.cfg.Keep)] {
		errs = append(errs, os.Remove(filepath.Join(b.cfg.Dir, name)))
	}
	return errors.Join(errs...)
}
