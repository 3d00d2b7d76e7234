package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

const (
	// smallStore is the store that the large one is compared with.
	smallStore = 10_000
	// owners of stored jobs, beside rig.User.
	owners = 200
	// everyBatch of rig.User comes as often among all batches.
	everyBatch = 10
	// fillBatch is how many jobs the fixture writes in one commit.
	fillBatch = 1000
)

// stored is a data folder with n jobs that have all ended, made once for all experiments. It is
// written through internal/store, in the way jobs live: submitted, running, ended.
func (l *lab) stored(ctx context.Context, n int) (string, error) {
	if data, ok := l.stores[n]; ok {
		return data, nil
	}
	data, err := l.newData()
	if err != nil {
		return "", err
	}
	if err := fill(ctx, databaseOf(data), n); err != nil {
		return "", fmt.Errorf("store %d jobs: %w", n, err)
	}
	l.stores[n] = data
	return data, nil
}

func databaseOf(data string) string { return filepath.Join(data, "state", "jobs.db") }

func fill(ctx context.Context, path string, n int) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	s, err := store.Open(store.Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for first := 0; first < n; first += fillBatch {
		if err := fillSome(ctx, s, first, min(fillBatch, n-first)); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf is whose jobs a batch holds: every tenth is rig.User's.
func ownerOf(batch int) string {
	if batch%everyBatch == 0 {
		return rig.User
	}
	return fmt.Sprintf("user%03d@example.org", batch%owners)
}

// ownJob is the id of one of rig.User's, anywhere among n stored jobs. A Get of somebody else's would be noted in the
// audit before it is answered, which is no part of reading.
func ownJob(n int) string {
	first := rand.IntN(1+(n-1)/(everyBatch*fillBatch)) * everyBatch * fillBatch
	return strconv.Itoa(1 + first + rand.IntN(min(fillBatch, n-first)))
}

// fillSome stores n jobs of one owner that have ended.
func fillSome(ctx context.Context, s *store.Store, first, n int) error {
	jobs := make([]*jobsv1.Job, n)
	for i := range jobs {
		jobs[i] = rig.Job(first + i)
		jobs[i].Executor = "local"
		jobs[i].Resources = &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 20}
	}
	return storeEnded(ctx, s, ownerOf(first/fillBatch), jobs)
}

// storeEnded stores jobs of one owner and takes them through their lives.
func storeEnded(ctx context.Context, s *store.Store, owner string, jobs []*jobsv1.Job) error {
	jobs, _, err := s.Submit(ctx, jobs, store.SubmitOptions{Owner: owner})
	if err != nil {
		return err
	}
	ids := make([]job.ID, len(jobs))
	for i, j := range jobs {
		if ids[i], err = job.ParseID(j.GetId()); err != nil {
			return err
		}
	}
	for _, step := range []func(*storev1.Record) error{startJob, endJob} {
		results, err := s.UpdateMany(ctx, store.Everyone, ids, step)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

func startJob(r *storev1.Record) error {
	r.GetJob().Attempts = append(r.GetJob().GetAttempts(), &jobsv1.Attempt{Number: 1, Executor: "local", EngineId: "12345", Node: "node1"})
	_, err := job.Transition(r.GetJob(), job.Status{State: jobsv1.State_STATE_RUNNING, Time: time.Now()})
	return err
}

// endJob completes seven of ten jobs, fails two and cancels one.
func endJob(r *storev1.Record) error {
	to := job.Status{State: jobsv1.State_STATE_COMPLETED, Time: time.Now()}
	code := int32(0)
	switch r.GetJob().GetRevision() % 10 {
	case 0, 1:
		to.State, to.Reason, to.Message, code = jobsv1.State_STATE_FAILED, jobsv1.Reason_REASON_EXIT_NONZERO, "The command exited with code 1.", 1
	case 2:
		to.State, to.Reason, to.Message = jobsv1.State_STATE_CANCELLED, jobsv1.Reason_REASON_CANCELLED_BY_OWNER, "You cancelled it."
	default:
	}
	_, err := job.Transition(r.GetJob(), to)
	if to.State != jobsv1.State_STATE_CANCELLED {
		r.GetJob().ExitCode = &code
	}
	return err
}
