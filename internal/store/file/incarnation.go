package file

import (
	"errors"
	"fmt"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Position is how far a database has come.
type Position struct {
	// Incarnation is that of the settings. It is empty in a database that no server has used.
	Incarnation string
	// Revision of the last change.
	Revision uint64
	// AuditSequence is the number of the last entry of the audit.
	AuditSequence uint64
}

// Before reports whether p is an earlier position of the same incarnation than q.
func (p Position) Before(q Position) bool {
	return p.Incarnation == q.Incarnation && (p.Revision < q.Revision || p.AuditSequence < q.AuditSequence)
}

// Info is what a database says of itself.
type Info struct {
	// Position is how far it has come.
	Position Position
	// NextID is the id that the next job would get.
	NextID job.ID
	// Settings of the database. Never nil.
	Settings *storev1.Settings
}

// ReadInfo reads the database of a server that does not run.
func ReadInfo(path string) (info Info, err error) {
	err = View(path, func(tx *kv.ReadTx) error {
		info, err = readInfo(tx)
		return err
	})
	if err != nil {
		return Info{}, fmt.Errorf("read store %s: %w", path, err)
	}
	return info, nil
}

func readInfo(tx *kv.ReadTx) (Info, error) {
	c, err := ReadCounters(tx)
	if err != nil {
		return Info{}, err
	}
	_, end, err := audit.Heads(tx)
	if err != nil {
		return Info{}, err
	}
	set, err := ReadSettings(tx)
	if err != nil {
		return Info{}, err
	}
	at := Position{Incarnation: set.GetIncarnation(), Revision: c.Revision, AuditSequence: end.Sequence}
	return Info{Position: at, NextID: c.NextID, Settings: set}, nil
}

// Incarnation is a new beginning of a database.
type Incarnation struct {
	// Name is random text that no other incarnation has.
	Name string
	// FirstID is the least id of new jobs.
	FirstID job.ID
	// Gap is how many revisions are skipped. Cursors of other incarnations fall into the gap.
	Gap uint64
	// Edit changes the settings in the same transaction. Nil changes nothing.
	Edit func(*storev1.Settings)
	// By says who does it, and becomes an entry of the audit.
	By *storev1.AuditEntry
}

// BeginIncarnation begins a new incarnation in the database of a server that does not run: its revisions and ids go on
// behind a gap, so that those which another incarnation gave out are never given out again. It returns the new position.
func BeginIncarnation(path string, in Incarnation) (at Position, err error) {
	if in.Name == "" || in.Gap == 0 {
		return at, fmt.Errorf("begin an incarnation of %s: it needs a name and a gap", path)
	}
	err = update(path, func(tx *kv.Tx) (err error) {
		at, err = beginIncarnation(tx, in)
		return err
	})
	if err != nil {
		return at, fmt.Errorf("begin an incarnation of %s: %w", path, err)
	}
	return at, nil
}

func beginIncarnation(tx *kv.Tx, in Incarnation) (Position, error) {
	info, err := readInfo(&tx.ReadTx)
	if err != nil {
		return Position{}, err
	}
	c, err := ReadCounters(&tx.ReadTx)
	if err != nil {
		return Position{}, err
	}
	set := info.Settings
	gap := &storev1.RevisionGap{After: c.Revision, Until: c.Revision + in.Gap}
	set.Incarnation, set.Gaps = in.Name, append(set.Gaps, gap)
	SkipIDs(set, c.NextID, in.FirstID)
	if in.Edit != nil {
		in.Edit(set)
	}
	c.Revision, c.NextID = gap.GetUntil(), max(c.NextID, in.FirstID)
	sequence, err := appendOffline(tx, &c, in.By)
	err = errors.Join(err, PutSettings(tx, set), c.Put(tx))
	return Position{Incarnation: in.Name, Revision: c.Revision, AuditSequence: sequence}, err
}

// appendOffline appends an entry to the audit of a server that does not run and returns its number.
func appendOffline(tx *kv.Tx, c *Counters, by *storev1.AuditEntry) (uint64, error) {
	head, err := audit.AppendOne(tx, by, c.Advance(time.Now()))
	return head.Sequence, err
}
