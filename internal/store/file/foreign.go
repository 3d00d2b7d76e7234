package file

import (
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// SkipIDs notes in the settings that ids are skipped since jobs of another incarnation may have them.
func SkipIDs(set *storev1.Settings, from, until job.ID) {
	if until > from {
		set.ForeignIds = append(set.ForeignIds, &storev1.IdRange{From: uint64(from), Until: uint64(until)})
	}
}

// isForeign reports whether a job of another incarnation may have the id.
func isForeign(set *storev1.Settings, id job.ID) bool {
	for _, r := range set.GetForeignIds() {
		if uint64(id) >= r.GetFrom() && uint64(id) < r.GetUntil() {
			return true
		}
	}
	return false
}

// Unclaimed returns which of the ids were given to jobs of this database that are neither there nor doomed.
// Foreign ids are never among them.
func Unclaimed(tx *kv.ReadTx, ids []job.ID) (unclaimed []job.ID, _ error) {
	info, err := readInfo(tx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if id == 0 || id >= info.NextID || isForeign(info.Settings, id) {
			continue
		}
		if tx.Get(record.Jobs, id.Key()) == nil && tx.Get(record.Doomed, id.Key()) == nil {
			unclaimed = append(unclaimed, id)
		}
	}
	return unclaimed, nil
}
