package index

import "strings"

// registry numbers names that many jobs share, and holds a value for each. It never forgets one:
// users, services and executors are few. The zero value is empty.
type registry[T any] struct {
	numbers map[string]uint32
	names   []string // by number
	values  []*T     // by number
}

func (r *registry[T]) number(name string) uint32 {
	if n, ok := r.numbers[name]; ok {
		return n
	}
	if r.numbers == nil {
		r.numbers = make(map[string]uint32)
	}
	name = strings.Clone(name)
	n := uint32(len(r.names)) //nolint:gosec // fewer than there are jobs in memory
	r.numbers[name] = n
	r.names, r.values = append(r.names, name), append(r.values, new(T))
	return n
}

func (r *registry[T]) find(name string) *T {
	if n, ok := r.numbers[name]; ok {
		return r.values[n]
	}
	return nil
}
