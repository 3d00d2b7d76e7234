package page

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/internal/weight"
)

// Cut returns a page of a list that is whole in memory and sorted by the bytes of its keys: what is behind the key after, at most limit
// things and not more than Bound, but one in any case. next is the key of the last one where more follow, and empty otherwise.
func Cut[T proto.Message](all []T, key func(T) string, after string, limit int) (part []T, next string) {
	from, found := slices.BinarySearchFunc(all, after, func(t T, after string) int { return strings.Compare(key(t), after) })
	if found {
		from++
	}
	room := weight.NewBudget(Bound)
	for i, t := range all[from:] {
		if i == limit || !room.AddMessage(t) {
			return all[from : from+i], key(all[from+i-1])
		}
	}
	return all[from:], ""
}

// SealKey is Seal for a cursor that is a key of Cut. There is no token for an empty one.
func (p Sealer) SealKey(key string, bound ...string) string {
	if key == "" {
		return ""
	}
	return p.SealBytes([]byte(key), bound...)
}

// OpenKey is Open for a cursor that is a key of Cut. An empty token is an empty key.
func (p Sealer) OpenKey(token string, bound ...string) (string, error) {
	if token == "" {
		return "", nil
	}
	plain, err := p.OpenBytes(token, bound...)
	return string(plain), err
}
