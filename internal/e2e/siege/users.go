package siege

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// filters are lists by the costliest filter, each by another one, so that no results are kept.
func filters(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := as(ctx, w.token())
		defer cancel()
		jobs := jobsv1.NewJobServiceClient(w.grpc())
		word := fmt.Sprintf("%c%c", 'a'+w.number%26, 'a'+w.calls%26)
		_, err := jobs.List(ctx, &jobsv1.ListRequest{PageSize: 1, Filter: strings.Replace(w.Filter, "a0", word, 1)})
		w.ended(err)
	}
}

// fullPages are the largest pages that there are, over gRPC and over REST.
func fullPages(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		if w.number%2 == 0 {
			w.do(ctx, http.MethodGet, "/v1/jobs?pageSize=1000&view=JOB_VIEW_FULL", w.token(), nil)
			return
		}
		ctx, cancel := as(ctx, w.token())
		defer cancel()
		_, err := jobsv1.NewJobServiceClient(w.grpc()).List(ctx, &jobsv1.ListRequest{PageSize: 1000, View: jobsv1.JobView_JOB_VIEW_FULL})
		w.ended(err)
	}
}

// uploads are files of a mebibyte, empty ones in deep folders, and ones that are too deep, until the
// quota is used up, and then the deletion of all of them.
func uploads(w *worker) func(context.Context) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	n := 0
	return func(ctx context.Context) {
		folder := fmt.Sprintf("/v1/workspace/siege-%d", w.number)
		switch n++; {
		case n%200 == 0:
			w.do(ctx, http.MethodDelete, folder+"?recursive=true", w.token(), nil)
		case n%10 == 1:
			w.do(ctx, http.MethodPut, folder+"/"+strings.Repeat("a/", 400)+"f", w.token(), http.NoBody)
		case n%2 == 0:
			w.do(ctx, http.MethodPut, fmt.Sprintf("%s/%d", folder, n), w.token(), bytes.NewReader(content))
		default:
			w.do(ctx, http.MethodPut, fmt.Sprintf("%s/%d/%sf", folder, n, strings.Repeat("a/", 20)), w.token(), http.NoBody)
		}
	}
}

// reports report one job again and again.
func reports(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := as(ctx, w.Tokens[0])
		defer cancel()
		_, err := jobsv1.NewJobServiceClient(w.grpc()).ReportIssue(ctx, &jobsv1.ReportIssueRequest{Id: w.Job, Description: strings.Repeat("x", 1000)})
		w.ended(err)
	}
}

// watches opens watches until they are refused, reads nothing more of them than that they were
// opened, and ends them all.
func watches(w *worker) func(context.Context) {
	const most = 300
	return func(ctx context.Context) {
		ctx, cancel := as(ctx, w.token())
		defer cancel()
		jobs := jobsv1.NewJobServiceClient(w.grpc())
		for range most {
			stream, err := jobs.WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			w.ended(err)
			if err != nil {
				return
			}
		}
	}
}

// cheapCalls are as many calls as one user can make.
func cheapCalls(w *worker) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := as(ctx, w.Tokens[len(w.Tokens)-1])
		defer cancel()
		_, err := jobsv1.NewJobServiceClient(w.grpc()).Summarize(ctx, &jobsv1.SummarizeRequest{})
		w.ended(err)
	}
}
