// Package state is what the store has in memory: a function of the bytes of its commits alone. Load
// makes it from a file and Apply from the entry of the next commit, so a store that follows another one
// has the same.
package state

import (
	"fmt"
	"maps"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// State is everything in memory. The parts may be read at any time, but for Counters. Only the writer
// calls Apply.
type State struct {
	// Index of the jobs and shares.
	Index *index.Index
	// Credentials finds tokens and sessions.
	Credentials credential.Index
	// Audit is the end of the audit.
	Audit audit.Log
	// Counters as committed. They belong to the writer.
	Counters file.Counters
	// Issues counts the problem reports by job. It belongs to the writer.
	Issues map[job.ID]int
	// Damaged has the jobs that were left out because their records could not be read when the state was
	// loaded, and why. It is read-only.
	Damaged map[job.ID]error

	settings atomic.Pointer[storev1.Settings]
	doomed   atomic.Int64
}

// Settings returns what operators set at run time. It is never nil, and read-only.
func (s *State) Settings() *storev1.Settings { return s.settings.Load() }

// Doomed returns how many folders of deleted jobs are still to be removed.
func (s *State) Doomed() int64 { return s.doomed.Load() }

// Load makes the state from a file.
func Load(tx *kv.ReadTx, cfg index.Config) (*State, error) {
	s := &State{Index: index.New(cfg), Damaged: make(map[job.ID]error)}
	var err error
	if s.Counters, err = file.ReadCounters(tx); err != nil {
		return nil, err
	}
	if err := loadJobs(tx, s.Index, func(id job.ID, err error) { s.Damaged[id] = err }); err != nil {
		return nil, err
	}
	if err := loadShares(tx, s.Index); err != nil {
		return nil, err
	}
	s.Index.Start(s.Counters.Revision, s.Counters.Purged)
	if err := s.Audit.Load(tx); err != nil {
		return nil, err
	}
	set, err := file.ReadSettings(tx)
	if err != nil {
		return nil, err
	}
	s.settings.Store(set)
	s.doomed.Store(record.CountDoomed(tx))
	if s.Issues, err = record.CountIssues(tx); err != nil {
		return nil, err
	}
	s.Credentials.Load(tx)
	return s, nil
}

// Compare calls differs with each difference from another state of the same commit, mostly one that was
// loaded from the file. Nobody may call Apply of either meanwhile.
func (s *State) Compare(fresh *State, differs func(where, what string)) {
	for _, d := range s.Index.Compare(fresh.Index) {
		differs(d.Where, d.What)
	}
	for _, what := range s.Credentials.Compare(&fresh.Credentials) {
		differs("credentials", what)
	}
	if s.Counters != fresh.Counters {
		differs("counters", fmt.Sprintf("they are %+v, and in the file %+v", s.Counters, fresh.Counters))
	}
	if got, want := s.Audit.Head(), fresh.Audit.Head(); got != want {
		differs("audit", fmt.Sprintf("it ends with %v, and in the file with %v", got, want))
	}
	if got, want := s.Doomed(), fresh.Doomed(); got != want {
		differs("index", fmt.Sprintf("it counts %d doomed folders, and the file has %d", got, want))
	}
	if !proto.Equal(s.Settings(), fresh.Settings()) {
		differs("settings", "they are not as in the file")
	}
	if !maps.Equal(s.Issues, fresh.Issues) {
		differs("issues", fmt.Sprintf("the problem reports by job are counted as %v, and in the file they are %v", s.Issues, fresh.Issues))
	}
	if !maps.EqualFunc(s.Damaged, fresh.Damaged, func(a, b error) bool { return a.Error() == b.Error() }) {
		differs("damaged jobs", fmt.Sprintf("%d are put aside, and %d cannot be read", len(s.Damaged), len(fresh.Damaged)))
	}
}
