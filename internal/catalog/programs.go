package catalog

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// lookupsHold is how long an answer about a program is kept: short, so that
// somebody who installs what is missing sees the service come up, and long enough that
// a page which lists services costs no look at the disk.
const lookupsHold = 3 * time.Second

// program is something that a service needs to be installed.
type program struct {
	name        string // a name to look for on the PATH, or an absolute path
	debPackage  string // the Debian package that brings it; may be empty
	ofTheFolder bool   // it belongs to the service itself
}

// programs finds programs on one PATH and remembers the answers for a moment.
type programs struct {
	folders []string

	mu    sync.Mutex
	known map[string]lookup
}

type lookup struct {
	path string // empty: not found
	at   time.Time
}

func newPrograms(path string) *programs {
	p := &programs{known: map[string]lookup{}}
	for _, f := range filepath.SplitList(path) {
		// A relative entry would mean another program in each job's folder.
		if filepath.IsAbs(f) {
			p.folders = append(p.folders, f)
		}
	}
	return p
}

// find answers the absolute path of a program.
func (p *programs) find(name string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.known[name]
	if !ok || time.Since(l.at) >= lookupsHold {
		l = lookup{path: p.look(name), at: time.Now()}
		p.known[name] = l
	}
	return l.path, l.path != ""
}

func (p *programs) look(name string) string {
	if filepath.IsAbs(name) {
		if executable(name) {
			return name
		}
		return ""
	}
	for _, f := range p.folders {
		if path := filepath.Join(f, name); executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

func regular(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
