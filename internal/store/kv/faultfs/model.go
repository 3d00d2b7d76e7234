package faultfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

// file is a file as processes see it, and as a crash leaves it.
type file struct {
	number uint64
	seen   []byte
	disk   []byte
	dirty  []change // what was written since the last sync, in order
}

// change is a write, or, without data, a new length.
type change struct {
	at   int64
	data []byte
}

func (c *change) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.at)
	}
	if end := c.at + int64(len(c.data)); end > int64(len(to)) {
		to = resize(to, end)
	}
	copy(to[c.at:], c.data)
	return to
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

func (f *file) change(c change) {
	f.seen = c.apply(f.seen)
	f.dirty = append(f.dirty, c)
}

func (f *file) sync() {
	for _, c := range f.dirty {
		f.disk = c.apply(f.disk)
	}
	f.dirty = nil
}

// loseSome is what a sync that fails does: some of what was dirty is on the disk, and the
// system holds the rest for written, so that no later sync writes it.
func (f *file) loseSome(random *rand.Rand) {
	for _, c := range f.dirty {
		if random.IntN(2) == 0 {
			f.disk = c.apply(f.disk)
		}
	}
	f.dirty = nil
}

// sector is what a disk writes whole.
const sector = 512

// crash returns what a loss of power leaves of the file: of what was not synced all, nothing, some of the
// writes, or some of the sectors of some of them.
func (f *file) crash(random *rand.Rand) []byte {
	disk := slices.Clone(f.disk)
	how := random.IntN(4)
	for _, c := range f.dirty {
		if how == 0 || how > 1 && random.IntN(2) == 0 {
			continue
		}
		if how < 3 || c.data == nil {
			disk = c.apply(disk)
			continue
		}
		for from := 0; from < len(c.data); from += sector {
			if random.IntN(2) == 0 {
				part := change{c.at + int64(from), c.data[from:min(from+sector, len(c.data))]}
				disk = part.apply(disk)
			}
		}
	}
	return disk
}

// move is a change of names in a folder: the file gets the name to, where there is one, and loses the name from.
type move struct {
	file     *file
	from, to string
}

func (m *move) apply(names map[string]*file) {
	if m.from != "" && names[m.from] == m.file {
		delete(names, m.from)
	}
	if m.to != "" {
		names[m.to] = m.file
	}
}

// folder is a folder of files, with its faults.
type folder struct {
	number uint64

	mu     sync.Mutex
	random *rand.Rand
	seen   map[string]*file
	disk   map[string]*file
	moves  []move // since the last sync of the folder, in order

	faults []Fault
	calls  map[Site]int
	fired  []int // how often each has hit
	halted bool
}

func newFolder(number, seed uint64) *folder {
	return &folder{
		number: number,
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test wants the same faults again
		seen:   make(map[string]*file), disk: make(map[string]*file), calls: make(map[Site]int),
	}
}

func (d *folder) move(m move) {
	m.apply(d.seen)
	d.moves = append(d.moves, m)
}

func (d *folder) syncNames() {
	for _, m := range d.moves {
		m.apply(d.disk)
	}
	d.moves = nil
}

// crash returns what a loss of power leaves of the folder. Changes of names that were not synced are
// there up to some moment, or some of them are.
func (d *folder) crash() map[string][]byte {
	names := maps.Clone(d.disk)
	prefix, some := d.random.IntN(len(d.moves)+1), d.random.IntN(2) == 0
	for i, m := range d.moves {
		if some && d.random.IntN(2) == 0 || !some && i < prefix {
			m.apply(names)
		}
	}
	image := make(map[string][]byte, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) { // the same order for the same seed
		image[name] = names[name].crash(d.random)
	}
	return image
}

// call counts a call and returns the fault that hits it.
func (d *folder) call(kind Kind, name string) (hit Fault, errno syscall.Errno) {
	if d.halted {
		return Fault{Mode: Before}, syscall.EIO
	}
	site := Site{kind, name}
	d.calls[site]++
	n := d.calls[site]
	for i := range d.faults {
		f := &d.faults[i]
		if f.Site != site || n < f.Nth || n >= f.Nth+max(1, f.Count) {
			continue
		}
		d.fired[i]++
		if f.Mode == Halt {
			d.halted = true
			return Fault{Mode: Before}, syscall.EIO
		}
		if f.Mode == Short && n == f.Nth {
			f.Count = max(2, f.Count)
			return *f, 0
		}
		hit = *f
		if f.Mode == Short {
			hit.Mode = Before
		}
		return hit, f.Errno
	}
	return Fault{Mode: After}, 0
}

// do carries a call out, with the fault that hits it. kept is what a fault of the mode Before
// does in place of effect; nil is nothing.
func (d *folder) do(kind Kind, name string, effect, instead func()) syscall.Errno {
	hit, errno := d.call(kind, name)
	switch {
	case hit.Mode != Before:
		effect()
	case instead != nil && !d.halted:
		instead()
	}
	return errno
}
