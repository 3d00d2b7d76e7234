package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// stored is a file of the scripted services.
type stored struct {
	name, contentType, text string
	modified                time.Time
	// frameBytes is how much goes into one frame. 0 means 1,000.
	frameBytes int
	// size is what the service says of it. 0 means the truth.
	size int64

	mu    sync.Mutex
	reads []string // offset and limit of each call
}

func (f *stored) announced() int64 {
	if f.size != 0 {
		return f.size
	}
	return int64(len(f.text))
}

// frames calls send for each frame of a read, the first with no data if the file is empty.
func (f *stored) frames(offset, limit int64, send func(offset int64, data []byte, first bool) error) error {
	f.mu.Lock()
	f.reads = append(f.reads, fmt.Sprintf("%d+%d", offset, limit))
	f.mu.Unlock()
	data := []byte(f.text)[min(offset, int64(len(f.text))):]
	if limit > 0 && limit < int64(len(data)) {
		data = data[:limit]
	}
	step := f.frameBytes
	if step == 0 {
		step = 1000
	}
	for first := true; first || len(data) > 0; first = false {
		part := data[:min(step, len(data))]
		if err := send(offset, part, first); err != nil {
			return err
		}
		offset, data = offset+int64(len(part)), data[len(part):]
	}
	return nil
}

// serveBytes plays Download for one file.
func serveBytes(f *stored) func(*workspacev1.DownloadRequest, grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
	return func(r *workspacev1.DownloadRequest, stream grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
		return f.frames(r.GetOffset(), r.GetLimitBytes(), func(offset int64, data []byte, first bool) error {
			m := &workspacev1.DownloadResponse{Offset: offset, Data: data}
			if first {
				m.Entry = &workspacev1.WorkspaceEntry{Path: f.name, SizeBytes: f.announced(), ContentType: f.contentType, ModifyTime: timestamppb.New(f.modified)}
			}
			return stream.Send(m)
		})
	}
}

// serveResults plays ReadResult for some files.
func serveResults(t *testing.T, files ...*stored) func(*jobsv1.ReadResultRequest, grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
	t.Helper()
	return func(r *jobsv1.ReadResultRequest, stream grpc.ServerStreamingServer[jobsv1.ReadResultResponse]) error {
		for _, f := range files {
			if f.name != r.GetPath() {
				continue
			}
			return f.frames(r.GetOffset(), r.GetLimitBytes(), func(offset int64, data []byte, first bool) error {
				m := &jobsv1.ReadResultResponse{Offset: offset, Data: data}
				if first {
					m.File = &jobsv1.ResultFile{Path: f.name, SizeBytes: f.announced(), ContentType: f.contentType, ModifyTime: timestamppb.New(f.modified)}
				}
				return stream.Send(m)
			})
		}
		return refused(t, codes.NotFound, "NOT_FOUND", "There is no such file.")
	}
}

var modified = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

func digits(n int) string { return strings.Repeat("0123456789", n/10+1)[:n] }

func TestDownloadingAWholeFile(t *testing.T) {
	f := &stored{name: "out/contigs.fasta", contentType: "text/x-fasta", text: digits(200_000), modified: modified}
	s := newSite(t, &script{jobs: fake{readResult: serveResults(t, f)}}, Config{})
	resp := s.get(t, "/v1/jobs/7/results/out/contigs.fasta")
	if resp.StatusCode != http.StatusOK || resp.body != f.text || resp.err != nil {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(resp.body), resp.err)
	}
	if diff := cmp.Diff([]string{"0+0"}, f.reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"Content-Type":            "text/x-fasta; charset=utf-8",
		"Content-Length":          "200000",
		"Content-Disposition":     `inline; filename="contigs.fasta"; filename*=UTF-8''contigs.fasta`,
		"Last-Modified":           "Wed, 04 Mar 2026 05:06:07 GMT",
		"Accept-Ranges":           "bytes",
		"Cache-Control":           "private, no-cache",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	etag := resp.Header.Get("ETag")
	f.reads = nil
	for _, test := range []struct {
		method string
		header []string
		want   int
	}{
		{"GET", []string{"If-None-Match", etag}, 304},
		{"GET", []string{"If-None-Match", `"other"`}, 200},
		{"GET", []string{"If-Modified-Since", "Wed, 04 Mar 2026 05:06:07 GMT"}, 304},
		{"GET", []string{"If-Modified-Since", "Wed, 04 Mar 2026 05:06:06 GMT"}, 200},
		{"GET", []string{"If-Match", `"other"`}, 412},
		{"GET", []string{"Range", "bytes=0-9", "If-Range", etag}, 206},
		{"GET", []string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200},
		{"HEAD", nil, 200},
	} {
		resp := s.do(t, test.method, "/v1/jobs/7/results/out/contigs.fasta", nil, test.header...)
		if resp.StatusCode != test.want {
			t.Errorf("%s with %q: %s, want %d", test.method, test.header, resp.Status, test.want)
		}
		if bytes := map[int]int{200: 200_000, 206: 10}[test.want]; test.method == "GET" && len(resp.body) != bytes {
			t.Errorf("%s with %q: %d bytes, want %d", test.method, test.header, len(resp.body), bytes)
		}
	}
	if got := s.get(t, "/v1/jobs/7/results/out/contigs.fasta?download=1").Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; ") {
		t.Errorf("asked to save it: %q", got)
	}
}

func TestRangesReadOnlyWhatTheyNeed(t *testing.T) {
	f := &stored{name: "/a", text: digits(100_000), modified: modified}
	s := newSite(t, &script{workspace: fakeWorkspace{download: serveBytes(f)}}, Config{})
	for header, want := range map[string]struct {
		contentRange, body string
		reads              []string
	}{
		"bytes=0-9":         {"bytes 0-9/100000", digits(10), []string{"0+1", "0+0"}},
		"bytes=50005-50009": {"bytes 50005-50009/100000", "56789", []string{"0+1", "50005+0"}},
		"bytes=99990-":      {"bytes 99990-99999/100000", digits(10), []string{"0+1", "99990+0"}},
		"bytes=-3":          {"bytes 99997-99999/100000", "789", []string{"0+1", "99997+0"}},
	} {
		f.reads = nil
		resp := s.get(t, "/v1/workspace/a", "Range", header)
		if resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != want.contentRange || resp.body != want.body {
			t.Errorf("%s: %s %q %q", header, resp.Status, resp.Header.Get("Content-Range"), resp.body)
		}
		if diff := cmp.Diff(want.reads, f.reads); diff != "" {
			t.Errorf("%s: reads (-want +got):\n%s", header, diff)
		}
	}
	for _, header := range []string{"bytes=100000-", "bytes=5-3", "bytes=x", "lines=1-2"} {
		resp := s.get(t, "/v1/workspace/a", "Range", header)
		refusal{http: 416, code: codes.OutOfRange, reason: "RANGE_NOT_SATISFIABLE"}.check(t, resp)
		if header == "bytes=100000-" && resp.Header.Get("Content-Range") != "bytes */100000" {
			t.Errorf("Content-Range %q", resp.Header.Get("Content-Range"))
		}
	}
	// More ranges than it makes sense to call for: the file as a whole.
	f.reads = nil
	resp := s.get(t, "/v1/workspace/a", "Range", "bytes="+strings.Repeat("0-0,", 200)+"1-1")
	if resp.StatusCode != http.StatusOK || len(f.reads) > 2 {
		t.Errorf("%s after %d calls", resp.Status, len(f.reads))
	}
}

func TestARangeIsWhatTheBytesAre(t *testing.T) {
	f := &stored{name: "/a", contentType: "application/octet-stream", modified: modified}
	s := newSite(t, &script{workspace: fakeWorkspace{download: serveBytes(f)}}, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		f.text = digits(rapid.IntRange(1, 5000).Draw(rt, "size"))
		f.frameBytes = rapid.IntRange(1, 3000).Draw(rt, "frame")
		var want []string
		var ranges []string
		total := 0
		for range rapid.IntRange(1, 4).Draw(rt, "ranges") {
			from := rapid.IntRange(0, len(f.text)-1).Draw(rt, "from")
			to := rapid.IntRange(from, len(f.text)-1).Draw(rt, "to")
			ranges = append(ranges, fmt.Sprintf("%d-%d", from, to))
			want = append(want, f.text[from:to+1])
			total += to + 1 - from
		}
		resp := s.get(t, "/v1/workspace/a", "Range", "bytes="+strings.Join(ranges, ","))
		if resp.err != nil {
			rt.Fatalf("%v: %v", ranges, resp.err)
		}
		var got []string
		switch media, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
		case resp.StatusCode == http.StatusOK && total > len(f.text): // overlapping: answered whole
			got, want = []string{resp.body}, []string{f.text}
		case media == "multipart/byteranges":
			parts := multipart.NewReader(strings.NewReader(resp.body), params["boundary"])
			for {
				part, err := parts.NextPart()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					rt.Fatal(err)
				}
				text, err := io.ReadAll(part)
				if err != nil {
					rt.Fatal(err)
				}
				got = append(got, string(text))
			}
		default:
			got = []string{resp.body}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%v: %s (-want +got):\n%s", ranges, resp.Status, diff)
		}
	})
}

func TestAnEmptyFileIsEmpty(t *testing.T) {
	f := &stored{name: "/a", modified: modified}
	s := newSite(t, &script{workspace: fakeWorkspace{download: serveBytes(f)}}, Config{})
	if resp := s.get(t, "/v1/workspace/a"); resp.StatusCode != http.StatusOK || resp.body != "" || resp.ContentLength != 0 || resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%s, %d, %v", resp.Status, resp.ContentLength, resp.Header)
	}
}

func TestAFileThatIsNotThereIsRefused(t *testing.T) {
	s := newSite(t, &script{jobs: fake{readResult: serveResults(t)}}, Config{})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		resp := s.do(t, method, "/v1/jobs/7/results/a", nil)
		if method == http.MethodGet {
			refusal{http: 404, code: codes.NotFound, reason: "NOT_FOUND"}.check(t, resp)
		}
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("ETag") != "" {
			t.Errorf("%s: %s %v", method, resp.Status, resp.Header)
		}
	}
}

func TestAFileThatChangesWhileItIsReadBreaksOff(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(f *stored, call int)
		header   []string
		inTheLog string
	}{
		{"shorter than announced", func(f *stored, _ int) { f.size = int64(len(f.text)) + 10 }, nil, errShort.Error()},
		{"replaced between two reads", func(f *stored, call int) { f.modified = f.modified.Add(time.Duration(call)) }, []string{"Range", "bytes=100-"}, errChanged.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &stored{name: "/a", text: digits(300_000), modified: modified}
			serve, call := serveBytes(f), 0
			s := newSite(t, &script{workspace: fakeWorkspace{download: func(r *workspacev1.DownloadRequest, stream grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
				call++
				test.change(f, call)
				return serve(r, stream)
			}}}, Config{})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/workspace/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(test.header); i += 2 {
				req.Header.Set(test.header[i], test.header[i+1])
			}
			resp, err := s.Client().Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil {
				t.Error("the client cannot tell that bytes are missing")
			}
			if !strings.Contains(s.log.String(), test.inTheLog) {
				t.Errorf("the log does not say %q: %s", test.inTheLog, s.log)
			}
		})
	}
}

func TestTypesThatABrowserWouldRunAreDisarmed(t *testing.T) {
	const sandbox = "sandbox; "
	for given, want := range map[string]struct {
		media  string
		active bool
	}{
		"":                         {"application/octet-stream", false},
		"nonsense":                 {"application/octet-stream", false},
		"text/plain\r\nX: y":       {"application/octet-stream", false},
		"text/plain":               {"text/plain; charset=utf-8", false},
		"text/csv; charset=latin1": {"text/csv; charset=latin1", false},
		"image/png":                {"image/png", false},
		"application/pdf":          {"application/pdf", false},
		"text/html":                {"text/html; charset=utf-8", true},
		"TEXT/HTML":                {"text/html; charset=utf-8", true},
		"image/svg+xml":            {"image/svg+xml", true},
		"application/xhtml+xml":    {"application/xhtml+xml", true},
		"application/xml":          {"application/xml", true},
		"text/javascript":          {"text/plain; charset=utf-8", false},
		"application/x-javascript": {"text/plain; charset=utf-8", false},
		"text/css":                 {"text/plain; charset=utf-8", false},
		"application/wasm":         {"text/plain; charset=utf-8", false},
	} {
		h := http.Header{}
		setFileHeaders(h, httptest.NewRequest(http.MethodGet, "/", nil), fileInfo{path: "x", contentType: given}, false)
		if got := h.Get("Content-Type"); got != want.media {
			t.Errorf("%q is sent as %q, want %q", given, got, want.media)
		}
		if got := strings.HasPrefix(h.Get("Content-Security-Policy"), sandbox); got != want.active {
			t.Errorf("%q is sandboxed: %v, want %v", given, got, want.active)
		}
	}
}

// What is not known to be harmless is saved where a browser would open it by itself, and shown where a page of this server
// embeds it.
func TestFilesThatAreNotKnownToBeHarmlessAreSaved(t *testing.T) {
	same := []string{"Sec-Fetch-Site", "same-origin"}
	for given, opens := range map[string]bool{
		"text/plain": true, "text/x-fasta": true, "text/csv": true, "application/json": true, "image/png": true, "text/javascript": true,
		"text/html": false, "image/svg+xml": false, "application/xhtml+xml": false, "text/xml": false, "application/pdf": false,
		"application/octet-stream": false, "application/x-shockwave-flash": false, "nonsense": false, "": false, "application/x-of-tomorrow": false,
	} {
		for what, c := range map[string]struct {
			header []string
			embeds bool
		}{
			"by a program":           {nil, false},
			"in a window":            {append([]string{"Sec-Fetch-Dest", "document"}, same...), false},
			"in a frame of a page":   {append([]string{"Sec-Fetch-Dest", "iframe"}, same...), true},
			"as an image of a page":  {append([]string{"Sec-Fetch-Dest", "image"}, same...), true},
			"by a script of a page":  {append([]string{"Sec-Fetch-Dest", "empty"}, same...), true},
			"in a frame of another":  {[]string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}, false},
			"as what nobody foresaw": {append([]string{"Sec-Fetch-Dest", "object"}, same...), false},
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			h := http.Header{}
			setFileHeaders(h, r, fileInfo{path: "x", contentType: given}, false)
			want := map[bool]string{true: "inline", false: "attachment"}[opens || c.embeds]
			if got, _, _ := strings.Cut(h.Get("Content-Disposition"), ";"); got != want || h.Get("Vary") == "" {
				t.Errorf("%q %s is %q, want %q", given, what, got, want)
			}
		}
	}
}

func TestNamesOfFilesSurviveTheHeader(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":       `attachment; filename="a.txt"; filename*=UTF-8''a.txt`,
		"a b.txt":     `attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt`,
		"größe.tsv":   `attachment; filename="gr__e.tsv"; filename*=UTF-8''gr%C3%B6%C3%9Fe.tsv`,
		`a"b\c;d.txt`: `attachment; filename="a_b_c;d.txt"; filename*=UTF-8''a%22b%5Cc%3Bd.txt`,
		"a\r\nX: y":   `attachment; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y`,
		"100%.txt":    `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`,
	} {
		got := disposition(true, name)
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		_, params, err := mime.ParseMediaType(got)
		if err != nil || params["filename"] != name {
			t.Errorf("%q is read back as %q, %v", name, params["filename"], err)
		}
	}
}

func TestUploading(t *testing.T) {
	var target *workspacev1.UploadTarget
	var content bytes.Buffer
	s := newSite(t, &script{workspace: fakeWorkspace{upload: func(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		target = first.GetTarget()
		content.Reset()
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return stream.SendAndClose(&workspacev1.UploadResponse{Entry: &workspacev1.WorkspaceEntry{Path: target.GetPath(), SizeBytes: int64(content.Len())}})
			}
			if err != nil {
				return err
			}
			if len(m.GetData()) == 0 || len(m.GetData()) > 1<<20 {
				t.Errorf("a frame of %d bytes", len(m.GetData()))
			}
			content.Write(m.GetData())
		}
	}}}, Config{MaxBodyBytes: 1000})
	for _, size := range []int{0, 1, uploadFrameBytes, uploadFrameBytes + 1, 10 << 20} {
		for _, known := range []bool{true, false} {
			text := digits(size)
			var body io.Reader = strings.NewReader(text)
			if !known {
				body = io.MultiReader(body) // chunked
			}
			resp := s.do(t, http.MethodPut, fmt.Sprintf("/v1/workspace/in/a%%20b?overwrite=%v", known), body)
			if resp.StatusCode != http.StatusOK || content.String() != text {
				t.Fatalf("%s with %d of %d bytes stored: %s", resp.Status, content.Len(), size, resp.body)
			}
			if got := fromJSON(t, resp.body, &workspacev1.UploadResponse{}); got.GetEntry().GetSizeBytes() != int64(size) || got.GetEntry().GetPath() != "/in/a b" {
				t.Errorf("answered %s", resp.body)
			}
			if target.GetOverwrite() != known || (target.SizeBytes != nil) != known || target.GetSizeBytes() != map[bool]int64{true: int64(size)}[known] {
				t.Errorf("target %v for %d bytes, known %v", target, size, known)
			}
		}
	}
	refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"Content-Range"}}.
		check(t, s.do(t, http.MethodPut, "/v1/workspace/a", strings.NewReader("x"), "Content-Range", "bytes 0-0/5"))
	for _, envelope := range []string{"multipart/form-data; boundary=x", "Multipart/Form-Data;boundary=x", "multipart/mixed; boundary=x", "multipart/related"} {
		refusal{http: 415, code: codes.InvalidArgument, reason: "UNSUPPORTED_MEDIA_TYPE", fields: []string{"Content-Type"}}.
			check(t, s.do(t, http.MethodPut, "/v1/workspace/a", strings.NewReader("--x\r\n"), "Content-Type", envelope))
	}
	refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"mode", "overwrite"}}.
		check(t, s.do(t, http.MethodPut, "/v1/workspace/a?overwrite=maybe&mode=755", strings.NewReader("x")))
}

func TestAnUploadThatTheServiceRefusesEndsEarly(t *testing.T) {
	s := newSite(t, &script{workspace: fakeWorkspace{upload: func(grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
		return refused(t, codes.ResourceExhausted, "LIMIT_REACHED", "The quota is used up.")
	}}}, Config{})
	resp := s.do(t, http.MethodPut, "/v1/workspace/a", strings.NewReader(digits(200<<10)))
	refusal{http: 429, code: codes.ResourceExhausted, reason: "LIMIT_REACHED"}.check(t, resp)
}

func TestABrokenUploadIsNoUpload(t *testing.T) {
	got := make(chan error, 1)
	s := newSite(t, &script{workspace: fakeWorkspace{upload: func(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
		for {
			if _, err := stream.Recv(); err != nil {
				got <- err
				return err
			}
		}
	}}}, Config{})
	broken := io.MultiReader(strings.NewReader(digits(300_000)), &failing{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/v1/workspace/a", broken)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Client().Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	if err := <-got; errors.Is(err, io.EOF) {
		t.Error("the service took a broken upload for a whole one")
	}
}

// failing is a body that breaks.
type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errBroken }
