package scheduler

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// followProgress stores what running commands say of their progress, until ctx ends.
func (s *Scheduler) followProgress(ctx context.Context) {
	tick := time.NewTicker(s.cfg.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range s.running() {
			r.storeProgress(ctx)
		}
	}
}

// storeProgress stores what the command has told since the last time. At the end of the attempt
// its follower does that.
func (r *run) storeProgress(ctx context.Context) {
	if !r.progressMu.TryLock() {
		return
	}
	defer r.progressMu.Unlock()
	if !r.running.Load() {
		return
	}
	p, ok := r.progress()
	if !ok {
		return // a command need not tell
	}
	if _, err := r.s.cfg.Store.Update(ctx, store.Everyone, r.id, progressed(p)); err != nil && ctx.Err() == nil {
		r.s.log.Warn("store progress", "job", r.id, "error", err)
	}
}

// lastProgress returns what the command of an attempt that has ended has told and storeProgress has
// not stored. storeProgress stores nothing of the attempt afterwards.
func (r *run) lastProgress() *workdir.Progress {
	r.running.Store(false)
	r.progressMu.Lock()
	defer r.progressMu.Unlock()
	if p, ok := r.progress(); ok {
		return &p
	}
	return nil
}

// progress is what the command has told since the last time, by the file or by a report.
func (r *run) progress() (p workdir.Progress, news bool) {
	p, ok, err := r.s.cfg.Folders.Job(r.id).Attempt(r.attempt).ReadProgress()
	if err != nil {
		r.s.log.Warn("read progress", "job", r.id, "error", err)
	}
	if ok && p != r.said {
		r.said, news = p, true
	}
	if told := r.told.Swap(nil); told != nil && told.attempt == r.attempt {
		return told.progress, true
	}
	return p, news
}

// running are the followers of jobs whose commands run.
func (s *Scheduler) running() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rs []*run
	for _, r := range s.active {
		if r.running.Load() {
			rs = append(rs, r)
		}
	}
	return rs
}

func progressed(p workdir.Progress) func(*storev1.Record) error {
	return func(rec *storev1.Record) error {
		if rec.GetJob().GetState() != jobsv1.State_STATE_RUNNING || !setProgress(rec.GetJob(), p) {
			return store.ErrUnchanged
		}
		return nil
	}
}

// setProgress sets the progress of a job and reports whether it is another one.
func setProgress(j *jobsv1.Job, p workdir.Progress) bool {
	said := &jobsv1.Progress{Message: p.Message}
	if p.Percent >= 0 {
		said.Percent = proto.Int32(int32(p.Percent)) //nolint:gosec // from 0 to 100
	}
	if before := j.GetProgress(); before != nil {
		said.UpdateTime = before.GetUpdateTime()
		if proto.Equal(before, said) {
			return false
		}
	}
	said.UpdateTime = timestamppb.Now()
	j.Progress = said
	return true
}
