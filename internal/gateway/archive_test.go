package gateway

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// listing plays ListResults for some files.
func listing(files ...*stored) func(context.Context, *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
	return func(context.Context, *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
		answer := &jobsv1.ListResultsResponse{}
		for _, f := range files {
			answer.Files = append(answer.Files, &jobsv1.ResultFile{Path: f.name, SizeBytes: f.announced()})
		}
		return answer, nil
	}
}

func TestTheArchiveHoldsAllResults(t *testing.T) {
	files := []*stored{
		{name: "a/contigs.fasta", text: digits(150_000), modified: modified},
		{name: "a/reads.fastq.gz", text: digits(5000), modified: modified},
		{name: "empty", modified: modified},
		{name: "größe.tsv", text: "x", modified: modified},
		{name: `win\dows`, text: "y"},
	}
	s := newSite(t, &script{jobs: fake{listResults: listing(files...), readResult: serveResults(t, files...)}}, Config{})
	resp := s.get(t, "/v1/jobs/7/results.zip")
	if resp.StatusCode != http.StatusOK || resp.err != nil {
		t.Fatalf("%s, %v", resp.Status, resp.err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/zip", "Cache-Control": "no-store",
		"Content-Disposition": `attachment; filename="job-7-results.zip"; filename*=UTF-8''job-7-results.zip`,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	archive, err := zip.NewReader(strings.NewReader(resp.body), int64(len(resp.body)))
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for _, entry := range archive.File {
		r, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r) // checks the sum
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name] = string(text)
	}
	for _, f := range files {
		want[strings.ReplaceAll(f.name, `\`, "_")] = f.text
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the archive's files (-want +got):\n%s", diff)
	}
	if archive.File[0].Method != zip.Deflate || archive.File[1].Method != zip.Store {
		t.Errorf("methods %d and %d", archive.File[0].Method, archive.File[1].Method)
	}
	if !archive.File[0].Modified.Equal(modified.Truncate(1e9)) {
		t.Errorf("modified %v, want %v", archive.File[0].Modified, modified)
	}
	if resp := s.do(t, http.MethodHead, "/v1/jobs/7/results.zip", nil); resp.StatusCode != http.StatusOK || resp.body != "" || resp.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("HEAD: %s %v", resp.Status, resp.Header)
	}
}

func TestAnArchiveThatCannotBeCompletedIsBroken(t *testing.T) {
	whole := &stored{name: "a", text: digits(50_000)}
	for name, second := range map[string]*stored{
		"a file is shorter than announced": {name: "b", text: "abc", size: 10},
		"a file is gone":                   {name: "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			readable := []*stored{whole, second}
			if second.name == "gone" {
				readable = readable[:1]
			}
			s := newSite(t, &script{jobs: fake{listResults: listing(whole, second), readResult: serveResults(t, readable...)}}, Config{})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/jobs/7/results.zip", nil)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			resp, err := s.Client().Do(req)
			if err == nil {
				_, err = text.ReadFrom(resp.Body)
				resp.Body.Close()
			}
			if err == nil {
				t.Error("the answer ended as if it were complete")
			}
			if _, err := zip.NewReader(bytes.NewReader(text.Bytes()), int64(text.Len())); err == nil {
				t.Error("what arrived passes for an archive")
			}
			if !strings.Contains(s.log.String(), "download broke off") {
				t.Errorf("log: %s", s.log)
			}
		})
	}
}

func TestAnArchiveOfMoreFilesThanAreListedIsRefused(t *testing.T) {
	s := newSite(t, &script{jobs: fake{listResults: func(context.Context, *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
		return &jobsv1.ListResultsResponse{Truncated: true}, nil
	}}}, Config{})
	refusal{http: 400, code: codes.FailedPrecondition, reason: "TOO_MANY_FILES"}.check(t, s.get(t, "/v1/jobs/7/results.zip"))
	s = newSite(t, &script{jobs: fake{listResults: func(context.Context, *jobsv1.ListResultsRequest) (*jobsv1.ListResultsResponse, error) {
		return nil, refused(t, codes.NotFound, "NOT_FOUND", "No.")
	}}}, Config{})
	refusal{http: 404, code: codes.NotFound, reason: "NOT_FOUND"}.check(t, s.get(t, "/v1/jobs/7/results.zip"))
}

func TestNamesInAnArchiveAreSafeAndDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taken := map[string]bool{}
		seen := map[string]bool{}
		for range rapid.IntRange(1, 10).Draw(t, "files") {
			// ListResults gives no such thing, but an archive is unpacked by programs that trust it.
			name := entryName(rapid.StringMatching(`[aAbB./\\: \x00-\x02]{1,8}`).Draw(t, "name"), taken)
			if name != "" && (!fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00")) {
				t.Fatalf("unsafe name %q", name)
			}
			if seen[strings.ToLower(name)] {
				t.Fatalf("%q is there twice", name)
			}
			seen[strings.ToLower(name)] = true
		}
	})
}

// Readers that go by the time of DOS, and those that go by that of Unix, see the same; the nearest that there is.
func TestTimesInTheArchiveAreThoseOfTheFiles(t *testing.T) {
	day := func(year int) time.Time { return time.Date(year, 7, 1, 12, 0, 0, 0, time.UTC) }
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	for given, want := range map[time.Time]time.Time{
		time.Unix(0, 0): first, day(1979): first, day(1980): day(1980), day(2026): day(2026), day(2050): day(2050), day(2105): day(2105),
		day(2200): time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC), day(1): first,
	} {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		if _, err := w.CreateHeader(&zip.FileHeader{Name: "x", Modified: archiveTime(given)}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		dos := r.File[0].ModTime()
		if got := r.File[0].Modified; !got.Equal(want) || !dos.Equal(want) {
			t.Errorf("%v is %v, for readers of DOS times %v, want %v", given, got, dos, want)
		}
	}
}
