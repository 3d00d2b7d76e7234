package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const accept = "Accept"

// event is a server-sent event as a browser sees it.
type event struct{ id, name, data string }

// readEvents reads a stream of events as the HTML standard says: an event
// counts when its blank line is there, the rest is forgotten.
func readEvents(r io.Reader) ([]event, error) {
	var events []event
	var current event
	var lastID string
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return events, err
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if current.data != "" {
				current.id = lastID
				events = append(events, current)
			}
			current = event{}
		case field == "id":
			lastID = value
		case field == "event":
			current.name = value
		case field == "data":
			current.data += value
		default:
			return events, fmt.Errorf("line %q is of no event", line)
		}
	}
}

// sendAll is a watch that sends frames and ends.
func sendAll(frames ...*jobsv1.WatchStatusResponse) func(*jobsv1.WatchStatusRequest, grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
	return func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		for _, frame := range frames {
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
		return nil
	}
}

func changed(revision uint64, name string) *jobsv1.WatchStatusResponse {
	return &jobsv1.WatchStatusResponse{Cursor: strconv.FormatUint(revision, 10), Event: &jobsv1.WatchStatusResponse_Job{
		Job: &jobsv1.Job{Id: strconv.FormatUint(revision, 10), OutputName: name, State: jobsv1.State_STATE_RUNNING},
	}}
}

// oneOfEach is a frame of each kind.
func oneOfEach() []*jobsv1.WatchStatusResponse {
	return []*jobsv1.WatchStatusResponse{
		{Cursor: "5", Event: &jobsv1.WatchStatusResponse_Restarted{Restarted: &jobsv1.Restarted{}}},
		{Cursor: "5", Event: &jobsv1.WatchStatusResponse_SnapshotBegin{SnapshotBegin: &jobsv1.SnapshotBegin{}}},
		changed(5, "line\nbreak\r\n\nevent: fake\ndata: {}\n\n\u2028<b>"),
		{Cursor: "6", Event: &jobsv1.WatchStatusResponse_SnapshotEnd{SnapshotEnd: &jobsv1.SnapshotEnd{}}},
		{Cursor: "7", Event: &jobsv1.WatchStatusResponse_Removed{Removed: &jobsv1.Removed{Id: "7"}}},
		{Cursor: "7", Event: &jobsv1.WatchStatusResponse_Counts{Counts: &jobsv1.Summary{Total: &jobsv1.StateCounts{Queued: 1}}}},
		{Cursor: "8", Event: &jobsv1.WatchStatusResponse_Heartbeat{Heartbeat: &jobsv1.Heartbeat{Time: timestamppb.New(timestamppb.Now().AsTime())}}},
	}
}

func TestFramesBecomeEventsNamedByTheirKind(t *testing.T) {
	frames := oneOfEach()
	s := newSite(t, &script{jobs: fake{watch: sendAll(frames...)}}, Config{})
	for _, accepted := range []string{"text/event-stream", "Text/Event-Stream; q=1, */*", "application/json, text/event-stream"} {
		resp := s.get(t, "/v1/jobs:watch", accept, accepted)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %q, want %q", name, got, want)
			}
		}
		events, err := readEvents(strings.NewReader(resp.body))
		if !errors.Is(err, io.EOF) || resp.err != nil {
			t.Fatalf("the stream ended with %v, %v", err, resp.err)
		}
		names := []string{"restarted", "snapshotBegin", "job", "snapshotEnd", "removed", "counts", "heartbeat"}
		checkEvents(t.Errorf, events, names, frames)
	}
}

// checkEvents compares the events of a stream that is over with its frames.
func checkEvents(errorf func(string, ...any), events []event, names []string, frames []*jobsv1.WatchStatusResponse) {
	if last := len(events) - 1; last >= 0 && events[last].name == "end" {
		events = events[:last]
	} else {
		errorf("the stream ends without an event that says so: %q", events)
	}
	if len(events) != len(frames) {
		errorf("%d events for %d frames: %q", len(events), len(frames), events)
		return
	}
	for i, frame := range frames {
		got := &jobsv1.WatchStatusResponse{}
		if err := strictJSON.Unmarshal([]byte(events[i].data), got); err != nil {
			errorf("event %d: %v in %q", i, err, events[i].data)
		}
		if diff := cmp.Diff(frame, got, protocmp.Transform()); diff != "" {
			errorf("event %d (-want +got):\n%s", i, diff)
		}
		if events[i].name != names[i] || events[i].id != frame.GetCursor() {
			errorf("event %d is %q with id %q, want %q with id %q", i, events[i].name, events[i].id, names[i], frame.GetCursor())
		}
	}
}

func TestFramesBecomeLinesOfJSON(t *testing.T) {
	frames := oneOfEach()
	s := newSite(t, &script{jobs: fake{watch: sendAll(frames...)}}, Config{})
	for _, accepted := range []string{"", "*/*", "application/json", "application/x-ndjson", "text/html"} {
		resp := s.get(t, "/v1/jobs:watch", accept, accepted)
		if got := resp.Header.Get("Content-Type"); got != "application/x-ndjson" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", resp.Header)
		}
		lines := strings.Split(resp.body, "\n")
		if last := len(lines) - 1; last != len(frames) || lines[last] != "" {
			t.Fatalf("%d lines for %d frames: %q", last, len(frames), resp.body)
		}
		for i, frame := range frames {
			text, ok := strings.CutPrefix(lines[i], `{"result":`)
			got := fromJSON(t, strings.TrimSuffix(text, "}"), &jobsv1.WatchStatusResponse{})
			if diff := cmp.Diff(frame, got, protocmp.Transform()); diff != "" || !ok {
				t.Errorf("line %d, %q (-want +got):\n%s", i, lines[i], diff)
			}
		}
	}
}

func TestAnErrorBeforeTheFirstFrameIsAnOrdinaryRefusal(t *testing.T) {
	s := newSite(t, &script{jobs: fake{watch: func(*jobsv1.WatchStatusRequest, grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		return refused(t, codes.PermissionDenied, "PERMISSION_DENIED", "No.")
	}}}, Config{})
	for _, accepted := range []string{eventStream, ndjson} {
		resp := s.get(t, "/v1/jobs:watch?owner=*", accept, accepted)
		refusal{http: 403, code: codes.PermissionDenied, reason: "PERMISSION_DENIED"}.check(t, resp)
	}
}

func TestAnErrorAfterFramesEndsTheStreamVisibly(t *testing.T) {
	s := newSite(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		if err := stream.Send(changed(3, "a")); err != nil {
			return err
		}
		return refused(t, codes.Unavailable, "SERVER_STOPPING", "Resume after 3.")
	}}}, Config{})
	resp := s.get(t, "/v1/jobs:watch", accept, eventStream)
	events, _ := readEvents(strings.NewReader(resp.body))
	if len(events) != 2 || events[1].name != "problem" || events[1].id != "3" || !strings.Contains(events[1].data, `"SERVER_STOPPING"`) {
		t.Errorf("events %q, want one and an error", events)
	}
	resp = s.get(t, "/v1/jobs:watch")
	lines := strings.Split(resp.body, "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], `{"error":{`) || !strings.Contains(lines[1], `"SERVER_STOPPING"`) {
		t.Errorf("lines %q, want one and an error", lines)
	}
}

func TestLastEventIDResumesAndOverrulesTheQuery(t *testing.T) {
	var got *jobsv1.WatchStatusRequest
	var gotLogs *jobsv1.StreamLogsRequest
	s := newSite(t, &script{jobs: fake{
		watch: func(r *jobsv1.WatchStatusRequest, _ grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
			got = r
			return nil
		},
		logs: func(r *jobsv1.StreamLogsRequest, _ grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
			gotLogs = r
			return nil
		},
	}}, Config{})
	for _, test := range []struct {
		path, id string
		want     *jobsv1.WatchStatusRequest
	}{
		{"/v1/jobs:watch", "", &jobsv1.WatchStatusRequest{}},
		{"/v1/jobs:watch", "17", &jobsv1.WatchStatusRequest{AfterCursor: "17"}},
		{"/v1/jobs:watch?afterCursor=3&owner=me", "17", &jobsv1.WatchStatusRequest{AfterCursor: "17", Owner: "me"}},
		{"/v1/jobs/5:watch?after_cursor=3&until_final=true", "17", &jobsv1.WatchStatusRequest{Id: "5", AfterCursor: "17", UntilFinal: true}},
		{"/v1/jobs:watch?afterCursor=3&ids=1&ids=2", "", &jobsv1.WatchStatusRequest{AfterCursor: "3", Ids: []string{"1", "2"}}},
	} {
		got = nil
		s.get(t, test.path, "Last-Event-ID", test.id, accept, eventStream)
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s after %q (-want +got):\n%s", test.path, test.id, diff)
		}
	}
	s.get(t, "/v1/jobs/5/logs/stderr?tailLines=10&follow=true", "Last-Event-ID", "4096", accept, eventStream)
	wantLogs := &jobsv1.StreamLogsRequest{Id: "5", Stream: jobsv1.LogStream_LOG_STREAM_STDERR, Offset: 4096, Follow: true}
	if diff := cmp.Diff(wantLogs, gotLogs, protocmp.Transform()); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	for _, id := range []string{"x", "-1", "99999999999999999999", "1\"; DROP"} {
		refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"Last-Event-ID"}}.
			check(t, s.get(t, "/v1/jobs/5/logs/stderr", "Last-Event-ID", id))
	}
}

func TestLogFramesCarryTheOffsetToGoOnFrom(t *testing.T) {
	s := newSite(t, &script{jobs: fake{logs: func(_ *jobsv1.StreamLogsRequest, stream grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
		for _, frame := range []*jobsv1.StreamLogsResponse{{Data: []byte("abc")}, {Offset: 3}, {Offset: 10, Data: []byte{0xff}}} {
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
		return nil
	}}}, Config{})
	resp := s.get(t, "/v1/jobs/5/logs/STDOUT?follow=1", accept, eventStream)
	events, _ := readEvents(strings.NewReader(resp.body))
	var got []string
	for _, e := range events {
		got = append(got, e.name+" "+e.id)
	}
	if diff := cmp.Diff([]string{"log 3", "heartbeat 3", "log 11", "end 11"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// An EventSource opens a stream again that only ends. It stops at 204, and a page closes it at the event `end`.
func TestAStreamThatIsOverSaysSo(t *testing.T) {
	frames := 0
	s := newSite(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		for n := range frames {
			if err := stream.Send(&jobsv1.WatchStatusResponse{Cursor: strconv.Itoa(n + 1)}); err != nil {
				return err
			}
		}
		return nil
	}}}, Config{})
	for _, test := range []struct {
		frames int
		media  string
		code   int
		last   string
	}{
		{0, eventStream, http.StatusNoContent, ""},
		{2, eventStream, http.StatusOK, "end"},
		{0, ndjson, http.StatusOK, ""},
		{2, ndjson, http.StatusOK, ""},
	} {
		frames = test.frames
		resp := s.get(t, "/v1/jobs/5:watch?untilFinal=true", accept, test.media)
		events, _ := readEvents(strings.NewReader(resp.body))
		last := ""
		if test.media == eventStream && len(events) > 0 {
			last = events[len(events)-1].name
		}
		if resp.StatusCode != test.code || last != test.last || test.code == http.StatusNoContent && resp.Header.Get("Content-Type") != "" {
			t.Errorf("%d frames of %s: %s, last event %q, %v", test.frames, test.media, resp.Status, last, resp.Header)
		}
	}
}

// pieces records what each write to a client was.
type pieces struct {
	httptest.ResponseRecorder

	writes []string
}

func (p *pieces) Write(b []byte) (int, error) {
	p.writes = append(p.writes, string(b))
	return len(b), nil
}

func TestEventsAreNeverTorn(t *testing.T) {
	var frames []*jobsv1.WatchStatusResponse
	handler := newHandler(t, &script{jobs: fake{watch: func(r *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		return sendAll(frames...)(r, stream)
	}}}, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		frames = nil
		var names []string
		for i := range rapid.IntRange(1, 5).Draw(rt, "frames") {
			text := strings.ToValidUTF8(rapid.String().Draw(rt, "text"), "?")
			text = strings.Repeat(text, rapid.SampledFrom([]int{1, 2, 500}).Draw(rt, "times"))
			frames = append(frames, changed(uint64(i+1), text))
			names = append(names, "job")
		}
		w := &pieces{ResponseRecorder: *httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v1/jobs:watch", nil)
		r.Header.Set(accept, eventStream)
		handler.ServeHTTP(w, r)
		all := strings.Join(w.writes, "")
		// A frame goes out in one piece unless it is larger than a piece.
		for _, piece := range w.writes {
			if len(piece) < pieceBytes && !strings.HasSuffix(piece, "\n\n") {
				rt.Errorf("a write ends inside an event: %.100q", piece)
			}
		}
		// However the network cuts the bytes, the events are the same.
		events, err := readEvents(iotest.OneByteReader(strings.NewReader(all)))
		if !errors.Is(err, io.EOF) {
			rt.Errorf("the stream ends with %v", err)
		}
		checkEvents(rt.Errorf, events, names, frames)
	})
}

// cutConn is a connection that breaks after some bytes were written to it.
type cutConn struct {
	net.Conn

	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	_, _ = c.Conn.Write(p[:c.left])
	c.Conn.Close()
	return 0, errBroken
}

// cutListener breaks each connection after as many bytes as cut says.
type cutListener struct {
	net.Listener

	cut func() int
}

func (l cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, left: l.cut()}, nil
}

func TestResumingATornStreamLosesNothingAndRepeatsNothing(t *testing.T) {
	const last = 40
	handler := newHandler(t, &script{jobs: fake{watch: func(r *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		after, err := strconv.ParseUint(r.GetAfterCursor(), 10, 64)
		if err != nil {
			return err
		}
		for revision := after + 1; revision <= last; revision++ {
			if err := stream.Send(changed(revision, strings.Repeat("x", int(revision*7%90)))); err != nil {
				return err
			}
		}
		return nil
	}}}, Config{})
	server := httptest.NewUnstartedServer(handler)
	// A fixed seed: the same cuts each time.
	random := rand.New(rand.NewPCG(1, 2))
	server.Listener = cutListener{server.Listener, func() int { return 300 + random.IntN(2000) }}
	server.Start()
	defer server.Close()
	server.Client().Transport = &http.Transport{DisableKeepAlives: true}

	var seen []string
	lastID, connections := "", 0
	for ; len(seen) < last && connections < 1000; connections++ {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/jobs:watch?afterCursor=0", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(accept, eventStream)
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			continue // cut within the header
		}
		events, _ := readEvents(resp.Body)
		resp.Body.Close()
		for _, e := range events {
			if e.name == "job" {
				seen = append(seen, e.id)
				lastID = e.id
			}
		}
	}
	var want []string
	for revision := range last {
		want = append(want, strconv.Itoa(revision+1))
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("changes seen over %d connections (-want +got):\n%s", connections, diff)
	}
	if connections < 5 {
		t.Errorf("the stream was torn only %d times", connections)
	}
}

func TestTheFirstFrameDoesNotWaitForTheSecond(t *testing.T) {
	goOn := make(chan struct{})
	s := newSite(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		if err := stream.Send(changed(1, "first")); err != nil {
			return err
		}
		<-goOn
		return stream.Send(changed(2, "second"))
	}}}, Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/jobs:watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "first") {
		t.Fatalf("%q, %v", line, err)
	}
	close(goOn)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "second") {
		t.Fatalf("%q, %v", line, err)
	}
}

func TestTheServerEndsStreamsWhenItStops(t *testing.T) {
	ended := make(chan struct{})
	s := newSite(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		defer close(ended)
		if err := stream.Send(changed(9, "first")); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}}}, Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/jobs:watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(accept, eventStream)
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	s.stop()
	events, err := readEvents(io.MultiReader(bytes.NewReader(first), resp.Body))
	if !errors.Is(err, io.EOF) || len(events) != 2 || events[1].name != "problem" || !strings.Contains(events[1].data, "SERVER_STOPPING") {
		t.Errorf("%v, events %q; want one, an error and the end", err, events)
	}
	<-ended
	if err := s.Config.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestAStreamEndsWhenItsClientLeaves(t *testing.T) {
	ended := make(chan struct{})
	s := newSite(t, &script{jobs: fake{watch: func(_ *jobsv1.WatchStatusRequest, stream grpc.ServerStreamingServer[jobsv1.WatchStatusResponse]) error {
		defer close(ended)
		if err := stream.Send(changed(9, "first")); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}}}, Config{})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/jobs:watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	resp.Body.Close()
	<-ended
}

func TestEveryKindOfFrameHasAName(t *testing.T) {
	event := (&jobsv1.WatchStatusResponse{}).ProtoReflect().Descriptor().Oneofs().ByName("event")
	if event == nil {
		t.Fatal("WatchStatusResponse has no oneof `event` any more: eventKind needs its name")
	}
	for i := range event.Fields().Len() {
		frame := &jobsv1.WatchStatusResponse{}
		frame.ProtoReflect().Mutable(event.Fields().Get(i))
		if name, _ := describeFrame(frame); name != event.Fields().Get(i).JSONName() {
			t.Errorf("a frame with %s is named %q", event.Fields().Get(i).Name(), name)
		}
	}
	if name, id := describeFrame(&jobsv1.WatchStatusResponse{}); name != "message" || id != "" {
		t.Errorf("an empty frame is %q with id %q", name, id)
	}
}
