package file

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Counters are everything but the records that a start needs. Every commit stores them.
type Counters struct {
	// NextID is the id that the next job gets.
	NextID job.ID
	// Revision of the latest change.
	Revision uint64
	// Purged is the revision of the latest deletion.
	Purged uint64
	// Time of the latest commit, in nanoseconds since 1970.
	Time int64
}

// maxAhead is how far times may run ahead of the clock. The order of ids and revisions is that of commits, whatever the
// clock does; times follow it only as long as the clock is set back by no more than this.
const maxAhead = 5 * time.Second

// Advance returns the time of a commit and makes it the latest one.
func (c *Counters) Advance(now time.Time) *timestamppb.Timestamp {
	if last := time.Unix(0, c.Time); now.After(last) || last.Sub(now) > maxAhead {
		c.Time = now.UnixNano()
	}
	return timestamppb.New(time.Unix(0, c.Time))
}

// Put stores the counters.
func (c *Counters) Put(tx *kv.Tx) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.NextID))
	b = binary.BigEndian.AppendUint64(b, c.Revision)
	b = binary.BigEndian.AppendUint64(b, c.Purged)
	return tx.Put(Meta, []byte(KeyCounters), binary.BigEndian.AppendUint64(b, uint64(c.Time)))
}

// ReadCounters returns the counters of a database.
func ReadCounters(tx *kv.ReadTx) (Counters, error) {
	return DecodeCounters(tx.Get(Meta, []byte(KeyCounters)))
}

// DecodeCounters reads what is stored under KeyCounters.
func DecodeCounters(b []byte) (Counters, error) {
	if len(b) != 32 {
		return Counters{}, fmt.Errorf("the counters in the file are damaged: %w", job.ErrStorage)
	}
	return Counters{
		NextID:   job.ID(binary.BigEndian.Uint64(b)),
		Revision: binary.BigEndian.Uint64(b[8:]),
		Purged:   binary.BigEndian.Uint64(b[16:]),
		Time:     int64(binary.BigEndian.Uint64(b[24:])),
	}, nil
}

// PutSettings stores the settings.
func PutSettings(tx *kv.Tx, set *storev1.Settings) error {
	return tx.PutMessage(Meta, []byte(KeySettings), set)
}

// ReadSettings returns the settings of a database.
func ReadSettings(tx *kv.ReadTx) (*storev1.Settings, error) {
	return DecodeSettings(tx.Get(Meta, []byte(KeySettings)))
}

// DecodeSettings reads what is stored under KeySettings.
func DecodeSettings(raw []byte) (*storev1.Settings, error) {
	return decode(raw, &storev1.Settings{}, "the settings")
}

// SkipIDs notes in the settings that ids are skipped since jobs of another incarnation may have them.
func SkipIDs(set *storev1.Settings, from, until job.ID) {
	if until > from {
		set.ForeignIds = append(set.ForeignIds, &storev1.IdRange{From: uint64(from), Until: uint64(until)})
	}
}

// IsForeign reports whether a job of another incarnation may have the id.
func IsForeign(set *storev1.Settings, id job.ID) bool {
	return slices.ContainsFunc(set.GetForeignIds(), func(r *storev1.IdRange) bool {
		return uint64(id) >= r.GetFrom() && uint64(id) < r.GetUntil()
	})
}
