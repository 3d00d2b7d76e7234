package catalog

import (
	"sync"
	"sync/atomic"
)

// Live holds the current catalog of a folder. It may be used by several goroutines.
type Live struct {
	dir     string
	options Options
	current atomic.Pointer[Catalog]
	loading sync.Mutex // one Reload at a time, so that an older folder never wins
}

// Open loads the services below dir. Problems are to be logged: the services they
// belong to are listed as unavailable.
func Open(dir string, o Options) (*Live, []Problem, error) {
	l := &Live{dir: dir, options: o}
	problems, err := l.Reload()
	if err != nil {
		return nil, nil, err
	}
	return l, problems, nil
}

// Catalog is the current catalog. A caller that needs several answers which
// belong together keeps it for as long.
func (l *Live) Catalog() *Catalog { return l.current.Load() }

// Reload reads the folder again. When it cannot be read at all, the catalog
// stays as it was.
func (l *Live) Reload() ([]Problem, error) {
	l.loading.Lock()
	defer l.loading.Unlock()
	c, problems, err := Load(l.dir, l.options)
	if err != nil {
		return nil, err
	}
	l.current.Store(c)
	return problems, nil
}
