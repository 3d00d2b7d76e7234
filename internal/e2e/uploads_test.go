package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// uploadSize is how large the file is, and cutEvery after how many bytes its connections are
	// cut.
	uploadSize = 200_000_000
	cutEvery   = 20_000_000
	// mostSent is how often the bytes of a file may be sent on average.
	mostSent = 1.3
)

// cutter is a proxy that cuts each connection after so many bytes of the client, and tells when so
// many came in all.
type cutter struct {
	net.Listener

	to       string
	sent     atomic.Int64
	cuts     atomic.Int64
	marks    []int64 // in their order
	reached  chan int64
	markLock sync.Mutex
	all      sync.WaitGroup
}

func newCutter(t *testing.T, to string, marks ...int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: to, marks: marks, reached: make(chan int64, len(marks))}
	c.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.all.Wait()
	})
	return c
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server) // ends with either of them
		_ = client.Close()
	})
	_, err = io.CopyN(io.MultiWriter(server, c), client, cutEvery)
	if err == nil {
		c.cuts.Add(1)
	}
	_ = server.Close()
	_ = client.Close()
	back.Wait()
}

// Write counts what the client sent.
func (c *cutter) Write(p []byte) (int, error) {
	sent := c.sent.Add(int64(len(p)))
	c.markLock.Lock()
	defer c.markLock.Unlock()
	if len(c.marks) > 0 && sent >= c.marks[0] {
		c.reached <- c.marks[0]
		c.marks = c.marks[1:]
	}
	return len(p), nil
}

// bigFile is a file that is not compressible, and its sum.
func bigFile(t *testing.T) (name string, sum [sha256.Size]byte) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "big file.fq")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{7}), uploadSize); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name, [sha256.Size]byte(h.Sum(nil))
}

// wantWhole checks the stored file, and what it cost to bring it.
func (c *cutter) wantWhole(t *testing.T, s *server, path string, sum [sha256.Size]byte) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.data, "workspace", "*", path))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %q, %v", found, err)
	}
	f, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil || n != uploadSize || [sha256.Size]byte(h.Sum(nil)) != sum {
		t.Fatalf("stored %d bytes, %v, which are not those of the file", n, err)
	}
	times := float64(c.sent.Load()) / uploadSize
	t.Logf("sent %.2f times, over connections of which %d were cut", times, c.cuts.Load())
	if times > mostSent || c.cuts.Load() < 5 {
		t.Errorf("sent %.2f times, with %d cuts; want at most %.1f times", times, c.cuts.Load(), mostSent)
	}
}

// killAt kills the server at each mark, and starts it again, until stop is closed.
func (c *cutter) killAt(s *server, stop <-chan struct{}) {
	for {
		select {
		case <-c.reached:
			s.kill()
			s.start()
		case <-stop:
			return
		}
	}
}

func TestALargeUploadSurvivesCutsAndKills(t *testing.T) {
	t.Run("of stint, which is killed itself", func(t *testing.T) {
		s := newServer(t)
		name, sum := bigFile(t)
		c := newCutter(t, s.address, 50_000_000, 100_000_000, 150_000_000)
		upload := func() *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stint"), "upload", name, "/up/", "--server", c.Addr().String())
			cmd.Stderr = &lockedBuffer{}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return cmd
		}
		first := upload()
		for mark := range c.reached {
			if mark == 100_000_000 {
				if err := first.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = first.Wait() // it was killed
				first = upload()
				continue
			}
			s.kill()
			s.start()
			if mark == 150_000_000 {
				break
			}
		}
		err := first.Wait()
		said := fmt.Sprint(first.Stderr)
		if err != nil || !strings.Contains(said, "going on with the upload to /up/big file.fq, of which the server has") {
			t.Errorf("%v: %s", err, said)
		}
		c.wantWhole(t, s, "up/big file.fq", sum)
	})
	t.Run("of a client of tus", func(t *testing.T) {
		s := newServer(t)
		name, sum := bigFile(t)
		c := newCutter(t, s.address, 70_000_000, 140_000_000)
		stop := make(chan struct{})
		var kills sync.WaitGroup
		kills.Go(func() { c.killAt(s, stop) })
		tusUpload(t, "http://"+c.Addr().String(), name, "/up/tus.fq")
		close(stop)
		kills.Wait()
		c.wantWhole(t, s, "up/tus.fq", sum)
	})
}

// tusUpload uploads a file as the protocol says: create, add the rest, and ask for the offset after
// each break.
func tusUpload(t *testing.T, site, name, path string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, url string, body io.Reader, header ...string) (code int, returned http.Header, err error) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Tus-Resumable", "1.0.0")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, nil, err
		}
		return resp.StatusCode, resp.Header, resp.Body.Close()
	}
	code, created, err := ask(http.MethodPost, site+"/v1/uploads", nil, "Upload-Length", strconv.FormatInt(info.Size(), 10),
		"Upload-Metadata", "path "+base64.StdEncoding.EncodeToString([]byte(path)))
	if err != nil || code != http.StatusCreated {
		t.Fatalf("create: %d, %v", code, err)
	}
	url := site + created.Get("Location")
	tick := time.NewTicker(50 * time.Millisecond) // between the questions to a server that may be away
	defer tick.Stop()
	for offset := int64(0); offset < info.Size(); {
		_, _, _ = ask(http.MethodPatch, url, io.NewSectionReader(f, offset, info.Size()-offset), // whatever becomes of it, the offset says
			"Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
		for {
			code, head, err := ask(http.MethodHead, url, nil)
			if err == nil && code == http.StatusOK {
				if offset, err = strconv.ParseInt(head.Get("Upload-Offset"), 10, 64); err != nil {
					t.Fatal(err)
				}
				break
			}
			if err == nil && code != http.StatusServiceUnavailable {
				t.Fatalf("ask for the offset: %d", code)
			}
			<-tick.C
		}
	}
}
