package staging

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Results share files with the job's folder only where it is recorded that nothing of the attempt runs any more.
func TestResultsAreLinksOnlyOfWhatHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		record *workdir.ExitRecord
		damage bool
		links  bool
	}{
		"all has ended":       {record: &workdir.ExitRecord{Ended: true}, links: true},
		"not known":           {record: &workdir.ExitRecord{}},
		"no record":           {},
		"a record in pieces":  {record: &workdir.ExitRecord{Ended: true}, damage: true},
		"ended after retries": {record: &workdir.ExitRecord{Ended: true, Message: "2 bytes of its standard output were lost."}, links: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			j := newJob(t, "Cat", nil)
			out := s.run(t, j, 1)
			a := s.cfg.Folders.Job(17).Attempt(1)
			if c.record != nil {
				must(t, a.WriteExit(*c.record))
			}
			if c.damage {
				must(t, os.WriteFile(filepath.Join(a.Path(), "exit.json"), []byte("{"), 0o600))
			}
			folder, _, err := s.Publish(t.Context(), j, 1, nil)
			must(t, err)
			before, err := os.Stat(filepath.Join(out, "genes.gff"))
			must(t, err)
			after, err := os.Stat(filepath.Join(s.dir, "workspace", alice, folder, "genes.gff"))
			must(t, err)
			if got := os.SameFile(before, after); got != c.links {
				t.Errorf("the result is a link: %v, want %v", got, c.links)
			}
			if got := s.read(t, folder+"/genes.gff"); got != "##gff of 17" {
				t.Errorf("it reads %q", got)
			}
			if logged := s.log.Len() > 0; logged != c.damage {
				t.Errorf("logged %q", s.log)
			}
		})
	}
}

func TestACopyOfResultsIsToldOfAndKeepsRoom(t *testing.T) {
	tellEvery = 0
	defer func() { tellEvery = defaultTellEvery }()
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	out := s.run(t, j, 1)
	must(t, os.WriteFile(filepath.Join(out, "big"), []byte(strings.Repeat("x", 40<<20)), 0o644))
	var told []string
	tell := func(m string) { told = append(told, m) }
	for _, full := range []error{job.Userf(job.ErrNoSpace, "Waiting for room: the copies of its inputs."), job.Userf(job.ErrExhausted, "Never: the copies of its inputs.")} {
		s.cfg.ResultRoom = func(int64) (func(), error) { return nil, full }
		_, _, err := s.Publish(t.Context(), j, 1, tell)
		wantFailure(t, err, diskFull, "too full to put its results into the workspace", "kept with the job")
	}
	asked, held := int64(0), 0
	s.cfg.ResultRoom = func(bytes int64) (func(), error) {
		asked, held = bytes, held+1
		return func() { held-- }, nil
	}
	_, _, err := s.Publish(t.Context(), j, 1, tell)
	must(t, err)
	if asked < 40<<20 || asked > 41<<20 || held != 0 {
		t.Errorf("asked for %d bytes, held %d times", asked, held)
	}
	if len(told) == 0 || slices.ContainsFunc(told, func(m string) bool { return !strings.HasPrefix(m, "Copying the results into the workspace: ") }) {
		t.Errorf("told %q", told)
	}
}
