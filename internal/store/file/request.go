package file

import (
	"bytes"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// RequestKey returns the key of a request in the bucket Requests. An owner has no zero byte.
func RequestKey(owner, id string) []byte { return slices.Concat([]byte(owner), []byte{0}, []byte(id)) }

// SplitRequestKey returns the owner and the id of a request. ok is whether the key has both.
func SplitRequestKey(key []byte) (owner, id string, ok bool) {
	o, r, ok := bytes.Cut(key, []byte{0})
	return string(o), string(r), ok && len(o) > 0 && len(r) > 0
}

// GetDeletedRequest returns the record of a request whose jobs were deleted. It returns nil where there is none.
func GetDeletedRequest(tx *kv.ReadTx, key []byte) (*storev1.DeletedRequest, error) {
	raw := tx.Get(Requests, key)
	if raw == nil {
		return nil, nil
	}
	return decode(raw, &storev1.DeletedRequest{}, "the deleted request %q", key)
}
