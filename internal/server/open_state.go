package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/workdir"
)

// openFolders makes the folders where they are missing and takes their locks.
func (s *server) openFolders(ctx context.Context, f folders) (err error) {
	if err := f.check(s.cfg.StateOnNetworkFS); err != nil {
		return err
	}
	if err := f.make(); err != nil {
		return ofDisk(err)
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return ofDisk(err)
	}
	s.closeLater(unlock)
	if err := f.checkMissing(); err != nil {
		return err
	}
	if s.folders, err = workdir.Open(filepath.Join(f.data, "jobs")); err != nil {
		return err
	}
	s.closeLater(s.folders.Close)
	return nil
}

// checkMissing refuses to begin a new database where an installation has had one.
func (f folders) checkMissing() error {
	if _, err := os.Stat(f.database()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m, err := readMarker(f.data)
	if err != nil || m == nil {
		return err
	}
	return refused(fmt.Errorf("there is no database in the state folder %s, and the data folder %s belongs to installation %s, whose state folder is %s. "+
		"Give that with --state; or, if it is lost, put a backup in place with stintd restore; or, if there is none, remove %s to begin a new list of jobs beside the folders that are there",
		f.state, f.data, m.Installation, m.State, filepath.Join(f.data, markerName)))
}

// make makes the folders, for their owner only.
func (f folders) make() error {
	for what, path := range map[string]string{"data": f.data, "state": f.state} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make the %s folder: %w", what, err)
		}
	}
	return nil
}

// absolute returns the paths of the folders; those within another one are left out.
func (f folders) absolute() ([]string, error) {
	data, err := filepath.Abs(f.data)
	if err != nil {
		return nil, err
	}
	state, err := filepath.Abs(f.state)
	if err != nil {
		return nil, err
	}
	if in, err := filepath.Rel(data, state); err == nil && filepath.IsLocal(in) {
		return []string{data}, nil
	}
	return []string{data, state}, nil
}

// storeReserve is how many bytes beside the database are given up when the disk is full, so that the ends of jobs that run
// can still be stored: some thousand of them.
const storeReserve = 16 << 20

// openStore opens the database, if it is the one that was here last.
func (s *server) openStore() error {
	f := s.cfg.folders()
	last, err := s.folders.Last()
	if err != nil {
		return err
	}
	st, err := store.Open(store.Config{Path: f.database(), Logger: s.log, Retention: s.cfg.retention(), Limits: s.cfg.quotas(), FirstID: last + 1, Reserve: storeReserve, Turn: s.turns.Take})
	if errors.Is(err, file.ErrFirstEdition) {
		return firstEdition(f.database())
	}
	if errors.Is(err, file.ErrNewerFormat) {
		return refused(fmt.Errorf("%s: %w. Start the version that wrote it, or put a backup that this version made in place with stintd restore --replace", f.database(), err))
	}
	if errors.Is(err, job.ErrUnavailable) {
		return locked(fmt.Errorf("another program has the database in %s open: %w", f.state, err))
	}
	if err != nil {
		return unusable(err)
	}
	s.store = st
	s.closeLater(st.Close)
	if err := s.initSettings(f); err != nil {
		return err
	}
	notes := &noter{folders: f, position: st.Position, log: s.log}
	notes.note()
	s.notes = notes
	s.backups = newBackups(s.cfg, st, s.log)
	s.closeLater(func() error { // before the store closes, and after the last change
		if st.Healthy() == nil {
			notes.note()
		}
		return nil
	})
	return nil
}

// initSettings refuses a database that is not of this place, and makes what one does not have yet.
func (s *server) initSettings(f folders) error {
	set := proto.CloneOf(s.store.Settings())
	now, err := placeOf(f)
	if err != nil {
		return err
	}
	mark, err := readMarker(f.data)
	if err != nil {
		return err
	}
	fresh := set.GetInstallId() == ""
	if fresh {
		set.InstallId, set.Incarnation, set.PlaceId, set.Place = installID(), rand.Text(), rand.Text(), now
	}
	if set.GetIncarnation() == "" {
		return firstEdition(f.database())
	}
	if err := mark.belongs(f, set); err != nil {
		return err
	}
	if !fresh {
		if err := errors.Join(checkPlace(f, set, now), checkAcknowledged(f, s.store.Position())); err != nil {
			return err
		}
		set.Place = now
	}
	for _, key := range []*[]byte{&set.PageTokenKey, &set.JobTokenKey} {
		if len(*key) != 32 {
			*key = make([]byte, 32)
			_, _ = rand.Read(*key) // never fails: crypto/rand ends the program instead
		}
	}
	return s.storeSettings(f, set, mark)
}

// storeSettings stores what has changed, and marks the data folder.
func (s *server) storeSettings(f folders, set *storev1.Settings, mark *marker) error {
	if !proto.Equal(set, s.store.Settings()) {
		if err := s.store.SetSettings(context.Background(), set); err != nil {
			return err
		}
	}
	if mark != nil && mark.fits(f, set) {
		return nil
	}
	return writeMarker(f, set)
}

// installID is short, for it is part of names that engines show.
func installID() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	b := make([]byte, 6)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}
