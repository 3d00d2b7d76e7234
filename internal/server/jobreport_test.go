package server

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestWhereCommandsReachTheServer(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ configured, listen, local, remote string }{
		{"", "127.0.0.1:0", "http://127.0.0.1:8421", ""},
		{"", "localhost:8421", "http://localhost:8421", ""},
		{"", "[::1]:8421", "http://[::1]:8421", ""},
		{"", "0.0.0.0:8421", "http://127.0.0.1:8421", "http://" + name + ":8421"},
		{"", ":8421", "http://127.0.0.1:8421", "http://" + name + ":8421"},
		{"", "[::]:8421", "http://127.0.0.1:8421", "http://" + name + ":8421"},
		{"", "10.0.0.5:8421", "http://10.0.0.5:8421", "http://10.0.0.5:8421"},
		{"", "stint.example.org:8421", "http://stint.example.org:8421", "http://stint.example.org:8421"},
		{"https://example.org/stint/", "127.0.0.1:8421", "https://example.org/stint", "https://example.org/stint"},
		{"none", "0.0.0.0:8421", "", ""},
	} {
		s := &server{cfg: Config{JobReportURL: c.configured, Listen: c.listen}, address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8421}}
		if local, remote := s.reportBase(false), s.reportBase(true); local != c.local || remote != c.remote {
			t.Errorf("%q at %s: jobs here are told %q, jobs on nodes %q; want %q and %q", c.configured, c.listen, local, remote, c.local, c.remote)
		}
	}
}

func TestReportURLsThatAreRefused(t *testing.T) {
	for _, text := range []string{"", "none", "http://a:1", "https://a.example.org", "https://a/stint", "http://[::1]:8421"} {
		if err := checkReportURL(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"a:1", "//a", "ftp://a", "http://", "http://u:p@a", "http://a?b", "http://a#b", "http://a/b c", "http://a/\n", "http://a/'", "http://a/$(id)", "http://a/\"", "nowhere"} {
		if checkReportURL(text) == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestTokensOfJobsEnd(t *testing.T) {
	tokens, err := auth.NewJobTokens(make([]byte, 32), "k3x9ab")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{cfg: Config{Listen: "127.0.0.1:0"}, address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8421}, jobTokens: tokens}
	for limit, want := range map[time.Duration]time.Duration{0: 30 * 24 * time.Hour, time.Hour: 7*24*time.Hour + time.Hour} {
		j := &jobsv1.Job{Id: "17", Owner: "alice", Resources: &jobsv1.Resources{}}
		if limit > 0 {
			j.Resources.TimeLimit = durationpb.New(limit)
		}
		url, token := s.jobReport(j, 3)
		c, err := tokens.Read(token)
		if err != nil || url != "http://127.0.0.1:8421/v1/jobs/17:report" || c.Job != 17 || c.Attempt != 3 || c.Owner != "alice" {
			t.Errorf("%s, %+v, %v", url, c, err)
		}
		if left := time.Until(c.Expires); left > want || left < want-time.Minute {
			t.Errorf("a token for %v ends after %v", limit, left)
		}
	}
}

// blockMarker makes it impossible to write the marker of a data folder, and returns what ends that.
func blockMarker(t *testing.T, data string) (unblock func()) {
	t.Helper()
	path := filepath.Join(data, markerName+".part") // the name that a new one has until it is complete
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// A start that cannot mark the data folder is refused, and the next one belongs to the same installation.
func TestAFolderThatCannotBeMarkedIsNotUsed(t *testing.T) {
	s := &server{store: storetest.Open(t), log: slog.New(slog.DiscardHandler)}
	f := foldersOf("", t.TempDir())
	if err := f.make(); err != nil {
		t.Fatal(err)
	}
	unblock := blockMarker(t, f.data)
	if err := s.initSettings(f); err == nil || !strings.Contains(err.Error(), "mark the data folder") {
		t.Fatalf("without a marker: %v", err)
	}
	if m, err := readMarker(f.data); m != nil || err != nil {
		t.Errorf("the marker is %+v, %v", m, err)
	}
	first := s.store.Settings()
	unblock()
	if err := s.initSettings(f); err != nil || !proto.Equal(first, s.store.Settings()) {
		t.Errorf("another start changed the settings, or %v", err)
	}
	if m, err := readMarker(f.data); err != nil || !m.fits(f, first) {
		t.Errorf("the marker is %+v, %v", m, err)
	}
}

// A database of an earlier version gets what it lacks, and keeps what it has.
func TestSecretsThatADatabaseLacksAreMade(t *testing.T) {
	s := &server{store: storetest.Open(t), log: slog.New(slog.DiscardHandler)}
	f := foldersOf("", t.TempDir())
	if err := f.make(); err != nil {
		t.Fatal(err)
	}
	now, err := placeOf(f)
	if err != nil {
		t.Fatal(err)
	}
	old := &storev1.Settings{
		PageTokenKey: bytes.Repeat([]byte{7}, 32), InstallId: "k3x9ab", Message: "hello", Incarnation: "first", PlaceId: "here", Place: now,
	}
	if err := s.store.SetSettings(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := s.initSettings(f); err != nil {
		t.Fatal(err)
	}
	first := s.store.Settings()
	if len(first.GetJobTokenKey()) != 32 || strings.Trim(string(first.GetJobTokenKey()), "\x00") == "" {
		t.Errorf("the key is %x", first.GetJobTokenKey())
	}
	if err := s.initSettings(f); err != nil || !proto.Equal(first, s.store.Settings()) {
		t.Errorf("another start changed the settings, or %v", err)
	}
	rest := proto.CloneOf(first)
	rest.JobTokenKey = nil
	if !proto.Equal(rest, old) {
		t.Errorf("the settings are %v", rest)
	}
}
