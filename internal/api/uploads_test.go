package api_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/auth"
)

// tusClient speaks tus as its protocol says it.
type tusClient struct {
	*testing.T
	site, token string
}

func newTus(t *testing.T) (*matrix, *tusClient) {
	t.Helper()
	m := newMatrix(t)
	_, text, err := auth.NewTokens(m.store, m.auth).Create(t.Context(), auth.Grant{User: "ann", Roles: []string{"user"}})
	must(t, err)
	return m, &tusClient{T: t, site: m.site, token: text}
}

// reply is a response read to its end.
type reply struct {
	asked  string // method and path
	code   int
	header http.Header
}

// do sends a request with the headers of tus, and others by turns.
func (c *tusClient) do(method, path, body string, header ...string) (reply, string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.site+path, strings.NewReader(body))
	must(c, err)
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Tus-Resumable", "1.0.0")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(c, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(c, err)
	return reply{method + " " + path, resp.StatusCode, resp.Header}, string(text)
}

// wants checks the code of a response and some of its headers, by turns.
func (c *tusClient) wants(resp reply, text string, code int, header ...string) {
	c.Helper()
	if resp.code != code {
		c.Fatalf("%s: %d, want %d: %s", resp.asked, resp.code, code, text)
	}
	for i := 0; i < len(header); i += 2 {
		if got := resp.header.Get(header[i]); got != header[i+1] {
			c.Errorf("%s: header %s is %q, want %q", resp.asked, header[i], got, header[i+1])
		}
	}
}

func metadataOf(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(all, ",")
}

func (c *tusClient) create(header ...string) string {
	c.Helper()
	resp, text := c.do(http.MethodPost, "/v1/uploads", "", header...)
	c.wants(resp, text, http.StatusCreated, "Tus-Resumable", "1.0.0")
	if resp.header.Get("Upload-Expires") == "" || !strings.HasPrefix(resp.header.Get("Location"), "/v1/uploads/") {
		c.Fatalf("created with %v", resp.header)
	}
	return resp.header.Get("Location")
}

func TestATusUploadFromItsBeginningToItsEnd(t *testing.T) {
	m, c := newTus(t)
	resp, text := c.do(http.MethodOptions, "/v1/uploads", "", "Tus-Resumable", "", "Authorization", "")
	c.wants(resp, text, http.StatusNoContent, "Tus-Version", "1.0.0", "Tus-Extension", "creation,creation-defer-length,expiration,termination")
	sum := sha256.Sum256([]byte("ACGTACGTAC"))
	at := c.create("Upload-Length", "10", "Upload-Metadata", metadataOf("path", "/tus/a b.fq", "filename", "other", "sha256", hex.EncodeToString(sum[:])))
	resp, text = c.do(http.MethodHead, at, "")
	c.wants(resp, text, http.StatusOK, "Upload-Offset", "0", "Upload-Length", "10", "Cache-Control", "no-store", "Upload-Metadata", metadataOf("path", "/tus/a b.fq"))
	resp, text = c.do(http.MethodPatch, at, "ACGT", "Upload-Offset", "0")
	c.wants(resp, text, http.StatusNoContent, "Upload-Offset", "4")
	resp, text = c.do(http.MethodPatch, at, "TT", "Upload-Offset", "2")
	c.wants(resp, text, http.StatusConflict, "Upload-Offset", "4")
	if !strings.Contains(text, "UPLOAD_OFFSET") {
		t.Errorf("said %s", text)
	}
	resp, text = c.do(http.MethodPatch, at, "ACGTAC", "Upload-Offset", "4")
	c.wants(resp, text, http.StatusNoContent, "Upload-Offset", "10")
	if got := m.fileOf(m.as("ann"), "/tus/a b.fq"); got != "ACGTACGTAC" {
		t.Fatalf("stored %q", got)
	}
	resp, text = c.do(http.MethodHead, at, "") // of a finished one, as after a response that was lost
	c.wants(resp, text, http.StatusOK, "Upload-Offset", "10", "Upload-Length", "10")
	resp, text = c.do(http.MethodDelete, at, "")
	c.wants(resp, text, http.StatusNoContent)
	resp, text = c.do(http.MethodHead, at, "")
	c.wants(resp, text, http.StatusNotFound)
	resp, text = c.do(http.MethodPatch, at, "x", "Upload-Offset", "10")
	c.wants(resp, text, http.StatusNotFound)
}

func TestATusUploadWhoseLengthComesLater(t *testing.T) {
	m, c := newTus(t)
	at := c.create("Upload-Defer-Length", "1", "Upload-Metadata", metadataOf("path", "/tus/later"))
	resp, text := c.do(http.MethodPatch, at, "ACGT", "Upload-Offset", "0")
	c.wants(resp, text, http.StatusNoContent, "Upload-Offset", "4")
	resp, text = c.do(http.MethodHead, at, "")
	c.wants(resp, text, http.StatusOK, "Upload-Offset", "4", "Upload-Defer-Length", "1", "Upload-Length", "")
	resp, text = c.do(http.MethodPatch, at, "AC", "Upload-Offset", "4", "Upload-Length", "7")
	c.wants(resp, text, http.StatusNoContent, "Upload-Offset", "6")
	resp, text = c.do(http.MethodPatch, at, "G", "Upload-Offset", "6", "Upload-Length", "8")
	c.wants(resp, text, http.StatusBadRequest)
	resp, text = c.do(http.MethodPatch, at, "G", "Upload-Offset", "6")
	c.wants(resp, text, http.StatusNoContent, "Upload-Offset", "7")
	if got := m.fileOf(m.as("ann"), "/tus/later"); got != "ACGTACG" {
		t.Fatalf("stored %q", got)
	}
}

// A client that sees all bytes asks for nothing more, so that the file must be there.
func TestAnUploadThatHasAllItsBytesIsFinishedWhenItIsAskedFor(t *testing.T) {
	m, c := newTus(t)
	ann := m.as("ann")
	at := c.create("Upload-Length", "4", "Upload-Metadata", metadataOf("path", "/late"))
	must(t, m.upload(ann, "/late", "there first"))
	resp, text := c.do(http.MethodPatch, at, "ACGT", "Upload-Offset", "0")
	c.wants(resp, text, http.StatusConflict)
	resp, text = c.do(http.MethodHead, at, "")
	c.wants(resp, text, http.StatusConflict)
	_, err := m.space().Delete(ann, &workspacev1.DeleteRequest{Path: "/late"})
	must(t, err)
	resp, text = c.do(http.MethodHead, at, "")
	c.wants(resp, text, http.StatusOK, "Upload-Offset", "4")
	if got := m.fileOf(ann, "/late"); got != "ACGT" {
		t.Fatalf("stored %q", got)
	}
}

func TestWhatOfABodyCameBeforeItBrokeOffIsKept(t *testing.T) {
	_, c := newTus(t)
	at := c.create("Upload-Length", "1000000", "Upload-Metadata", metadataOf("path", "/broken"))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.site, "http://"))
	must(t, err)
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("a %T", conn)
	}
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: 1000000\r\n\r\n%s", at, c.token, strings.Repeat("A", 300_001))
	must(t, tcp.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	_ = resp.Body.Close()
	must(t, conn.Close())
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a body that broke off is answered %s", resp.Status)
	}
	head, text := c.do(http.MethodHead, at, "")
	c.wants(head, text, http.StatusOK, "Upload-Offset", "300001")
}

func TestTusRefusesWhatItDoesNotKnow(t *testing.T) {
	_, c := newTus(t)
	at := c.create("Upload-Length", "4", "Upload-Metadata", metadataOf("path", "/refused"))
	path := metadataOf("path", "/new")
	for name, r := range map[string]struct {
		method, path, body string
		header             []string
		code               int
		says               string
	}{
		"another version":       {"PATCH", at, "x", []string{"Tus-Resumable", "0.2.2", "Upload-Offset", "0"}, 412, "TUS_VERSION"},
		"no version":            {"PATCH", at, "x", []string{"Tus-Resumable", "", "Upload-Offset", "0"}, 412, "TUS_VERSION"},
		"another type":          {"PATCH", at, "x", []string{"Content-Type", "text/plain", "Upload-Offset", "0"}, 415, "Content-Type"},
		"a form":                {"PATCH", at, "x", []string{"Content-Type", "multipart/form-data", "Upload-Offset", "0"}, 415, "Content-Type"},
		"no offset":             {"PATCH", at, "x", nil, 400, "Upload-Offset"},
		"a negative offset":     {"PATCH", at, "x", []string{"Upload-Offset", "-1"}, 400, "Upload-Offset"},
		"too much":              {"PATCH", at, "12345", []string{"Upload-Offset", "0"}, 400, "data"},
		"a query":               {"PATCH", at + "?a=b", "x", []string{"Upload-Offset", "0"}, 400, "not a parameter"},
		"no length":             {"POST", "/v1/uploads", "", []string{"Upload-Metadata", path}, 400, "Upload-Length"},
		"two lengths":           {"POST", "/v1/uploads", "", []string{"Upload-Length", "1", "Upload-Defer-Length", "1", "Upload-Metadata", path}, 400, "Upload-Length"},
		"a length of words":     {"POST", "/v1/uploads", "", []string{"Upload-Length", "ten", "Upload-Metadata", path}, 400, "Upload-Length"},
		"no path":               {"POST", "/v1/uploads", "", []string{"Upload-Length", "1"}, 400, "key path"},
		"no base64":             {"POST", "/v1/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", "path /new"}, 400, "base64"},
		"a key twice":           {"POST", "/v1/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", path + "," + path}, 400, "each key once"},
		"overwrite of words":    {"POST", "/v1/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", path + "," + metadataOf("overwrite", "yes")}, 400, "overwrite"},
		"bytes at once":         {"POST", "/v1/uploads", "x", []string{"Upload-Length", "1", "Upload-Metadata", path}, 400, "PATCH"},
		"a path that leads out": {"POST", "/v1/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", metadataOf("path", "/../x")}, 400, "path"},
		"no such upload":        {"PATCH", "/v1/uploads/none", "x", []string{"Upload-Offset", "0"}, 404, "NOT_FOUND"},
		"nothing there":         {"HEAD", "/v1/uploads/a/b", "", nil, 404, ""},
		"another verb":          {"PUT", at, "x", nil, 405, "METHOD_NOT_ALLOWED"},
		"of all":                {"DELETE", "/v1/uploads", "", nil, 405, "METHOD_NOT_ALLOWED"},
	} {
		t.Run(name, func(t *testing.T) {
			one := &tusClient{T: t, site: c.site, token: c.token}
			resp, text := one.do(r.method, r.path, r.body, r.header...)
			one.wants(resp, text, r.code, "Tus-Resumable", "1.0.0")
			if !strings.Contains(text, r.says) {
				t.Errorf("said %s, not %q", text, r.says)
			}
		})
	}
}

func TestFramesOfAnAppendComeInTheirOrder(t *testing.T) {
	m := newMatrix(t)
	ann := m.as("ann")
	part := func(id string, offset int64) *workspacev1.AppendUploadRequest {
		return &workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Part{Part: &workspacev1.UploadPart{Id: id, Offset: offset}}}
	}
	data := func(text string) *workspacev1.AppendUploadRequest {
		return &workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Data{Data: []byte(text)}}
	}
	end := func(sum string) *workspacev1.AppendUploadRequest {
		return &workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_End{End: &workspacev1.UploadEnd{Sha256: sum}}}
	}
	sum := sha256.Sum256([]byte("ACGT"))
	right := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		frames func(id string) appends
		says   string // of the refusal; empty for none
	}{
		"whole":           {func(id string) appends { return sent(part(id, 0), data("AC"), data("GT"), end(right)) }, ""},
		"nothing":         {func(string) appends { return nil }, "part"},
		"no part":         {func(string) appends { return sent(data("ACGT")) }, "part"},
		"a part again":    {func(id string) appends { return sent(part(id, 0), data("AC"), part(id, 2)) }, "part"},
		"more at the end": {func(id string) appends { return sent(part(id, 0), end(""), data("ACGT")) }, "end"},
		"no sum":          {func(id string) appends { return sent(part(id, 0), end("xyz")) }, "sha256"},
		"another sum":     {func(id string) appends { return sent(part(id, 0), data("TTTT"), end(right)) }, "sha256"},
		"a huge frame":    {func(id string) appends { return sent(part(id, 0), data(strings.Repeat("A", 1<<20+1))) }, "data"},
	} {
		t.Run(name, func(t *testing.T) {
			created, err := m.space().CreateUpload(ann, &workspacev1.CreateUploadRequest{Path: "/frames", Overwrite: true, SizeBytes: new(int64(4))})
			must(t, err)
			stream, err := m.space().AppendUpload(ann)
			must(t, err)
			for _, f := range c.frames(created.GetUpload().GetId()) {
				if err := stream.Send(f); err != nil && !errors.Is(err, io.EOF) { // the response says why
					t.Fatal(err)
				}
			}
			res, err := stream.CloseAndRecv()
			if c.says == "" {
				if err != nil || res.GetUpload().GetEntry().GetSizeBytes() != 4 {
					t.Errorf("%v, %v", res, err)
				}
				return
			}
			if status.Code(err) != codes.InvalidArgument || !strings.HasPrefix(strings.TrimPrefix(status.Convert(err).Message(), "end."), c.says) {
				t.Errorf("got %v, want something about %s", err, c.says)
			}
		})
	}
}

// fileOf is the content of a file.
func (m *matrix) fileOf(ctx context.Context, path string) string {
	m.Helper()
	stream, err := m.space().Download(ctx, &workspacev1.DownloadRequest{Path: path})
	must(m, err)
	var content strings.Builder
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return content.String()
		}
		must(m, err)
		content.Write(frame.GetData())
	}
}

type appends []*workspacev1.AppendUploadRequest

func sent(all ...*workspacev1.AppendUploadRequest) appends { return all }

func TestListsOfUploadsComeInPages(t *testing.T) {
	m := newWorld(t)
	ann := m.as("ann")
	for i := range 5 {
		_, err := m.space().CreateUpload(ann, &workspacev1.CreateUploadRequest{Path: fmt.Sprintf("/p%d", i), ResumeKey: "k"})
		must(t, err)
	}
	var paths []string
	for token := ""; ; {
		page, err := m.space().ListUploads(ann, &workspacev1.ListUploadsRequest{PageSize: 2, PageToken: token})
		must(t, err)
		for _, u := range page.GetUploads() {
			paths = append(paths, u.GetPath())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(paths, " "); got != "/p0 /p1 /p2 /p3 /p4" {
		t.Errorf("listed %s", got)
	}
	for _, bad := range []*workspacev1.ListUploadsRequest{{PageToken: "x"}, {PageSize: -1}} {
		if _, err := m.space().ListUploads(ann, bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
