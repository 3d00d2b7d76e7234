package file

import (
	"errors"
	"fmt"

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
	c, broken := ReadCounters(tx)
	_, end, err := audit.Heads(tx)
	set, unreadable := ReadSettings(tx)
	at := Position{Incarnation: set.GetIncarnation(), Revision: c.Revision, AuditSequence: end.Sequence}
	return Info{Position: at, NextID: c.NextID, Settings: set}, errors.Join(broken, err, unreadable)
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
func BeginIncarnation(path string, in Incarnation, followers ...Follower) (at Position, err error) {
	if in.Name == "" || in.Gap == 0 {
		return at, fmt.Errorf("begin an incarnation of %s: it needs a name and a gap", path)
	}
	err = edit(path, func(e *editing) (err error) {
		at, err = e.beginIncarnation(in)
		return err
	}, followers)
	if err != nil {
		return at, fmt.Errorf("begin an incarnation of %s: %w", path, err)
	}
	return at, nil
}

func (e *editing) beginIncarnation(in Incarnation) (Position, error) {
	set, err := ReadSettings(&e.ReadTx)
	if err != nil {
		return Position{}, err
	}
	gap := &storev1.RevisionGap{After: e.counters.Revision, Until: e.counters.Revision + in.Gap}
	set.Incarnation, set.Gaps = in.Name, append(set.Gaps, gap)
	SkipIDs(set, e.counters.NextID, in.FirstID)
	if in.Edit != nil {
		in.Edit(set)
	}
	e.counters.Revision, e.counters.NextID = gap.GetUntil(), max(e.counters.NextID, in.FirstID)
	sequence, err := e.audit(in.By)
	return Position{Incarnation: in.Name, Revision: e.counters.Revision, AuditSequence: sequence}, errors.Join(err, PutSettings(e.Tx, set))
}
