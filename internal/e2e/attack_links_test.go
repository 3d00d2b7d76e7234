package e2e_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// secret is what no answer may hold. Links lead to it.
const secret = "root:x:0 the secret"

// Links that a job's command leaves in its results lead nowhere: not in the
// list, not as files, not in the archive, not in the folder of the workspace.
func TestLinksOfACommandLeadNowhere(t *testing.T) {
	h := newHostile(t)
	if err := os.WriteFile(filepath.Join(h.data, "secret"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	id := h.submit("ann", misbehave("links"))
	j := h.until(id, jobsv1.State_STATE_COMPLETED)
	list, err := h.jobs().ListResults(h.as("ann"), &jobsv1.ListResultsRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list.GetFiles() {
		if f.GetPath() != "real" && f.GetPath() != "inside" {
			t.Errorf("the list has %s", f.GetPath())
		}
	}
	folder := j.GetResultFolder()
	if folder == "" {
		t.Error("no folder of results")
	}
	for _, name := range []string{"database", "file", "folder/secret", "slash/etc/passwd", "passwd", "loop", "inner/deep", "pipe", "folder/jobs.db"} {
		for _, path := range []string{"/v1/jobs/" + id + "/results/" + name, "/v1/workspace" + folder + "/" + name} {
			resp, body := h.rest("ann", call{path: path})
			refusedAs(t, resp, body, http.StatusNotFound, "NOT_FOUND")
		}
	}
	resp, body := h.rest("ann", call{path: "/v1/jobs/" + id + "/results.zip"})
	archive, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	for _, f := range archive.File {
		if !f.Mode().IsRegular() || strings.Contains(f.Name, "..") || strings.HasPrefix(f.Name, "/") || filepath.Base(f.Name) != "real" && filepath.Base(f.Name) != "inside" {
			t.Errorf("the archive has %s %v", f.Name, f.Mode())
		}
	}
	if len(archive.File) == 0 {
		t.Error("the archive has nothing")
	}
	h.well(t)
}

// A folder of the workspace that is a link, by whatever means it came there, is no way out for results.
func TestResultsDoNotGoThroughLinks(t *testing.T) {
	h := newHostile(t)
	outside := t.TempDir()
	ann := filepath.Join(h.data, "workspace", "ann")
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED) // makes her workspace
	if err := os.Symlink(outside, filepath.Join(ann, "out")); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"/out", "/out/deeper"} {
		j := appendJob(0)
		j.OutputFolder = folder
		resp, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: j})
		if err != nil {
			judge(t, status.Convert(err).Proto(), "INVALID_ARGUMENT", "job.outputFolder")
			continue
		}
		if got := h.until(resp.GetJob().GetId(), jobsv1.State_STATE_FAILED); got.GetReason() != jobsv1.Reason_REASON_OUTPUT_FAILED || leaks.MatchString(got.GetMessage()) {
			t.Errorf("%s: %v %q", folder, got.GetReason(), got.GetMessage())
		}
	}
	files := workspacev1.NewWorkspaceServiceClient(h.conn)
	for _, name := range []string{"/out/evil", "/../bob/evil", "/out/../../bob/evil", "/jobs/../../evil", "/.stint-tmp/evil", "/a\x00b"} {
		up, err := files.Upload(h.as("ann"))
		if err == nil {
			_ = up.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: name}}})
			_ = up.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: []byte("evil")}})
			_, err = up.CloseAndRecv()
		}
		if code := status.Code(err); code != codes.InvalidArgument && code != codes.NotFound && code != codes.FailedPrecondition {
			t.Errorf("upload to %q: %v", name, err)
		}
	}
	for _, dir := range []string{outside, filepath.Join(h.data, "workspace", "bob")} {
		if entries, err := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s has %v, %v", dir, entries, err)
		}
	}
	h.well(t)
}

// A file that is swapped for a link while it is read, again and again, shows its own bytes or nothing.
func TestLinksSwappedWhileTheyAreRead(t *testing.T) {
	const reads = 150
	h := newHostile(t)
	outside := t.TempDir()
	if err := os.MkdirAll(filepath.Join(outside, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "d/f"} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := h.submit("ann", misbehave("wait"))
	h.until(id, jobsv1.State_STATE_RUNNING)
	h.until(h.submit("ann", appendJob(0)), jobsv1.State_STATE_COMPLETED)
	places := []string{h.output(id, 1), filepath.Join(h.data, "workspace", "ann")}
	stop := make(chan struct{})
	var swaps sync.WaitGroup
	swapped := make([]int, len(places))
	for n, dir := range places {
		swaps.Go(func() { swapped[n] = swap(t, dir, outside, stop) })
	}
	mine, refused := 0, 0
	for n := range reads {
		for _, path := range []string{"/v1/jobs/" + id + "/results/f", "/v1/jobs/" + id + "/results/d/f", "/v1/workspace/f", "/v1/workspace/d/f", "/v1/jobs/" + id + "/results.zip"} {
			if strings.HasSuffix(path, ".zip") && n%5 > 0 {
				continue
			}
			resp, body, err := h.tryRest("ann", path)
			switch {
			case err != nil:
				refused++ // broken off: the file became another
			case strings.Contains(body, "secret"):
				t.Fatalf("%s: %s %q", path, resp.Status, body)
			case resp.StatusCode == http.StatusOK:
				mine++
			case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusConflict:
				refused++
			default:
				t.Errorf("%s: %s %.300s", path, resp.Status, body)
			}
		}
	}
	close(stop)
	swaps.Wait()
	t.Logf("%d reads had their own bytes, %d nothing; %v swaps", mine, refused, swapped)
	if mine == 0 || refused == 0 {
		t.Error("the race never took place")
	}
	h.release()
	h.until(id, jobsv1.State_STATE_COMPLETED)
	h.well(t)
}

// swap makes f and d of dir by turns what they are and links to outside, until stop.
func swap(t *testing.T, dir, outside string, stop <-chan struct{}) (n int) {
	t.Helper()
	try := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	own := filepath.Join(dir, "own")
	for {
		select {
		case <-stop:
			return n
		default:
		}
		n++
		try(os.RemoveAll(filepath.Join(dir, "d")))
		next := filepath.Join(dir, "next")
		if n%2 == 0 {
			try(os.Symlink(filepath.Join(outside, "f"), next))
			try(os.Symlink(filepath.Join(outside, "d"), filepath.Join(dir, "d")))
		} else {
			try(os.WriteFile(next, []byte("mine"), 0o600))
			try(os.Mkdir(own, 0o700))
			try(os.WriteFile(filepath.Join(own, "f"), []byte("mine"), 0o600))
			try(os.Rename(own, filepath.Join(dir, "d")))
		}
		try(os.Rename(next, filepath.Join(dir, "f")))
	}
}

// tryRest reads a path; an answer that breaks off is an error.
func (h *hostile) tryRest(user, path string) (answer, string, error) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodGet, h.url(path), nil)
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token[user])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.Status, resp.StatusCode, resp.Header}, string(body), err
}
