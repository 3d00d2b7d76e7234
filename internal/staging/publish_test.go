package staging

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workspace"
)

// run leaves results as a command would and answers the output folder.
func (s *station) run(t *testing.T, j *jobsv1.Job, attempt int) string {
	t.Helper()
	id, err := job.ParseID(j.GetId())
	must(t, err)
	a := s.cfg.Folders.Job(id).Attempt(attempt)
	out := a.OutputPath()
	must(t, a.Create(), os.MkdirAll(filepath.Join(out, "sub"), 0o755),
		os.WriteFile(filepath.Join(out, "genes.gff"), []byte("##gff of "+j.GetId()), 0o644),
		os.WriteFile(filepath.Join(out, "sub", "table.tsv"), []byte("a\tb"), 0o644))
	return out
}

func withID(j *jobsv1.Job, id string) *jobsv1.Job {
	j.Id = id
	return j
}

func TestPublishPutsResultsIntoTheWorkspace(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	s.run(t, j, 2)
	folder, _, err := s.Publish(t.Context(), j, 2, nil)
	must(t, err)
	if folder != "/home/run" || s.read(t, "/home/run/genes.gff") != "##gff of 17" || s.read(t, "/home/run/sub/table.tsv") != "a\tb" {
		t.Fatalf("published to %s: %q", folder, s.list(t, folder))
	}
}

func TestPublishNamesWhatHasNoName(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	j.OutputName, j.OutputFolder = "", ""
	s.run(t, j, 1)
	if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != "/jobs/Cat-17" {
		t.Fatalf("published to %s, %v", folder, err)
	}
}

func TestPublishTakesAnotherNameWhenItsOwnIsTaken(t *testing.T) {
	s := newStation(t)
	for _, c := range []struct{ id, want string }{{"1", "/home/run"}, {"2", "/home/run-2"}, {"3", "/home/run-3"}} {
		j := withID(newJob(t, "Cat", nil), c.id)
		s.run(t, j, 1)
		if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != c.want {
			t.Fatalf("job %s was published to %s, %v", c.id, folder, err)
		}
	}
	s.put(t, "/home/run-4", "the user's own")
	j := withID(newJob(t, "Cat", nil), "4")
	s.run(t, j, 1)
	if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != "/home/run-4-2" {
		t.Fatalf("published to %s, %v", folder, err)
	}
	if got := s.read(t, "/home/run-4"); got != "the user's own" {
		t.Fatalf("the user's file is now %q", got)
	}
}

func TestPublishAgainAnswersTheSame(t *testing.T) {
	s := newStation(t)
	s.put(t, "/home/run/mine", "x")
	j := newJob(t, "Cat", nil)
	s.run(t, j, 1)
	first, _, err := s.Publish(t.Context(), j, 1, nil)
	must(t, err)
	_, err = s.cfg.Workspace.Delete(t.Context(), alice, "/home/run", workspace.DeleteOptions{Recursive: true})
	must(t, err) // a better name came free
	for range 2 {
		s.open(t, workspace.Options{})
		again, _, err := s.Publish(t.Context(), j, 1, nil)
		if err != nil || again != first || again != "/home/run-17" {
			t.Fatalf("first %s, again %s, %v", first, again, err)
		}
	}
	if got := s.list(t, "/home"); !slices.Equal(got, []string{"/home/run-17"}) {
		t.Fatalf("there is %q", got)
	}
}

func TestResultsOfAnotherInstallationAreNotOurs(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	s.run(t, j, 1)
	_, _, err := s.Publish(t.Context(), j, 1, nil)
	must(t, err)
	s.cfg.InstallID = "other"
	if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != "/home/run-17" {
		t.Fatalf("published to %s, %v", folder, err)
	}
}

func TestPublishLeavesOutWhatIsNoResult(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	out := s.run(t, j, 1)
	must(t,
		os.Symlink("genes.gff", filepath.Join(out, "latest.gff")),
		os.Symlink("/etc/passwd", filepath.Join(out, "passwd")),
		os.Symlink("../../../params.json", filepath.Join(out, "params.json")),
		os.Symlink("sub", filepath.Join(out, "again")),
	)
	folder, note, err := s.Publish(t.Context(), j, 1, nil)
	must(t, err)
	if got := s.list(t, folder); !slices.Equal(got, []string{"/home/run/sub", "/home/run/genes.gff", "/home/run/latest.gff"}) {
		t.Fatalf("published %q", got)
	}
	if !strings.HasPrefix(note, "Not in the workspace: ") || strings.Count(note, `"`) != 6 || !strings.Contains(note, "passwd") {
		t.Fatalf("the note is %q", note)
	}
}

// What has a name that the workspace cannot hold gets another one, and the owner is told.
func TestPublishRenamesWhatHasNoTextForAName(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	out := s.run(t, j, 1)
	files := map[string]string{
		"lat\xe9.fa": "lat%E9.fa", "\xfforder/\xfe": "%FForder/%FE", "two\nlines": "two%0Alines", ".stint-x": "_stint-x",
		"a\xe9": "a%E9~", "a%E9": "a%E9", // made up like another's
	}
	for name := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(out, name)), 0o755), os.WriteFile(filepath.Join(out, name), []byte(name), 0o644))
	}
	folder, note, err := s.Publish(t.Context(), j, 1, nil)
	must(t, err)
	for name, want := range files {
		if got := s.read(t, folder+"/"+want); got != name {
			t.Errorf("%s has the content of %q", want, got)
		}
	}
	if !strings.HasPrefix(note, "Under another name in the workspace") || !strings.Contains(note, " and 3 more.") {
		t.Errorf("the note is %q", note)
	}
}

func TestPublishReadsNothingButTheOutputFolder(t *testing.T) {
	for name, target := range map[string]string{"outside": t.TempDir(), "the job's folder": "../..", "another job": "../../../18/attempts/1/output"} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			s.run(t, withID(newJob(t, "Cat", nil), "18"), 1)
			j := newJob(t, "Cat", nil)
			out := s.run(t, j, 1)
			must(t, os.RemoveAll(out), os.Symlink(target, out))
			_, _, err := s.Publish(t.Context(), j, 1, nil)
			wantFailure(t, err, outputFailed, "removed its output folder")
		})
	}
	s := newStation(t)
	s.run(t, withID(newJob(t, "Cat", nil), "18"), 1)
	j := newJob(t, "Cat", nil)
	attempts := filepath.Dir(filepath.Dir(s.run(t, j, 1)))
	must(t, os.RemoveAll(attempts), os.Symlink("../18/attempts", attempts))
	_, _, err := s.Publish(t.Context(), j, 1, nil)
	wantFailure(t, err, outputFailed, "removed its output folder")
}

func TestResultsThatDoNotFitFailTheJobPlainly(t *testing.T) {
	s := newStation(t)
	s.open(t, workspace.Options{QuotaBytes: 10})
	j := newJob(t, "Cat", nil)
	out := s.run(t, j, 1)
	_, _, err := s.Publish(t.Context(), j, 1, nil)
	wantFailure(t, err, outputFailed, "room for 10 bytes", "kept with the job")
	if got := s.list(t, "/"); len(got) > 0 {
		t.Fatalf("left %q", got)
	}
	if _, err := os.Stat(filepath.Join(out, "genes.gff")); err != nil {
		t.Fatal(err)
	}
}

func TestResultsThatHaveNoPlaceFailTheJobPlainly(t *testing.T) {
	s := newStation(t)
	s.put(t, "/home", "a file by now")
	j := newJob(t, "Cat", nil)
	s.run(t, j, 1)
	_, _, err := s.Publish(t.Context(), j, 1, nil)
	wantFailure(t, err, outputFailed, "goes through a file", "kept with the job")
	j.OutputFolder = "/../bob"
	_, _, err = s.Publish(t.Context(), j, 1, nil)
	wantFailure(t, err, outputFailed)
}

func TestADiskThatIsFullForResults(t *testing.T) {
	s := newStation(t)
	small := filepath.Join(s.dir, "small")
	smallDisk(t, small)
	must(t, s.cfg.Workspace.Close(), os.Remove(filepath.Join(s.dir, "workspace")), os.Symlink(small, filepath.Join(s.dir, "workspace")))
	s.open(t, workspace.Options{})
	j := newJob(t, "Cat", nil)
	out := s.run(t, j, 1)
	must(t, os.WriteFile(filepath.Join(out, "big"), make([]byte, 1<<20), 0o644))
	_, _, err := s.Publish(t.Context(), j, 1, nil)
	wantFailure(t, err, diskFull, "disk", "kept with the job")
	must(t, os.Remove(filepath.Join(out, "big")))
	if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != "/home/run" {
		t.Fatalf("with room again: %s, %v", folder, err)
	}
}

func TestPublishThatIsInterruptedLeavesTheJobAsItWas(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	s.run(t, j, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Publish(ctx, j, 1, nil)
	var f *executor.Failure
	if !errors.Is(err, context.Canceled) || errors.As(err, &f) {
		t.Fatalf("got %v", err)
	}
	if folder, _, err := s.Publish(t.Context(), j, 1, nil); err != nil || folder != "/home/run" {
		t.Fatalf("published to %s, %v", folder, err)
	}
}
