package main

import (
	"context"
	"path/filepath"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// stint is stintd over gRPC, with a token. Its only core is taken, so that jobs wait.
type stint struct {
	jobs jobsv1.JobServiceClient
	ids  kept[string]
}

func startStint(ctx context.Context, l *lab) (peer, *rig.Process, error) {
	data, err := l.folder("stintd")
	if err != nil {
		return nil, nil, err
	}
	s, err := rig.Serve(ctx, rig.StintdConfig{
		Binary: l.stintd(), Services: filepath.Join(l.root, "bench", "testdata", "services"),
		Data: data, Log: l.log("stintd"), Conns: 1,
	})
	if err != nil {
		return nil, nil, err
	}
	l.later(func() error { s.Stop(); return nil })
	pipe, err := rig.Pipe(l.dir)
	if err != nil {
		return nil, nil, err
	}
	l.later(pipe.Close)
	return &stint{jobs: s.Clients.Jobs(0)}, s.Process, s.Hold(ctx, pipe.Name())
}

func (s *stint) submit(ctx context.Context) error {
	res, err := s.jobs.Submit(ctx, &jobsv1.SubmitRequest{Job: rig.Job(0)})
	if err == nil {
		s.ids.add(res.GetJob().GetId())
	}
	return err
}

func (s *stint) batch(ctx context.Context) error {
	req := &jobsv1.BatchSubmitRequest{Jobs: make([]*jobsv1.Job, batchSize)}
	for i := range req.GetJobs() {
		req.Jobs[i] = rig.Job(i)
	}
	_, err := s.jobs.BatchSubmit(ctx, req)
	return err
}

func (s *stint) get(ctx context.Context) error {
	_, err := s.jobs.Get(ctx, &jobsv1.GetRequest{Id: s.ids.one()})
	return err
}

func (s *stint) list(ctx context.Context) error {
	res, err := s.jobs.List(ctx, &jobsv1.ListRequest{PageSize: pageSize, Filter: `state = "queued"`})
	return full(len(res.GetJobs()), err)
}
