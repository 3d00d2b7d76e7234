package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func verbAndPath(rule *annotations.HttpRule) (verb, path string) {
	for _, one := range []struct{ verb, path string }{
		{http.MethodGet, rule.GetGet()},
		{http.MethodPut, rule.GetPut()},
		{http.MethodPost, rule.GetPost()},
		{http.MethodDelete, rule.GetDelete()},
		{http.MethodPatch, rule.GetPatch()},
	} {
		if one.path != "" {
			return one.verb, one.path
		}
	}
	return "", ""
}

func unixTransport(path string) http.RoundTripper {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
}

// raw sends a request with a body and returns the status of its answer; 0 when the server hung up on the body.
func (h *hostile) raw(t *testing.T, c routeCall) int {
	t.Helper()
	ctx, cancel := context.WithCancel(h.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.verb, h.url(c.path), bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s %s: %v", c.verb, c.path, err)
		}
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestLargeJobsCostLittleToRead holds for pages in full and for snapshots, whatever the parameters are.
func TestLargeJobsCostLittleToRead(t *testing.T) {
	const batches, batch, numbers = 20, 15, 23_500
	h := newHostile(t, "--cpus", "1", "--max-requests-per-user", "0")
	dir := filepath.Join(h.services, "Numbers")
	if err := errors.Join(os.MkdirAll(dir, 0o750),
		os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\nsleep 60\n"), 0o700), //nolint:gosec // a program
		os.WriteFile(filepath.Join(dir, "service.yaml"), []byte("id: Numbers\nlabel: Numbers\ndescription: Takes numbers.\ncommand: [run]\nparameters:\n  - {id: nums, label: N, description: n, type: number, multiple: true}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	h.unslowed(t)
	list := &structpb.ListValue{}
	for range numbers {
		list.Values = append(list.Values, structpb.NewNumberValue(1))
	}
	one := &jobsv1.Job{Service: "Numbers", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"nums": structpb.NewListValue(list)}}}
	req := &jobsv1.BatchSubmitRequest{}
	for range batch {
		req.Jobs = append(req.Jobs, one)
	}
	ids := &jobsv1.BatchCancelRequest{}
	for range batches {
		resp, err := h.jobs().BatchSubmit(h.as("ann"), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range resp.GetJobs() {
			ids.Ids = append(ids.Ids, j.GetId())
		}
	}
	for name, read := range map[string]func(){
		"a page in full over REST": func() {
			if resp, body := h.rest("ann", call{path: "/v1/jobs?view=JOB_VIEW_FULL&pageSize=300"}); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"nextPageToken":"`) {
				t.Errorf("%s, %d bytes", resp.Status, len(body))
			}
		},
		"a page in full over gRPC": func() {
			if resp, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{View: jobsv1.JobView_JOB_VIEW_FULL, PageSize: 1000}); err != nil || resp.GetNextPageToken() == "" {
				t.Errorf("%d jobs, %v", len(resp.GetJobs()), err)
			}
		},
		"a snapshot": func() { snapshotOf(t, h, len(ids.GetIds())) },
	} {
		got := h.measured(1, read)
		t.Logf("%s: %s, %.1f MB", name, got.cpu, got.memory)
		if got.memory > 80 {
			t.Errorf("%s costs %.0f MB", name, got.memory)
		}
	}
	if _, err := h.jobs().BatchCancel(h.as("ann"), ids); err != nil {
		t.Fatal(err)
	}
}

func snapshotOf(t *testing.T, h *hostile, jobs int) {
	t.Helper()
	ctx, cancel := context.WithCancel(h.as("ann"))
	defer cancel()
	stream, err := h.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetSnapshotEnd() != nil {
			if n < jobs {
				t.Errorf("a snapshot of %d messages for %d jobs", n, jobs)
			}
			return
		}
	}
}
