package store

import "strings"

// names numbers texts that many jobs share. What it knows it never forgets:
// users, services and executors are few.
type names struct {
	byName map[string]uint32
	list   []string
	last   uint32 // the number that was last asked for, which often is so again
}

// number answers the number of a name, giving it one if need be.
func (n *names) number(name string) uint32 {
	if len(n.list) > 0 && n.list[n.last] == name {
		return n.last
	}
	if i, ok := n.byName[name]; ok {
		n.last = i
		return i
	}
	if n.byName == nil {
		n.byName = make(map[string]uint32)
	}
	name = strings.Clone(name)
	i := uint32(len(n.list))
	n.byName[name] = i
	n.list, n.last = append(n.list, name), i
	return i
}

// lookup answers the number of a name that is known.
func (n *names) lookup(name string) (uint32, bool) {
	i, ok := n.byName[name]
	return i, ok
}
