package store

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
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

// Position returns how far the store has come. Everything up to it was committed.
func (s *Store) Position() Position {
	return Position{Incarnation: s.Settings().GetIncarnation(), Revision: s.Revision(), AuditSequence: s.AuditHead().Sequence}
}

// FileInfo is what a database says of itself.
type FileInfo struct {
	// Position is how far it has come.
	Position Position
	// NextID is the id that the next job would get.
	NextID job.ID
	// Settings of the database. Never nil.
	Settings *storev1.Settings
}

// ReadInfo reads the database of a server that does not run.
func ReadInfo(path string) (info FileInfo, err error) {
	err = viewFile(path, func(tx *kv.ReadTx) error {
		info, err = readInfo(tx)
		return err
	})
	if err != nil {
		return FileInfo{}, fmt.Errorf("read store %s: %w", path, err)
	}
	return info, nil
}

func readInfo(tx *kv.ReadTx) (FileInfo, error) {
	m, err := readMeta(tx)
	if err != nil {
		return FileInfo{}, err
	}
	_, end, err := readHeads(tx)
	if err != nil {
		return FileInfo{}, err
	}
	set := &storev1.Settings{}
	if err := proto.Unmarshal(tx.Get(bucketMeta, keySettings), set); err != nil {
		return FileInfo{}, fmt.Errorf("read the settings: %w: %w", job.ErrStorage, err)
	}
	at := Position{Incarnation: set.GetIncarnation(), Revision: m.revision, AuditSequence: end.Sequence}
	return FileInfo{Position: at, NextID: m.nextID, Settings: set}, nil
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
	err = updateFile(path, func(tx *kv.Tx) (err error) {
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
	m, err := readMeta(&tx.ReadTx)
	if err != nil {
		return Position{}, err
	}
	set := info.Settings
	gap := &storev1.RevisionGap{After: m.revision, Until: m.revision + in.Gap}
	set.Incarnation, set.Gaps = in.Name, append(set.Gaps, gap)
	skipIDs(set, m.nextID, in.FirstID)
	if in.Edit != nil {
		in.Edit(set)
	}
	m.revision, m.nextID = gap.GetUntil(), max(m.nextID, in.FirstID)
	raw, err := proto.Marshal(set)
	if err != nil {
		return Position{}, err
	}
	if err := errors.Join(tx.Put(bucketMeta, keySettings, raw), tx.Put(bucketMeta, keyCounters, m.encode())); err != nil {
		return Position{}, err
	}
	sequence, err := appendOffline(tx, in.By)
	return Position{Incarnation: in.Name, Revision: m.revision, AuditSequence: sequence}, err
}

// appendOffline appends an entry to the audit of a server that does not run and returns its number.
func appendOffline(tx *kv.Tx, by *storev1.AuditEntry) (uint64, error) {
	_, end, err := readHeads(&tx.ReadTx)
	if err != nil || by == nil {
		return end.Sequence, err
	}
	by.Time = timestamppb.Now()
	value := append(end.Hash[:], encodeAudit(by)...) // a new slice: the hash has no room
	end = end.link(value)
	copy(value, end.Hash[:])
	return end.Sequence, errors.Join(
		tx.Put(bucketAudit, end.key(), value),
		tx.Put(bucketMeta, keyAuditHead, end.encode()))
}

// inGap reports whether no change of this incarnation can have a revision. Who resumes after it has seen another one.
func (s *Store) inGap(revision uint64) bool {
	for _, g := range s.Settings().GetGaps() {
		if revision > g.GetAfter() && revision < g.GetUntil() {
			return true
		}
	}
	return false
}
