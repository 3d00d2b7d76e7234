package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Folders that nothing knows are swept once they are old; no others.
func TestFoldersThatNothingKnowsAreSwept(t *testing.T) {
	bubble(t, func(c *cleaner) {
		ids := c.jobs(1003)
		c.delete(ids...)
		if err := c.store.FoldersRemoved(c.Context(), ids...); err != nil { // as if a power cut had brought them back
			t.Fatal(err)
		}
		for _, id := range ids {
			if err := c.folders.Job(id).Remove(); err != nil {
				t.Fatal(err)
			}
		}
		c.jobs(2) // 1004 and 1005
		c.folder(1004, 48*time.Hour)
		c.delete(1005)
		c.folder(1, 2*time.Hour)
		c.folder(1003, 2*time.Hour)
		c.folder(2, 30*time.Minute)
		c.folder(1006, 48*time.Hour)                          // not given out yet
		other := filepath.Join(c.folders.Path(), "0", "5000") // not where the folder of job 5000 would be
		if err := os.MkdirAll(filepath.Join(c.folders.Path(), "notes"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
		c.fail = func(_ int, id job.ID) error {
			if id == 1003 {
				return errBusy
			}
			return nil
		}
		c.run(func() {
			c.want(0, 2, 1003, 1004, 1006)
			c.failWith(nil)
			sleep(23 * time.Hour)
			c.want(0, 2, 1003, 1004, 1006)
			sleep(time.Hour + janitorEvery)
			c.want(0, 1004, 1006)
		})
		for _, path := range []string{other, filepath.Join(c.folders.Path(), "notes")} {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	})
}

// A sweep is bounded, and what is left comes later.
func TestASweepIsBounded(t *testing.T) {
	bubble(t, func(c *cleaner) {
		ids := c.jobs(5)
		c.delete(ids...)
		c.run(func() {})
		for _, id := range ids {
			c.folder(id, 2*time.Hour)
		}
		c.restart()
		c.maxSwept = 3
		c.run(func() {
			c.want(0, 4, 5)
			sleep(sweepAgain + janitorEvery)
			c.want(0)
		})
	})
}
