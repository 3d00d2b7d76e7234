package record

import (
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Doom stages that the folder of a deleted job is to be removed.
func Doom(tx *kv.Tx, id job.ID, now time.Time) error {
	raw, err := proto.Marshal(&storev1.Doomed{DeleteTimeNs: now.UnixNano()})
	if err != nil {
		return err
	}
	return tx.Put(Doomed, id.Key(), raw)
}

// Spare stages that the folder of a deleted job need not be removed any more. What is not doomed is left alone, as
// memory counts what is taken out.
func Spare(tx *kv.Tx, id job.ID) error {
	if tx.Get(Doomed, id.Key()) == nil {
		return nil
	}
	return tx.Delete(Doomed, id.Key())
}

// DoomedAfter returns up to limit doomed jobs with ids above after, in the order of ids.
func DoomedAfter(tx *kv.ReadTx, after job.ID, limit int) (ids []job.ID, _ error) {
	c := tx.Cursor(Doomed)
	for k, _ := c.Seek((after + 1).Key()); k != nil && len(ids) < limit; k, _ = c.Next() {
		id, err := ID(k)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// CountDoomed returns how many folders are to be removed.
func CountDoomed(tx *kv.ReadTx) (n int64) {
	_ = tx.Each(Doomed, func(_, _ []byte) error {
		n++
		return nil
	})
	return n
}
