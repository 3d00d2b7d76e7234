package siege

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// strangerCalls are gRPC calls without a credential.
func strangerCalls(w *worker) func(context.Context) {
	batch := &jobsv1.BatchSubmitRequest{}
	for range 1000 {
		batch.Jobs = append(batch.Jobs, &jobsv1.Job{Service: "Append", OutputName: strings.Repeat("x", 50)})
	}
	return func(ctx context.Context) {
		ctx, cancel := as(ctx, "")
		defer cancel()
		jobs := jobsv1.NewJobServiceClient(w.grpc())
		var err error
		if w.calls%10 == 0 {
			_, err = jobs.BatchSubmit(ctx, batch)
		} else {
			_, err = jobs.List(ctx, &jobsv1.ListRequest{Filter: "state = RUNNING"})
		}
		w.ended(err)
	}
}

// strangerRequests are requests over HTTP without a credential, each second one over a connection of
// its own.
func strangerRequests(w *worker) func(context.Context) {
	paths := []string{"/v1/jobs", "/v1/jobs/1", "/v1/workspace/", "/v1/admin/audit", "/v1/jobs/1/results/x", "/v1/tokens"}
	return func(ctx context.Context) {
		if w.calls%2 == 0 && w.client != nil {
			w.client.CloseIdleConnections()
		}
		w.do(ctx, http.MethodGet, paths[w.calls%len(paths)], "", nil)
	}
}

// strangerBodies are bodies of 4 MiB, of very many jobs, without a credential.
func strangerBodies(w *worker) func(context.Context) {
	body := []byte(`{"jobs":[` + strings.TrimSuffix(strings.Repeat("{},", 1_398_000), ",") + `]}`)
	return func(ctx context.Context) {
		w.do(ctx, http.MethodPost, "/v1/jobs:batchSubmit", "", bytes.NewReader(body))
	}
}

// guesses are calls and requests with tokens that nobody gave out.
func guesses(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		token := fmt.Sprintf("stint_%d_%d", w.number, w.calls)
		if w.number%2 == 0 {
			w.do(ctx, http.MethodGet, "/v1/jobs", token, nil)
			return
		}
		ctx, cancel := as(ctx, token)
		defer cancel()
		_, err := jobsv1.NewJobServiceClient(w.grpc()).List(ctx, &jobsv1.ListRequest{})
		w.ended(err)
	}
}
