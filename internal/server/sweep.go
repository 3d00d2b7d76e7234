package server

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

const (
	// sweepEvery is how often folders are looked for that nothing knows. A start looks as well.
	sweepEvery = 24 * time.Hour
	// sweepAgain is when a sweep goes on that found more than maxSwept folders, or could not look at all.
	sweepAgain = time.Hour
	// minSweptAge is how long nothing came into a folder that is swept.
	minSweptAge = time.Hour
	// maxSwept is how many folders one sweep tries to remove.
	maxSwept = 10_000
)

// swept is what a sweep has done.
type swept struct {
	removed, failed int
	first           job.ID // that was removed
}

// sweep removes the folders of jobs that were in this database and are neither there nor doomed. A power cut may bring the
// folder of a deleted job back, and earlier versions left folders that they could not remove. It returns when to sweep again.
func (j *janitor) sweep(ctx context.Context) time.Duration {
	var done swept
	defer func() {
		if done.removed > 0 {
			j.log.Warn("folders that no job has were removed", "folders", done.removed, "first", done.first)
		}
		if done.failed > maxNamedFailures {
			j.log.Warn("more folders that no job has cannot be removed", "folders", done.failed-maxNamedFailures)
		}
	}()
	for ids, err := range j.folders.JobGroups() {
		if ctx.Err() != nil {
			return sweepAgain
		}
		if err != nil {
			j.log.Warn("look for folders that no job has", "error", err)
			continue
		}
		unclaimed, err := j.store.Unclaimed(ids)
		if err != nil {
			j.log.Error("look for folders that no job has", "error", err)
			return sweepAgain
		}
		for _, id := range unclaimed {
			if done.removed+done.failed == j.maxSwept || ctx.Err() != nil {
				return sweepAgain
			}
			j.sweepFolder(id, &done)
		}
	}
	return sweepEvery
}

// sweepFolder removes a folder that no job has, if it is old.
func (j *janitor) sweepFolder(id job.ID, done *swept) {
	changed, err := j.folders.Job(id).ChangeTime()
	if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(changed) < minSweptAge {
		return
	}
	if err == nil {
		err = j.remove(id)
	}
	if err != nil {
		if done.failed++; done.failed <= maxNamedFailures {
			j.log.Warn("a folder that no job has cannot be removed", "job", id, "error", err)
		}
		return
	}
	if done.removed++; done.removed == 1 {
		done.first = id
	}
}
