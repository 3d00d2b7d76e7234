package cli

import (
	"context"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Jobs in one page: in full they can be large.
const (
	mostBasicJobs = 1000
	mostFullJobs  = 100
)

// eachPage asks for pages and hands them on, up to limit jobs; 0 means all.
func (a *app) eachPage(ctx context.Context, req *jobsv1.ListRequest, limit int, take func(*jobsv1.ListResponse) error) error {
	client, err := a.jobs()
	if err != nil {
		return err
	}
	req = proto.CloneOf(req) // the caller's stays at the first page
	most := mostBasicJobs
	if req.GetView() == jobsv1.JobView_JOB_VIEW_FULL {
		most = mostFullJobs
	}
	for got := 0; ; {
		size := most
		if limit > 0 {
			size = min(most, limit-got)
		}
		req.PageSize = int32(size)
		var page *jobsv1.ListResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.List(ctx, req)
			return err
		})
		if err != nil {
			return err
		}
		if err := take(page); err != nil {
			return err
		}
		got += len(page.GetJobs())
		req.PageToken = page.GetNextPageToken()
		if req.PageToken == "" || limit > 0 && got >= limit {
			return nil
		}
	}
}

// listPages collects pages into one. Counts and revision are those of the first.
func (a *app) listPages(ctx context.Context, req *jobsv1.ListRequest, limit int) (*jobsv1.ListResponse, error) {
	var all *jobsv1.ListResponse
	err := a.eachPage(ctx, req, limit, func(page *jobsv1.ListResponse) error {
		if all == nil {
			all = page
			return nil
		}
		all.Jobs, all.NextPageToken = append(all.Jobs, page.GetJobs()...), page.GetNextPageToken()
		return nil
	})
	return all, err
}
