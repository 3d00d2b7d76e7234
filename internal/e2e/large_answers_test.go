package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	// largestAnswer and answerMemory are row 24 of the targets: the largest answer of any call, and
	// the most memory of the server, in MB, for each that is under way.
	largestAnswer = 4 << 20
	answerMemory  = 12 * 1.048576
	// atOnce is how many answers are under way.
	atOnce = 8
)

// largeJobs are parameters that are as large as a job may have them and become much in memory or in
// JSON.
var largeJobs = map[string]func() *structpb.Value{
	"numbers": func() *structpb.Value {
		return listOf(23_500, func() *structpb.Value { return structpb.NewNumberValue(1.0 / 3 * 1e-300) })
	},
	"texts": func() *structpb.Value {
		return listOf(51_000, func() *structpb.Value { return structpb.NewStringValue("x") })
	},
	"quotes": func() *structpb.Value {
		return listOf(4, func() *structpb.Value { return structpb.NewStringValue(strings.Repeat(`"`, 65_000)) })
	},
}

func listOf(n int, one func() *structpb.Value) *structpb.Value {
	list := &structpb.ListValue{}
	for range n {
		list.Values = append(list.Values, one())
	}
	return structpb.NewListValue(list)
}

const largeService = `id: Large
label: Large
description: Takes what is large.
command: [run]
parameters:
  - {id: numbers, label: N, description: n, type: number, multiple: true}
  - {id: texts, label: T, description: t, type: string, multiple: true}
  - {id: quotes, label: Q, description: q, type: string, multiple: true}
`

// submitLarge has a user submit so many jobs of each kind, by turns, and returns their ids.
func (h *hostile) submitLarge(t *testing.T, each int) (ids []string) {
	t.Helper()
	for range each {
		for _, kind := range slices.Sorted(maps.Keys(largeJobs)) {
			resp, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: &jobsv1.Job{
				Service: "Large", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{kind: largeJobs[kind]()}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, resp.GetJob().GetId())
		}
	}
	return ids
}

// answer is a call whose answer is large. It returns how many bytes came, or the most that came in
// one message.
type largeAnswer func(ctx context.Context) (int, error)

// largeAnswers are the calls that return jobs in full, and the streams of them, on each way in.
func (h *hostile) largeAnswers(t *testing.T, d *door, ids []string) map[string]largeAnswer {
	t.Helper()
	h2 := d.dial(t, "h2c")
	get := func(path string, header ...string) largeAnswer {
		return func(ctx context.Context) (int, error) {
			resp, err := d.get(ctx, http.DefaultClient, path, header...)
			if err != nil {
				return 0, err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status + " " + string(body[:min(len(body), 300)]))
			}
			return len(body), err
		}
	}
	list := &jobsv1.ListRequest{View: jobsv1.JobView_JOB_VIEW_FULL, PageSize: 1000}
	viaConnect := func(options ...connect.ClientOption) largeAnswer {
		return func(context.Context) (int, error) {
			resp, err := connectCall[jobsv1.ListRequest, jobsv1.ListResponse](d, h2, jobsv1.JobService_List_FullMethodName, list, options...)
			if err != nil {
				return 0, err
			}
			return proto.Size(resp.Msg), nil
		}
	}
	as := h.as("ann")
	size := func(m proto.Message, err error) (int, error) { return proto.Size(m), err }
	all := map[string]largeAnswer{
		"a page over REST":        get("/v1/jobs?view=JOB_VIEW_FULL&pageSize=1000"),
		"a page over REST, gzip":  get("/v1/jobs?view=JOB_VIEW_FULL&pageSize=1000", "Accept-Encoding", "gzip"),
		"a page over gRPC":        func(context.Context) (int, error) { return size(h.jobs().List(as, list)) },
		"a page over net/http":    viaConnect(connect.WithGRPC()),
		"a page over gRPC-Web":    viaConnect(connect.WithGRPCWeb()),
		"a page over Connect":     viaConnect(),
		"a page, Connect in JSON": viaConnect(connect.WithProtoJSON()),
		"a batch over gRPC": func(context.Context) (int, error) {
			return size(h.jobs().BatchGet(as, &jobsv1.BatchGetRequest{Ids: ids[:2], View: jobsv1.JobView_JOB_VIEW_FULL}))
		},
		"a batch over REST":    get("/v1/jobs:batchGet?view=JOB_VIEW_FULL&ids=" + strings.Join(ids[:2], "&ids=")),
		"a snapshot over gRPC": func(context.Context) (int, error) { return snapshotOf(h, len(ids)) },
		"a snapshot over SSE": func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return firstSnapshot(ctx, d)
		},
	}
	for _, n := range []int{0, 1, 2} {
		kind := slices.Sorted(maps.Keys(largeJobs))[n]
		all["a job with "+kind+" over REST"] = get("/v1/jobs/" + ids[n])
		all["a job with "+kind+" over gRPC"] = func(context.Context) (int, error) {
			return size(h.jobs().Get(as, &jobsv1.GetRequest{Id: ids[n]}))
		}
	}
	return all
}

// TestLargeAnswersCostLittle holds for each call that returns jobs in full, and for snapshots,
// whatever the parameters are.
func TestLargeAnswersCostLittle(t *testing.T) {
	h := newHostile(t, "--cpus", "1", "--max-requests-per-user", "0")
	dir := filepath.Join(h.services, "Large")
	if err := errors.Join(os.MkdirAll(dir, 0o750),
		os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\nsleep 60\n"), 0o700), //nolint:gosec // a program
		os.WriteFile(filepath.Join(dir, "service.yaml"), []byte(largeService), 0o600)); err != nil {
		t.Fatal(err)
	}
	h.unslowed(t)
	d := newDoor(t, h.server, nil) // before there are jobs that take long
	d.token = h.token["ann"]
	ids := h.submitLarge(t, 20)
	all := h.largeAnswers(t, d, ids)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var largest int
		got := h.measured(atOnce, func() {
			var wait sync.WaitGroup
			var mu sync.Mutex
			for range atOnce {
				wait.Go(func() {
					size, err := all[name](t.Context())
					mu.Lock()
					defer mu.Unlock()
					if largest = max(largest, size); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wait.Wait()
		})
		each := got.memory / atOnce
		if t.Logf("%s: %s, %.1f MB each of %d, %d kB long", name, got.cpu, each, atOnce, largest>>10); each > answerMemory {
			t.Errorf("%s: costs %.1f MB each of %d, may cost %.1f", name, each, atOnce, answerMemory)
		}
		if largest > largestAnswer {
			t.Errorf("%s: %d bytes in an answer", name, largest)
		}
	}
	if _, err := h.jobs().BatchCancel(h.as("ann"), &jobsv1.BatchCancelRequest{Ids: ids}); err != nil {
		t.Fatal(err)
	}
}

// snapshotOf reads a snapshot of so many jobs, and returns the size of its largest message.
func snapshotOf(h *hostile, jobs int) (largest int, _ error) {
	ctx, cancel := context.WithCancel(h.as("ann"))
	defer cancel()
	stream, err := h.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		m, err := stream.Recv()
		if err != nil {
			return 0, err
		}
		if largest = max(largest, proto.Size(m)); m.GetSnapshotEnd() != nil {
			if n < jobs {
				return 0, errors.New("a snapshot without all jobs: " + protojson.Format(m))
			}
			return largest, nil
		}
	}
}

// firstSnapshot reads a snapshot by server-sent events, and returns the size of its largest event.
func firstSnapshot(ctx context.Context, d *door) (largest int, _ error) {
	resp, err := d.get(ctx, http.DefaultClient, "/v1/jobs:watch", "Accept", "text/event-stream")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var read []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := resp.Body.Read(buf)
		if err != nil {
			return 0, err
		}
		read = append(read, buf[:n]...)
		for {
			event, rest, whole := bytes.Cut(read, []byte("\n\n"))
			if !whole {
				break
			}
			if read = rest; bytes.Contains(event, []byte("event: snapshotEnd\n")) {
				return largest, nil
			}
			largest = max(largest, len(event))
		}
	}
}
