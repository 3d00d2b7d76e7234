package e2e_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// doomedFolders reads how many folders the server is to remove.
func doomedFolders(t *testing.T, s *server) string {
	t.Helper()
	resp, err := http.Get(s.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "\nstint_doomed_folders ")
	n, _, _ := strings.Cut(rest, "\n")
	return n
}

// exists reports whether there is something at a path.
func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// The folder of a deleted job that cannot be removed, because something is mounted in it, is removed as soon as that is
// gone: by the same process, and by the next one after the first was killed between the commit and the removal.
func TestAFolderThatIsBusyIsRemovedLater(t *testing.T) {
	for name, killed := range map[string]bool{"by the same process": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			req := &jobsv1.SubmitRequest{Job: appendJob(0), RequestId: "once"}
			submitted, err := s.jobs().Submit(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			id := submitted.GetJob().GetId()
			s.untilFinal(time.Minute)
			s.stop()
			folder := filepath.Join(s.data, "jobs", "0", id)
			mounted := filepath.Join(folder, "attempts", "1", "output")
			if err := syscall.Mount("tmpfs", mounted, "tmpfs", 0, "size=1m"); err != nil {
				t.Skipf("cannot mount here: %v", err)
			}
			unmount := func() {
				if err := syscall.Unmount(mounted, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			}
			t.Cleanup(func() {
				if exists(t, mounted) {
					unmount()
				}
			})
			s.flags = append(s.flags, "--keep-for", "completed=1ms")
			s.start()
			isGone := func() bool {
				_, err := s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: id})
				return status.Code(err) == codes.NotFound
			}
			eventually(t, "the job is deleted", isGone)
			eventually(t, "the removal has failed", func() bool { return strings.Contains(s.log.String(), syscall.EBUSY.Error()) })
			if n := doomedFolders(t, s); n != "1" || !exists(t, mounted) {
				t.Errorf("%q folders are to be removed, and it is there: %t", n, exists(t, mounted))
			}
			_, err = s.jobs().Submit(t.Context(), req)
			judge(t, status.Convert(err).Proto(), "REQUEST_ID_REUSED", "")
			if killed {
				s.kill()
				s.check()
				s.start()
				if !isGone() || doomedFolders(t, s) != "1" {
					t.Errorf("after the crash %s folders are to be removed", doomedFolders(t, s))
				}
			}
			unmount()
			eventually(t, "the folder is removed", func() bool { return !exists(t, folder) })
			eventually(t, "the database knows it", func() bool { return doomedFolders(t, s) == "0" })
			s.stop()
			s.check()
		})
	}
}
