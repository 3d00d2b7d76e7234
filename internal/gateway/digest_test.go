package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// The digest of "hello\n", as sha256sum and RFC 9530 write it.
const (
	helloSum    = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	helloDigest = "sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:"
)

// An upload that announces a digest hands it on, however that is written, and what cannot be checked is refused.
func TestAnUploadAnnouncesItsDigest(t *testing.T) {
	var target *workspacev1.UploadTarget
	s := newSite(t, &script{workspace: fakeWorkspace{upload: func(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		target = first.GetTarget()
		for err == nil {
			_, err = stream.Recv()
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		return stream.SendAndClose(&workspacev1.UploadResponse{Entry: &workspacev1.WorkspaceEntry{Path: target.GetPath()}})
	}}}, Config{})
	for _, headers := range [][]string{
		{"Repr-Digest", helloDigest},
		{"Content-Digest", helloDigest},
		{"Repr-Digest", helloDigest, "Content-Digest", helloDigest},
		{"Repr-Digest", "sha-512=:AAAA:, " + helloDigest + " , md5=:AAAA:"},
		{"Repr-Digest", helloDigest + ";x=1"},
		{},
	} {
		target = nil
		resp := s.do(t, http.MethodPut, "/v1/workspace/a", strings.NewReader("hello\n"), headers...)
		want := helloSum
		if len(headers) == 0 {
			want = ""
		}
		if resp.StatusCode != http.StatusOK || target.GetSha256() != want {
			t.Errorf("%q: %s, sha256 %q: %s", headers, resp.Status, target.GetSha256(), resp.body)
		}
	}
	for _, c := range []struct {
		field   string
		headers []string
	}{
		{"Repr-Digest", []string{"Repr-Digest", "sha-512=:AAAA:"}},
		{"Repr-Digest", []string{"Repr-Digest", helloSum}},
		{"Repr-Digest", []string{"Repr-Digest", "sha-256=" + helloSum}},
		{"Repr-Digest", []string{"Repr-Digest", "sha-256=:" + helloSum + ":"}},
		{"Repr-Digest", []string{"Repr-Digest", strings.TrimSuffix(helloDigest, ":")}},
		{"Repr-Digest", []string{"Repr-Digest", ""}},
		{"Content-Digest", []string{"Content-Digest", "md5=:AAAA:"}},
		{"Content-Digest", []string{"Repr-Digest", helloDigest, "Content-Digest", formatDigest(make([]byte, sha256.Size))}},
	} {
		refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{c.field}}.
			check(t, s.do(t, http.MethodPut, "/v1/workspace/a", strings.NewReader("hello\n"), c.headers...))
	}
}

// A download has the digest of the whole file where that was asked for, with whatever else was asked.
func TestADownloadHasTheDigestThatWasAskedFor(t *testing.T) {
	f := &stored{name: "/a", text: digits(100_000), modified: modified}
	empty := &stored{name: "empty", modified: modified}
	s := newSite(t, &script{workspace: fakeWorkspace{download: serveBytes(f)}, jobs: fake{readResult: serveResults(t, empty, &stored{name: "out/a", text: "hello\n", modified: modified})}}, Config{})
	sum := sha256.Sum256([]byte(f.text))
	want := formatDigest(sum[:])
	for _, c := range []struct {
		method, path, wish string
		headers            []string
		code, bytes        int
		want               string
	}{
		{"GET", "/v1/workspace/a", "sha-256=1", nil, 200, 100_000, want},
		{"GET", "/v1/workspace/a", "sha-512=5, sha-256=10", nil, 200, 100_000, want},
		{"HEAD", "/v1/workspace/a", "sha-256=1", nil, 200, 0, want},
		{"GET", "/v1/workspace/a", "sha-256=1", []string{"Range", "bytes=50000-50009"}, 206, 10, want},
		{"GET", "/v1/workspace/a", "sha-256=0", nil, 200, 100_000, ""},
		{"GET", "/v1/workspace/a", "sha-512=1", nil, 200, 100_000, ""},
		{"GET", "/v1/workspace/a", "sha-256", nil, 200, 100_000, ""},
		{"GET", "/v1/workspace/a", "", nil, 200, 100_000, ""},
		{"GET", "/v1/jobs/7/results/out/a", "sha-256=3", nil, 200, 6, helloDigest},
		{"GET", "/v1/jobs/7/results/empty", "sha-256=3", nil, 200, 0, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"},
	} {
		resp := s.do(t, c.method, c.path, nil, append([]string{"Want-Repr-Digest", c.wish}, c.headers...)...)
		if resp.StatusCode != c.code || len(resp.body) != c.bytes || resp.Header.Get("Repr-Digest") != c.want {
			t.Errorf("%s %s with %q %q: %s, %d bytes, %q", c.method, c.path, c.wish, c.headers, resp.Status, len(resp.body), resp.Header.Get("Repr-Digest"))
		}
	}
	if raw, err := hex.DecodeString(helloSum); err != nil || formatDigest(raw) != helloDigest {
		t.Errorf("%s is not %s", helloSum, helloDigest)
	}
}

// A file that breaks off has no digest, and no other one.
func TestAFileThatBreaksOffHasNoDigest(t *testing.T) {
	f := &stored{name: "/a", text: digits(5_000), modified: modified, size: 9_000}
	s := newSite(t, &script{workspace: fakeWorkspace{download: serveBytes(f)}}, Config{})
	resp := s.get(t, "/v1/workspace/a", "Want-Repr-Digest", "sha-256=1")
	if resp.StatusCode < 500 || resp.Header.Get("Repr-Digest") != "" {
		t.Errorf("%s, %q", resp.Status, resp.Header.Get("Repr-Digest"))
	}
}
