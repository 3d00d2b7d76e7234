package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/stint-jobs/stint/internal/store/file"
)

// The server notes how far the database was, in a small file beside it and in one in the data folder, after it was
// committed. A database that has not come as far is an older whole one: consistent by itself, so that no check of it
// alone can tell that acknowledged changes are missing.

const (
	acknowledgedName = "acknowledged.json"
	// noteEvery is how often it is noted. What was acknowledged since is not missed.
	noteEvery = 5 * time.Second
)

// acknowledged is what the file has.
type acknowledged struct {
	Incarnation string    `json:"incarnation"`
	Revision    uint64    `json:"revision"`
	Audit       uint64    `json:"audit"`
	Time        time.Time `json:"time"`
}

func (a acknowledged) position() file.Position {
	return file.Position{Incarnation: a.Incarnation, Revision: a.Revision, AuditSequence: a.Audit}
}

// noter notes how far the store is.
type noter struct {
	folders  folders
	position func() file.Position
	log      *slog.Logger
	last     file.Position
}

// run notes it at intervals until ctx ends.
func (n *noter) run(ctx context.Context) {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.note()
		}
	}
}

// note notes it if it has changed.
func (n *noter) note() {
	at := n.position()
	if at == n.last {
		return
	}
	if err := noteAcknowledged(n.folders, at); err != nil {
		n.log.Warn("note how far the database is", "error", err)
		return
	}
	n.last = at
}

// noteAcknowledged writes both files.
func noteAcknowledged(f folders, at file.Position) error {
	a := acknowledged{Incarnation: at.Incarnation, Revision: at.Revision, Audit: at.AuditSequence, Time: time.Now().UTC().Truncate(time.Second)}
	return errors.Join(
		replaceJSON(filepath.Join(f.state, acknowledgedName), a),
		replaceJSON(filepath.Join(f.data, acknowledgedName), a))
}

// readAcknowledged returns what was noted in each of the folders.
func readAcknowledged(f folders) ([]acknowledged, error) {
	var all []acknowledged
	for _, dir := range []string{f.state, f.data} {
		if dir == "" { // a tool was not told the data folder
			continue
		}
		path := filepath.Join(dir, acknowledgedName)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read how far the database was: %w", err)
		}
		var a acknowledged
		if err := json.Unmarshal(b, &a); err != nil {
			return nil, refused(fmt.Errorf("%s says how far the database was and cannot be read: %w. Remove it if nothing else is wrong with the folder", path, err))
		}
		all = append(all, a)
	}
	return all, nil
}

// older returns in words that a database is older than what was acknowledged; empty where it is not.
func older(f folders, at file.Position) (string, error) {
	all, err := readAcknowledged(f)
	if err != nil {
		return "", err
	}
	for _, last := range all {
		switch then := last.Time.Format(time.RFC3339); {
		case last.Incarnation != at.Incarnation:
			return fmt.Sprintf("the database is not the one that the server last had: it is incarnation %q, and at %s the server had incarnation %q", at.Incarnation, then, last.Incarnation), nil
		case at.Before(last.position()):
			return fmt.Sprintf("the database is older than what the server last acknowledged: it is at revision %d and audit entry %d, and at %s the server was at revision %d and audit entry %d",
				at.Revision, at.AuditSequence, then, last.Revision, last.Audit), nil
		}
	}
	return "", nil
}

// checkAcknowledged refuses to go on from an older database, which would give out ids and revisions again.
func checkAcknowledged(f folders, at file.Position) error {
	text, err := older(f, at)
	if err != nil || text == "" {
		return err
	}
	return refused(fmt.Errorf("%s. Put a backup in place with stintd restore FILE --state %s --data %s; "+
		"or, to go on with what there is and without the changes that are missing, run once: stintd adopt --state %s --data %s", text, f.state, f.data, f.state, f.data))
}

// replaceJSON replaces a file as a whole and makes that durable.
func replaceJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}
