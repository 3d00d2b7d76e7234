package catalog

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Options of a catalog. The zero value suits a server whose jobs run on this machine.
type Options struct {
	// Path is where programs are looked for, in the form of PATH: what jobs get as
	// their PATH. Empty means this process's own PATH.
	Path string
	// Remote reports whether jobs of the named executor run on other machines, so
	// that a program missing here says nothing. The name is empty for services
	// that leave the choice to the server. Nil means that every job runs here.
	Remote func(executor string) bool
}

// Catalog is a set of services as they were when it was loaded. It does not change.
type Catalog struct {
	services []*Service // sorted by label
	byID     map[string]*Service
}

// Load reads all services below dir. A service that is described wrongly is in
// the catalog as unavailable, and all that is wrong is in the problems. The error is
// for the folder as a whole: it cannot be read.
func Load(dir string, o Options) (*Catalog, []Problem, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("load services: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("load services: %w", err)
	}
	if o.Path == "" {
		o.Path = os.Getenv("PATH")
	}
	l := loader{root: dir, options: o, programs: newPrograms(o.Path), catalog: &Catalog{byID: map[string]*Service{}}}
	for _, e := range entries {
		l.entry(e.Name())
	}
	c := l.catalog
	slices.SortFunc(c.services, func(a, b *Service) int {
		return cmp.Or(
			cmp.Compare(strings.ToLower(a.proto.GetLabel()), strings.ToLower(b.proto.GetLabel())),
			cmp.Compare(a.proto.GetId(), b.proto.GetId()),
		)
	})
	return c, l.problems, nil
}

// List answers all services, sorted by label. The messages are read-only.
func (c *Catalog) List() []*catalogv1.Service {
	out := make([]*catalogv1.Service, len(c.services))
	for i, s := range c.services {
		out[i] = s.Proto()
	}
	return out
}

// Get answers the service with that id, available or not.
func (c *Catalog) Get(id string) (*Service, bool) {
	s, ok := c.byID[id]
	return s, ok
}

// Find is Get for a request: the error is job.ErrNotFound in words for the user,
// with the service they may have meant.
func (c *Catalog) Find(id string) (*Service, error) {
	if s, ok := c.byID[id]; ok {
		return s, nil
	}
	ids := make([]string, len(c.services))
	for i, s := range c.services {
		ids[i] = s.ID()
	}
	return nil, job.Missingf("stint.catalog.v1.Service", id, "there is no service %s%s", quote(id), didYouMean(id, ids))
}

// FindFor is Get for a job that was accepted earlier: the error says that the
// service went away since.
func (c *Catalog) FindFor(j *jobsv1.Job) (*Service, error) {
	if s, ok := c.byID[j.GetService()]; ok {
		return s, nil
	}
	return nil, job.Userf(job.ErrNotFound, "the service %s was removed from the catalog after this job was submitted", quote(j.GetService()))
}
